// connection_id.h: connection ids that tell which loop a packet is for (RFC 9000 5.1; facts of SO_REUSEPORT steering).
//
// Invariant of every id that we issue: first byte % loops == this loop; the rest is random or encrypted, so that an observer cannot
// link the ids of one connection. A stateless reset token is derived from the id and a secret that all loops (and replicas) share.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"

namespace fairlead::quic {

struct ConnectionId {
  static constexpr std::size_t kMaxSize = 20;
  static constexpr std::size_t kOurSize = 10;  // 1 steering byte, 9 that carry 64 bits of randomness and room for a replica number
  std::array<std::uint8_t, kMaxSize> bytes{};
  std::uint8_t size = 0;

  static ConnectionId from(const std::uint8_t* data, std::size_t n) {
    ConnectionId id;
    id.size = static_cast<std::uint8_t>(n > kMaxSize ? kMaxSize : n);
    std::memcpy(id.bytes.data(), data, id.size);
    return id;
  }
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), size}; }
  friend bool operator==(const ConnectionId& a, const ConnectionId& b) { return a.view() == b.view(); }
};

using StatelessResetToken = std::array<std::uint8_t, 16>;

// Makes the ids of one loop.
class CidSource {
 public:
  virtual ~CidSource() = default;
  virtual ConnectionId next() = 0;
  virtual StatelessResetToken reset_token(const ConnectionId& id) const = 0;
  virtual Bytes token_secret() const = 0;  // for address validation tokens (RFC 9000 8.1)
};

}  // namespace fairlead::quic

template <>
struct std::hash<fairlead::quic::ConnectionId> {
  std::size_t operator()(const fairlead::quic::ConnectionId& id) const noexcept { return std::hash<std::string_view>{}(id.view()); }
};
