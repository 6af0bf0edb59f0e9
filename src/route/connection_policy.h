// connection_policy.h: what a ConnectionPolicy says of the connections of TCPRoutes, for which Gateway API has no field.
#pragma once
#include <vector>

#include "route/model.h"
#include "wire/message.h"

namespace fairlead::route {

struct ConnectionPolicy {
  wire::TrafficClass traffic_class = wire::TrafficClass::interactive;
  bool wait_for_link = false;  // onLinkDown: a connection that comes while no node can be reached waits for one; else it is reset
  Duration wait = 10s;         // for so long
  friend bool operator==(const ConnectionPolicy&, const ConnectionPolicy&) = default;
};

struct ConnectionPolicyObject {
  ObjectMeta meta;
  std::vector<PolicyTarget> targets;  // TCPRoutes
  ConnectionPolicy policy;
};

}  // namespace fairlead::route
