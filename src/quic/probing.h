// probing.h: what those who measure a path, and do not carry users' data, need to know of a connection.
#pragma once
#include <string_view>

#include "quic/connection_id.h"

namespace fairlead::quic {

// A connection whose ALPN begins so sends nothing that nobody asked for: no sign of life. It measures how long a NAT remembers silence.
inline constexpr std::string_view kSilentAlpn = "fairlead-probe/";

// MuxConnection::max_datagram() of a connection between two of us, and this, are the UDP payload that the path is known to carry: a short
// header with the longest packet number, the AEAD's tag, the frame's type and two bytes of length.
inline constexpr std::size_t kDatagramOverhead = 1 + ConnectionId::kOurSize + 4 + 16 + 3;

}  // namespace fairlead::quic
