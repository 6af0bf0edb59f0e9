#include "plugins/kube/where.h"

#include <fmt/format.h>

#include "plugins/kube/targets.h"

namespace fairlead::kube_plugin {

Where by_name(const net::HostPort& target, const link::Nodes& nodes) {
  const auto node = NodeName::parse(target.host);
  if (node && target.port == kKubeletPort && nodes.knows(*node)) return Where::edge("kubelet", *node, std::string(kKubelet));
  return Where::direct();
}

}  // namespace fairlead::kube_plugin
