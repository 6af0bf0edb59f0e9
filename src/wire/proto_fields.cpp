#include "wire/proto_fields.h"

namespace fairlead::wire {

bool ProtoReader::varint(std::uint64_t& into) {
  into = 0;
  for (std::size_t i = 0; i < rest_.size() && i < 10; i++) {
    const auto byte = static_cast<unsigned char>(rest_[i]);
    into |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      rest_.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

std::optional<ProtoReader::Field> ProtoReader::next() {
  if (rest_.empty() || malformed_) return std::nullopt;
  std::uint64_t tag = 0;
  if (!varint(tag) || tag > UINT32_MAX || tag >> 3 == 0) return broken();
  Field field{.number = static_cast<std::uint32_t>(tag >> 3), .is_bytes = (tag & 7) == 2, .is_varint = (tag & 7) == 0};
  switch (tag & 7) {
    case 0: return varint(field.value) ? std::optional(field) : broken();
    case 1:
    case 5: {
      const std::size_t size = (tag & 7) == 1 ? 8 : 4;
      if (rest_.size() < size) return broken();
      for (std::size_t i = size; i-- > 0;) field.value = field.value << 8 | static_cast<unsigned char>(rest_[i]);
      rest_.remove_prefix(size);
      return field;
    }
    case 2: {
      std::uint64_t size = 0;
      if (!varint(size) || size > rest_.size()) return broken();
      field.bytes = rest_.substr(0, static_cast<std::size_t>(size));
      rest_.remove_prefix(static_cast<std::size_t>(size));
      return field;
    }
    default: return broken();
  }
}

}  // namespace fairlead::wire
