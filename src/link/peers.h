// peers.h: what an ingress sees of the link: whom it can reach, and how to open a flow to them. One on each loop.
//
// In the cloud the others are nodes; at the edge there is one other, the cloud.
#pragma once
#include <memory>
#include <optional>

#include "base/ids.h"
#include "link/flow.h"

namespace fairlead::link {

// Where a flow goes. No node: the cloud.
struct Destination {
  std::optional<NodeName> node;
  static Destination cloud() { return {}; }
  static Destination to(NodeName node) { return {std::move(node)}; }
  friend auto operator<=>(const Destination&, const Destination&) = default;
};

class Peers {
 public:
  virtual ~Peers() = default;
  // On which loop the destination's session lives; none: not connected.
  virtual std::optional<LoopIndex> home(const Destination& to) const = 0;
  // Opens a flow from this loop, through a remote flow handle if the session lives on another.
  virtual Task<FlowResult<std::unique_ptr<Flow>>> open(Destination to, wire::FlowOpen open) = 0;
  virtual LoopIndex loop_index() const = 0;
};

}  // namespace fairlead::link
