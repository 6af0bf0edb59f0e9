#include "net/mux.h"

namespace fairlead::net {

namespace {

// RFC 9000 20.1.
constexpr std::uint64_t kNoError = 0x0;
constexpr std::uint64_t kConnectionRefused = 0x2;
constexpr std::uint64_t kCryptoError = 0x100;  // and a TLS alert in the low byte
bool is_crypto_error(std::uint64_t code) { return (code & ~std::uint64_t{0xff}) == kCryptoError; }

}  // namespace

Error MuxClose::to_error() const {
  if (!orderly && !by_peer && code == 0) return {Code::timeout, reason.empty() ? "the peer fell silent" : reason};
  const std::string_view side = by_peer ? "the peer" : "this side";
  const std::string why = reason.empty() ? "" : fmt::format(": {}", reason);
  if (orderly && (application || code == kNoError))
    return {Code::closed, fmt::format("{} closed the connection with code {}{}", side, code, why)};
  if (!application && is_crypto_error(code))
    return {Code::refused, fmt::format("{} ended the handshake with TLS alert {}{}", side, code & 0xff, why)};
  if (!application && code == kConnectionRefused) return {Code::refused, fmt::format("{} takes no connection{}", side, why)};
  if (!orderly && by_peer && code == 0) return {Code::reset, reason.empty() ? "the peer broke the connection off" : reason};
  return {Code::reset, fmt::format("{} broke the connection off with transport error {:#x}{}", side, code, why)};
}

}  // namespace fairlead::net
