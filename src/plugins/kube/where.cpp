#include "plugins/kube/where.h"

#include "plugins/kube/targets.h"

namespace fairlead::kube_plugin {

Where by_name(const net::HostPort& target, FunctionRef<bool(const NodeName&)> is_edge) {
  const auto node = NodeName::parse(target.host);
  if (node && target.port == kKubeletPort && is_edge(*node)) return Where::edge("kubelet", *node, std::string(kKubelet));
  return Where::direct();
}

}  // namespace fairlead::kube_plugin
