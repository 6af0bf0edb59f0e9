#include "route/picker.h"

#include <algorithm>

namespace fairlead::route {

Picker::Picker(std::shared_ptr<const Snapshot> snapshot, const NodeDirectory& nodes)
    : snapshot_(std::move(snapshot)), nodes_(nodes), turns_(snapshot_->backends()) {}

const std::vector<NodeName>& Picker::nodes_of(BackendId id, std::uint64_t version) {
  Turn& turn = turns_[id.value()];
  if (turn.version == version) return turn.nodes;
  turn.nodes.clear();
  const NodeChoice& choice = std::get<NodeChoice>(snapshot_->backend(id).location);
  if (const NodeName* name = std::get_if<NodeName>(&choice.by)) {
    if (nodes_.is_connected(*name)) turn.nodes.push_back(*name);
  } else {
    nodes_.for_each([&](const NodeName& node, const Labels& labels) {
      if (choice.picks(node, labels)) turn.nodes.push_back(node);
    });
    std::sort(turn.nodes.begin(), turn.nodes.end());
  }
  turn.version = version;
  return turn.nodes;
}

bool Picker::is_reachable(const WeightedBackend& share, std::uint64_t version) {
  if (!share.backend) return true;  // to be refused
  if (std::holds_alternative<Backend::Cloud>(snapshot_->backend(*share.backend).location)) return true;
  return !nodes_of(*share.backend, version).empty();
}

Result<Choice> Picker::pick(const TcpListener& listener, Random& random) {
  const std::uint64_t version = nodes_.version();
  std::uint64_t total = 0;
  for (const WeightedBackend& share : listener.backends)
    if (share.weight > 0 && is_reachable(share, version)) total += share.weight;
  if (total == 0) {
    const bool asked =
        std::any_of(listener.backends.begin(), listener.backends.end(), [](const WeightedBackend& s) { return s.weight > 0; });
    if (!asked) return fail(Code::not_found, "all backends of TCPRoute {} have the weight 0", listener.route);
    return fail(Code::unreachable, "no node of TCPRoute {} is connected", listener.route);
  }
  std::uint64_t at = random.below(total);
  for (const WeightedBackend& share : listener.backends) {
    if (share.weight == 0 || !is_reachable(share, version)) continue;
    if (at >= share.weight) {
      at -= share.weight;
      continue;
    }
    if (!share.backend) return fail(Code::not_found, "a backend of TCPRoute {} is not there", listener.route);
    const Backend& backend = snapshot_->backend(*share.backend);
    const std::uint64_t turn = turns_[share.backend->value()].next++;
    if (std::holds_alternative<Backend::Cloud>(backend.location))
      return Choice{{}, &backend, &backend.targets[share.targets[turn % share.targets.size()]]};
    // Each node once before a target's turn moves on.
    const std::vector<NodeName>& nodes = nodes_of(*share.backend, version);
    const std::uint64_t round = turn / nodes.size();
    return Choice{nodes[turn % nodes.size()], &backend, &backend.targets[share.targets[round % share.targets.size()]]};
  }
  return fail(Code::internal, "no share of TCPRoute {} was picked", listener.route);
}

}  // namespace fairlead::route
