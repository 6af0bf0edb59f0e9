// frame.h: a length and that many bytes. Heads and control messages travel in frames; payload never does.
//
// The length is a QUIC variable-length integer (RFC 9000, 16). A frame larger than the reader's limit is an error before a byte of
// its body is kept.
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/error.h"

namespace fairlead::wire {

// A head carries names, labels or header fields: 64 KiB is what large HTTP heads need, and what one stranger may cost.
inline constexpr std::size_t kMaxFrame = 64_KiB;
inline constexpr std::size_t kMaxLength = 8;  // bytes of the largest length field

// Writes `value` and returns the bytes used, 1 to 8. value < 2^62.
std::size_t put_varint(std::array<std::byte, kMaxLength>& into, std::uint64_t value);

struct Varint {
  std::uint64_t value;
  std::size_t size;
};
// nullopt: more bytes are needed.
std::optional<Varint> get_varint(Bytes from);

struct Frame {
  Bytes body;
  std::size_t size;  // of length and body, to be consumed
};
// The frame at the front of `from`: nullopt when more bytes are needed, Code::too_large when it is over `limit`.
Result<std::optional<Frame>> get_frame(Bytes from, std::size_t limit = kMaxFrame);

}  // namespace fairlead::wire
