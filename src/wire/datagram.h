// datagram.h: the head of a DATAGRAM of the link: which flow it belongs to. docs/WIRE.md, "Datagrams of a flow".
#pragma once
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "wire/frame.h"

namespace fairlead::wire {

// The largest payload of UDP (over IPv6; over IPv4 20 bytes less): what a record in a flow's stream may have.
inline constexpr std::size_t kMaxDatagram = 65'527;

struct FlowDatagram {
  std::uint64_t flow;  // the id of its stream
  Bytes payload;       // in place; may be empty
};
// nullopt: it has no whole head.
inline std::optional<FlowDatagram> get_flow_datagram(Bytes from) {
  const std::optional<Varint> flow = get_varint(from);
  if (!flow) return std::nullopt;
  return FlowDatagram{flow->value, from.subspan(flow->size)};
}

}  // namespace fairlead::wire
