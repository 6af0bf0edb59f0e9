#include "app/kube_cluster.h"

#include <fmt/format.h>

#include "plugins/kube/targets.h"

namespace fairlead::app {
namespace {

kube::Index::IsEdge is_edge(const route::Labels& wanted) {
  if (wanted.empty()) return nullptr;
  return [wanted](const kube::Labels& labels) { return route::matches(wanted, {labels.begin(), labels.end()}); };
}

}  // namespace

Result<std::function<Result<kube::Access>()>> cluster_access(const CloudKubeConfig& config, const std::filesystem::path& dir) {
  std::function<Result<kube::Access>()> access = [] { return kube::access_in_cluster({.host = {}, .port = {}}); };
  if (!config.cluster.in_cluster) {
    kube::KubeconfigOptions options{.file = dir / config.cluster.kubeconfig, .context = config.cluster.context, .more = {}};
    for (const net::SocketAddress& at : config.api_servers) options.more.push_back({at.ip.to_text(), at.port});
    access = [options] { return kube::access_by_kubeconfig(options); };
  }
  if (auto good = access(); !good) return fail(Error::wrap("kube.cluster", good.error()));
  return access;
}

KubeCluster::KubeCluster(net::Network& network, std::function<Result<kube::Access>()> access, const CloudKubeConfig& config,
                         kube::Cluster::Tell tell)
    : cluster_(network, std::move(access), is_edge(config.cluster.edges),
               [this, tell = std::move(tell)](std::shared_ptr<const kube::Directory> directory) mutable {
                 directories_++;
                 if (addresses_) addresses_->look(directory);
                 tell(std::move(directory));
               }) {
  if (config.mode == CloudKubeConfig::KubeletMode::node_address && !config.kubelet_listen.is_unspecified())
    addresses_.emplace(cluster_.client());
}

void KubeCluster::apply(const KubeRules& rules) {
  if (!addresses_) return;
  std::map<NodeName, net::SocketAddress> wanted;
  for (const kube_plugin::Door& door : rules.doors)
    if (door.target == kube_plugin::kKubelet && door.to.node) wanted.emplace(*door.to.node, door.at);
  addresses_->want(std::move(wanted));
}

std::vector<std::string> KubeCluster::problems() const {
  std::vector<std::string> all;
  for (const kube::Cluster::KindState& kind : cluster_.states())
    if (kind.watch.failure) all.push_back(fmt::format("cluster: {}", *kind.watch.failure));
  if (addresses_)
    for (const auto& [node, problem] : addresses_->problems()) all.push_back(fmt::format("node {}: {}", node.value(), problem));
  return all;
}

}  // namespace fairlead::app
