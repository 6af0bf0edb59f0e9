// datagram_policy.h: what a DatagramPolicy says of the associations of UDPRoutes, for which Gateway API has no field.
//
// An association is one client (address and port) at one listener, and the flow that carries its datagrams.
#pragma once
#include <vector>

#include "route/model.h"
#include "wire/message.h"

namespace fairlead::route {

struct DatagramPolicy {
  Duration idle = 60s;                  // without a datagram in either direction, and the association is over
  std::uint32_t answers = 0;            // over when so many have come for each datagram of the client (DNS: 1); 0: not for that
  std::uint32_t associations = 16'384;  // of a listener at once: as many as streams by default (link.maxStreams)
  std::uint32_t per_source = 4'096;     // of one address at once
  bool large_in_stream = true;          // what no DATAGRAM of the link holds goes in the flow's stream; else it is dropped
  wire::TrafficClass traffic_class = wire::TrafficClass::interactive;
  friend bool operator==(const DatagramPolicy&, const DatagramPolicy&) = default;
};

struct DatagramPolicyObject {
  ObjectMeta meta;
  std::vector<PolicyTarget> targets;  // UDPRoutes
  DatagramPolicy policy;
};

}  // namespace fairlead::route
