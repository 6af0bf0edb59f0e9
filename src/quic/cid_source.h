// cid_source.h: the connection ids of one loop.
//
//   byte 0      random, but congruent to the loop modulo the number of loops: what a kernel filter of three instructions can read
//   bytes 1-9   random
//
// A replica number will go, with the loop, into one AES block under the `connection_id` key (LinkSecrets), of which bytes 1-9 are a
// part; until there are replicas to tell apart, nothing is in them. Invariant: two ids show an observer nothing but their loop.
#pragma once
#include "base/ids.h"
#include "quic/connection_id.h"

namespace fairlead::quic {

// The loop whose packets carry this id.
inline LoopIndex loop_of(const ConnectionId& id, std::uint16_t loops) {
  return LoopIndex(id.size == 0 || loops < 2 ? std::uint16_t{0} : static_cast<std::uint16_t>(id.bytes[0] % loops));
}

// Secrets that all loops, and all replicas, share; derived from one master secret.
struct EndpointSecrets {
  std::array<std::byte, 32> token{};   // Retry and NEW_TOKEN
  std::array<std::byte, 32> reset{};   // stateless reset tokens
  std::array<std::byte, 64> ticket{};  // session tickets (ServerStart::ticket_key)
};

class LoopCids final : public CidSource {
 public:
  static constexpr std::uint16_t kMaxLoops = 128;  // half the values of byte 0: each loop has at least two

  LoopCids(LoopIndex loop, std::uint16_t loops, const EndpointSecrets& secrets);

  ConnectionId next() override;
  StatelessResetToken reset_token(const ConnectionId& id) const override;
  Bytes token_secret() const override { return secrets_.token; }

 private:
  const LoopIndex loop_;
  const std::uint16_t loops_;
  const EndpointSecrets secrets_;
};

}  // namespace fairlead::quic
