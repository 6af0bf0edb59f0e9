// where.h: where a CONNECT goes: to an edge, directly from here, or nowhere with a sentence that says why.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "base/ids.h"
#include "link/refusal.h"
#include "net/address.h"

namespace fairlead::kube_plugin {

struct Where {
  enum class Way : std::uint8_t { edge, direct, none };
  Way way = Way::none;
  std::string_view kind;         // for the log: "kubelet", "pod", "service", "direct"
  std::optional<NodeName> node;  // edge
  std::string target;            // edge: of the flow
  link::FlowCode code{};         // none
  std::string message;           // none

  static Where edge(std::string_view kind, NodeName node, std::string target) {
    return {.way = Way::edge, .kind = kind, .node = std::move(node), .target = std::move(target)};
  }
  static Where direct() { return {.way = Way::direct, .kind = "direct"}; }
  static Where refused(link::FlowCode code, std::string message) { return {.code = code, .message = std::move(message)}; }
};

// Without any knowledge of the cluster: an edge's name with the kubelet's port is that kubelet. Names are bound to keys, so that nobody
// else can be meant. The rest belongs to no edge.
Where by_name(const net::HostPort& target, FunctionRef<bool(const NodeName&)> is_edge);

}  // namespace fairlead::kube_plugin
