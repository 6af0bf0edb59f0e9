#include "quic/copies.h"

namespace fairlead::quic {
namespace {

void put_number(std::vector<std::byte>& into, std::uint64_t value) {
  const int log = value < 64 ? 0 : value < 16'384 ? 1 : value < (1u << 30) ? 2 : 3;
  const int size = 1 << log;
  for (int i = size - 1; i >= 0; i--) {
    const auto byte = static_cast<std::uint8_t>(value >> (8 * i));
    into.push_back(static_cast<std::byte>(i == size - 1 ? byte | (log << 6) : byte));
  }
}

std::optional<std::uint64_t> get_number(Bytes& from) {
  if (from.empty()) return std::nullopt;
  const auto first = static_cast<std::uint8_t>(from[0]);
  const std::size_t size = std::size_t{1} << (first >> 6);
  if (from.size() < size) return std::nullopt;
  std::uint64_t value = first & 0x3f;
  for (std::size_t i = 1; i < size; i++) value = value << 8 | static_cast<std::uint8_t>(from[i]);
  from = from.subspan(size);
  return value;
}

constexpr std::byte kEnd{1};

}  // namespace

std::vector<std::byte> StreamCopy::head(std::int64_t stream, std::uint64_t offset, bool end) {
  std::vector<std::byte> head;
  head.reserve(kMaxHead + CopyQueue::kMaxBytes);
  head.push_back(kMark);
  head.push_back(end ? kEnd : std::byte{0});
  put_number(head, static_cast<std::uint64_t>(stream));
  put_number(head, offset);
  return head;
}

std::optional<StreamCopy> StreamCopy::read(Bytes datagram) {
  if (!is_copy(datagram) || datagram.size() < 4 || (datagram[1] & ~kEnd) != std::byte{0}) return std::nullopt;
  StreamCopy copy{.end = datagram[1] == kEnd};
  Bytes rest = datagram.subspan(2);
  const auto stream = get_number(rest);
  const auto offset = get_number(rest);
  if (!stream || !offset || (rest.empty() && !copy.end)) return std::nullopt;
  copy.stream = static_cast<std::int64_t>(*stream);
  copy.offset = *offset;
  copy.bytes = rest;
  return copy;
}

}  // namespace fairlead::quic
