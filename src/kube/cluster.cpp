#include "kube/cluster.h"

#include <algorithm>

namespace fairlead::kube {
namespace {

Watched nodes() { return {"/api/v1/nodes", "", "nodes", "", NodeObject::wanted()}; }
// Those that are over have no address any more that matters.
Watched pods() {
  return {"/api/v1/pods", "", "pods", "fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed", PodObject::wanted()};
}
Watched services() { return {"/api/v1/services", "", "services", "", ServiceObject::wanted()}; }
Watched slices() { return {"/apis/discovery.k8s.io/v1/endpointslices", "discovery.k8s.io", "endpointslices", "", SliceObject::wanted()}; }

}  // namespace

Cluster::Cluster(net::Network& network, LoadAccess load, Index::IsEdge is_edge, Tell tell)
    : loop_(network.loop()),
      client_(network, std::move(load)),
      index_(std::move(is_edge)),
      tell_(std::move(tell)),
      timer_(loop_, [this] { this->tell(); }),
      parts_{Part(*this, Kind::node), Part(*this, Kind::pod), Part(*this, Kind::service), Part(*this, Kind::slice)},
      watchers_{Watcher(client_, nodes(), parts_[0]), Watcher(client_, pods(), parts_[1]), Watcher(client_, services(), parts_[2]),
                Watcher(client_, slices(), parts_[3])},
      watching_(loop_) {
  for (Watcher& watcher : watchers_) watching_.spawn(watcher.run());
}

void Cluster::look() {
  if (timer_.armed() || !index_.changed()) return;
  if (!std::ranges::all_of(watchers_, [](const Watcher& w) { return w.state().synced; })) return;
  timer_.arm(std::max(next_, loop_.now()));
}

void Cluster::tell() {
  next_ = loop_.now() + kPace;
  tell_(index_.directory());
}

std::vector<Cluster::KindState> Cluster::states() const {
  std::vector<KindState> all;
  for (std::size_t i = 0; i < kKinds; i++)
    all.push_back({watchers_[i].resource(), index_.size(static_cast<Kind>(i)), watchers_[i].state()});
  return all;
}

}  // namespace fairlead::kube
