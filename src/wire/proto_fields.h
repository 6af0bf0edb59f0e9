// proto_fields.h: the fields of a Protobuf message one by one (https://protobuf.dev/programming-guides/encoding), for heads that every
// request has: read in place and written straight, where the generated classes would copy each text into an object of its own. Tests
// and a fuzzer hold this against those classes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace fairlead::wire {

// Appends to a text. Fields that have their default are left out, as proto3 does.
class ProtoWriter {
 public:
  explicit ProtoWriter(std::string& out) : out_(out) {}

  void bytes(std::uint32_t field, std::string_view value) {
    if (!value.empty()) put_bytes(field, value);
  }
  void number(std::uint32_t field, std::uint64_t value) {
    if (value == 0) return;
    varint(field << 3);
    varint(value);
  }
  // A message within: its size, then, by the same calls, its fields.
  void begin_message(std::uint32_t field, std::size_t size) {
    varint(field << 3 | 2);
    varint(size);
  }
  void put_bytes(std::uint32_t field, std::string_view value) {
    begin_message(field, value.size());
    out_ += value;
  }
  // Of bytes() as they would be written.
  static std::size_t size_of(std::uint32_t field, std::string_view value) {
    return value.empty() ? 0 : length_of(field << 3) + length_of(value.size()) + value.size();
  }

 private:
  static std::size_t length_of(std::uint64_t v) {
    std::size_t n = 1;
    while (v >>= 7) n++;
    return n;
  }
  void varint(std::uint64_t v) {
    char digits[10];
    std::size_t n = 0;
    for (; v >= 0x80; v >>= 7) digits[n++] = static_cast<char>(v | 0x80);
    digits[n++] = static_cast<char>(v);
    out_.append(digits, n);
  }
  std::string& out_;
};

// Iterates; never reads beyond the message. Groups, which proto3 does not have, are malformed.
class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message) : rest_(message) {}

  struct Field {
    std::uint32_t number;
    bool is_bytes;  // else a number, of any of the three numeric wire types
    bool is_varint;
    std::uint64_t value = 0;
    std::string_view bytes;  // in place
  };
  // Nothing: the end, or malformed().
  std::optional<Field> next();
  bool malformed() const { return malformed_; }

 private:
  bool varint(std::uint64_t& into);
  std::optional<Field> broken() {
    malformed_ = true;
    return std::nullopt;
  }
  std::string_view rest_;
  bool malformed_ = false;
};

}  // namespace fairlead::wire
