#include "quic/path_probe.h"

#include <algorithm>

#include "pki/random.h"
#include "quic/stateless.h"

namespace fairlead::quic {
namespace {

constexpr std::byte kHead[] = {std::byte{0xc0}, std::byte{0x1a}, std::byte{0x2a}, std::byte{0x3a},
                               std::byte{0x4a}};  // RFC 9000 15: reserved

}  // namespace

ProbeId new_probe_id() {
  ProbeId id;
  pki::random_bytes(id);
  return id;
}

std::vector<std::byte> make_probe(const ProbeId& id) {
  std::vector<std::byte> packet(stateless::kMinInitial);
  auto at = std::ranges::copy(kHead, packet.begin()).out;
  const ProbeId to = new_probe_id();
  for (const ProbeId* each : {&to, &id}) {
    *at++ = static_cast<std::byte>(each->size());
    at = std::ranges::copy(*each, at).out;
  }
  return packet;
}

std::optional<ProbeId> read_probe_answer(Bytes datagram) {
  const auto head = stateless::read_head(datagram);
  if (!head || head->kind != stateless::Head::Kind::version_negotiation || head->dcid.size() != ProbeId{}.size()) return std::nullopt;
  ProbeId id;
  std::ranges::copy(head->dcid, id.begin());
  return id;
}

}  // namespace fairlead::quic
