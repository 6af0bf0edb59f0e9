// where.h: where a CONNECT goes: to an edge, directly from here, or nowhere with a sentence that says why.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "kube/directory.h"
#include "link/refusal.h"
#include "net/address.h"

namespace fairlead::kube_plugin {

struct Where {
  enum class Way : std::uint8_t { edge, direct, none };
  Way way = Way::none;
  std::string_view kind;         // for the log: "kubelet", "pod", "host", "service", "direct"
  std::optional<NodeName> node;  // edge
  std::string target;            // edge: of the flow; direct: to be dialled instead of what was asked for, "" if that is it
  link::FlowCode code{};         // none
  std::string message;           // none

  static Where edge(std::string_view kind, NodeName node, std::string target) {
    return {.way = Way::edge, .kind = kind, .node = std::move(node), .target = std::move(target)};
  }
  static Where direct(std::string instead = {}) { return {.way = Way::direct, .kind = "direct", .target = std::move(instead)}; }
  static Where refused(link::FlowCode code, std::string message) { return {.code = code, .message = std::move(message)}; }
};

// By what is known of the cluster and of its edges. `turn` spreads over the endpoints of a Service. `directory` is null as long as the
// cluster was not read for the first time: then only names are believed, since any address could be one of an edge's.
Where look_up(const net::HostPort& target, const kube::Directory* directory, kube::AskStanding standing, std::uint64_t turn);

}  // namespace fairlead::kube_plugin
