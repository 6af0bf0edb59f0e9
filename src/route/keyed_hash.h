// keyed_hash.h: SipHash-2-4 (public domain algorithm by Aumasson and Bernstein): a short name for a text that nobody can make, or turn
// back by trying, without the key. The same on every machine, so that it can be given to a client and come back after a restart.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fairlead::route {

using HashKey = std::array<std::uint64_t, 2>;

inline std::uint64_t keyed_hash(const HashKey& key, std::string_view text) {
  std::uint64_t a = key[0] ^ 0x736f6d6570736575, b = key[1] ^ 0x646f72616e646f6d;
  std::uint64_t c = key[0] ^ 0x6c7967656e657261, d = key[1] ^ 0x7465646279746573;
  const auto round = [&] {
    a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
    c += d, d = std::rotl(d, 16) ^ c;
    a += d, d = std::rotl(d, 21) ^ a;
    c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
  };
  const auto take = [&](std::uint64_t word) {
    d ^= word;
    round(), round();
    a ^= word;
  };
  const auto word_at = [&](std::size_t at, std::size_t n) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < n; i++) word |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[at + i])) << (8 * i);
    return word;
  };
  const std::size_t whole = text.size() & ~std::size_t{7};
  for (std::size_t at = 0; at < whole; at += 8) take(word_at(at, 8));
  take(word_at(whole, text.size() - whole) | static_cast<std::uint64_t>(text.size()) << 56);
  c ^= 0xff;
  for (int i = 0; i < 4; i++) round();
  return a ^ b ^ c ^ d;
}

}  // namespace fairlead::route
