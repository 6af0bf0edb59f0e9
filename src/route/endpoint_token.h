// endpoint_token.h: what a client is given that leads it to the same endpoint again: a keyed hash of its name, which tells no address.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace fairlead::route {

using EndpointToken = Strong<struct EndpointTokenTag, std::uint64_t>;

// 11 characters of base64url: they need no quotes in a cookie, and no memory in a std::string.
inline constexpr std::size_t kTokenSize = 11;
inline constexpr std::string_view kTokenDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

inline std::string to_text(EndpointToken token) {
  std::string text(kTokenSize, 'A');
  std::uint64_t rest = token.value();
  for (std::size_t i = kTokenSize; i-- > 0; rest >>= 6) text[i] = kTokenDigits[rest & 63];
  return text;
}

inline std::optional<EndpointToken> parse_endpoint_token(std::string_view text) {
  if (text.size() != kTokenSize) return {};
  std::uint64_t value = 0;
  for (const char c : text) {
    const std::size_t digit = kTokenDigits.find(c);
    if (digit == kTokenDigits.npos || value >> 58 != 0) return {};
    value = value << 6 | digit;
  }
  return EndpointToken(value);
}

}  // namespace fairlead::route
