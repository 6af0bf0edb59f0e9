// path_probe.h: asks whether a cloud is heard by some path, without a connection: a packet of a version that nobody speaks, which a server
// answers with Version Negotiation (RFC 9000 6.1; RFC 8999 6).
//
// It keeps a NAT's mapping, too. 1,200 bytes go out, for a shorter one is not answered, and some 40 come back. What the answer says is
// not looked at but for the id, which nobody off the path can guess.
#pragma once
#include <array>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace fairlead::quic {

using ProbeId = std::array<std::byte, 8>;

ProbeId new_probe_id();
std::vector<std::byte> make_probe(const ProbeId& id);
// Whose answer this datagram is; nothing when it is none.
std::optional<ProbeId> read_probe_answer(Bytes datagram);

}  // namespace fairlead::quic
