#include "wire/udp_message.h"

#include <limits>

#include "wire/proto_fields.h"

namespace fairlead::wire {
namespace {

constexpr std::uint32_t kIdleMs = 1, kLargeInStream = 2;

}  // namespace

std::string encode(const UdpOpen& open) {
  std::string head;
  ProtoWriter out(head);
  out.number(kIdleMs, static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(open.idle).count()));
  out.number(kLargeInStream, open.large_in_stream ? 1 : 0);
  return head;
}

Result<UdpOpen> decode_udp_open(std::string_view head) {
  UdpOpen open;
  ProtoReader in(head);
  while (const auto field = in.next()) {
    if (field->number != kIdleMs && field->number != kLargeInStream) continue;
    if (!field->is_varint || field->value > std::numeric_limits<std::uint32_t>::max())
      return fail(Code::invalid, "UdpOpen: field {} is none of its kind", field->number);
    if (field->number == kIdleMs) open.idle = std::chrono::milliseconds(field->value);
    if (field->number == kLargeInStream) open.large_in_stream = field->value != 0;
  }
  if (in.malformed()) return fail(Code::invalid, "UdpOpen is malformed");
  return open;
}

}  // namespace fairlead::wire
