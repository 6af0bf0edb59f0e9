// port_plan.h: which port of the cloud leads to which node's kubelet, where the API server dials ports because it knows no tunnel.
//
// Invariant: a node keeps its port, over restarts too (the text is kept in a file), for the API server finds it in the Node's status, which
// is written now and then only. A port goes to another node only when the range is full and its node is not wanted any more.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "route/egress_policy.h"

namespace fairlead::kube_plugin {

class PortPlan {
 public:
  explicit PortPlan(route::PortRange range) : range_(range) {}
  // Lines "PORT NODE". Ports outside of the range, and what is no such line, are left out: a range that was changed gives new ports.
  static PortPlan parse(std::string_view text, route::PortRange range);
  std::string to_text() const;

  // Gives a port to each of `nodes` that has none; returns those for whom none is left. True in `changed` if the text has changed.
  std::set<NodeName> assign(const std::set<NodeName>& nodes, bool& changed);
  const std::map<NodeName, std::uint16_t>& ports() const { return ports_; }

 private:
  std::optional<std::uint16_t> free_port(const std::set<NodeName>& wanted);

  route::PortRange range_;
  std::map<NodeName, std::uint16_t> ports_;
  std::map<std::uint16_t, NodeName> nodes_;
};

}  // namespace fairlead::kube_plugin
