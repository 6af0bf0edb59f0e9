#include "wire/frame.h"

namespace fairlead::wire {

std::size_t put_varint(std::array<std::byte, kMaxLength>& into, std::uint64_t value) {
  const unsigned log = value < (1ULL << 6) ? 0 : value < (1ULL << 14) ? 1 : value < (1ULL << 30) ? 2 : 3;
  const std::size_t size = std::size_t{1} << log;
  for (std::size_t i = 0; i < size; i++) into[i] = static_cast<std::byte>(value >> (8 * (size - 1 - i)));
  into[0] |= static_cast<std::byte>(log << 6);
  return size;
}

std::optional<Varint> get_varint(Bytes from) {
  if (from.empty()) return std::nullopt;
  const std::size_t size = std::size_t{1} << (std::to_integer<unsigned>(from[0]) >> 6);
  if (from.size() < size) return std::nullopt;
  std::uint64_t value = std::to_integer<std::uint64_t>(from[0] & std::byte{0x3f});
  for (std::size_t i = 1; i < size; i++) value = (value << 8) | std::to_integer<std::uint64_t>(from[i]);
  return Varint{value, size};
}

Result<std::optional<Frame>> get_frame(Bytes from, std::size_t limit) {
  const std::optional<Varint> length = get_varint(from);
  if (!length) return std::nullopt;
  if (length->value > limit) return fail(Code::too_large, "frame of {} bytes: at most {} are allowed", length->value, limit);
  const std::size_t body = static_cast<std::size_t>(length->value);
  if (from.size() - length->size < body) return std::nullopt;
  return Frame{from.subspan(length->size, body), length->size + body};
}

}  // namespace fairlead::wire
