// A DATAGRAM of a peer: its head is read or not, and what was read is what a sender would have written.
#include <cstdlib>
#include <vector>

#include "wire/datagram.h"

using namespace fairlead;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = from_u8(data, size);
  const std::optional<wire::FlowDatagram> datagram = wire::get_flow_datagram(input);
  if (!datagram) return 0;
  if (datagram->payload.data() + datagram->payload.size() != input.data() + input.size()) std::abort();
  std::array<std::byte, wire::kMaxLength> head{};
  const std::size_t n = wire::put_varint(head, datagram->flow);
  std::vector<std::byte> again(head.begin(), head.begin() + static_cast<std::ptrdiff_t>(n));
  again.insert(again.end(), datagram->payload.begin(), datagram->payload.end());
  const std::optional<wire::FlowDatagram> twice = wire::get_flow_datagram(again);
  if (!twice || twice->flow != datagram->flow || twice->payload.size() != datagram->payload.size()) std::abort();
  return 0;
}
