// udp_message.h: what the udp plug-in puts into FlowOpen.head, as a valid value: proto/fairlead/v1/udp.proto.
#pragma once
#include <string>

#include "base/error.h"
#include "base/time.h"

namespace fairlead::wire {

struct UdpOpen {
  Duration idle{};               // zero: the egress's own limit. Milliseconds on the wire, rounded up
  bool large_in_stream = false;  // a datagram too large for a DATAGRAM goes in the flow's stream, both ways; else it is dropped
  friend bool operator==(const UdpOpen&, const UdpOpen&) = default;
};

std::string encode(const UdpOpen& open);
Result<UdpOpen> decode_udp_open(std::string_view head);

}  // namespace fairlead::wire
