#include "quic/cid_source.h"

#include <ngtcp2/ngtcp2_crypto.h>

#include <stdexcept>

#include "pki/random.h"

namespace fairlead::quic {

LoopCids::LoopCids(LoopIndex loop, std::uint16_t loops, const EndpointSecrets& secrets) : loop_(loop), loops_(loops), secrets_(secrets) {
  if (loops == 0 || loops > kMaxLoops || loop.value() >= loops) throw std::logic_error("a loop that is not among the loops");
}

ConnectionId LoopCids::next() {
  ConnectionId id;
  id.size = ConnectionId::kOurSize;
  pki::random_bytes(std::as_writable_bytes(std::span(id.bytes.data(), id.size)));
  // The largest value of the loop's class that is not above what was drawn, or its smallest: the few values at the top that fill no
  // whole class make the lowest ones a little more likely, which tells nobody anything.
  const int rest = id.bytes[0] % loops_;
  int first = id.bytes[0] - rest + loop_.value();
  if (first > 255) first -= loops_;
  id.bytes[0] = static_cast<std::uint8_t>(first);
  return id;
}

StatelessResetToken LoopCids::reset_token(const ConnectionId& id) const {
  ngtcp2_cid cid;
  ngtcp2_cid_init(&cid, id.bytes.data(), id.size);
  StatelessResetToken token{};
  if (ngtcp2_crypto_generate_stateless_reset_token(token.data(), as_u8(secrets_.reset), secrets_.reset.size(), &cid) != 0)
    throw std::runtime_error("HKDF failed");
  return token;
}

}  // namespace fairlead::quic
