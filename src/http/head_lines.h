// head_lines.h: the lines of a head, whatever its first line means. What the parsers of heads and of trailers stand on.
//
// Each byte is looked at once, however the head is cut into reads; between calls the buffer may move. A byte that cannot be part of a
// good head is refused when it is seen, so the same head is refused for the same reason whatever its cuts.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "http/message.h"

namespace fairlead::http {

struct HeadLimits;
struct Refusal;

namespace detail {

class HeadLines {
 public:
  void reset() { *this = {}; }
  // The next bytes are fields, without a first line: trailers.
  void reset_to_fields() {
    *this = {};
    at_ = At::line;
  }

  // Whether the first line is whole; of at most `longest` bytes. `skip_empty`: an empty line before it is passed over, once.
  std::expected<bool, Refusal> scan_first_line(std::string_view buffer, const HeadLimits& limits, std::size_t longest, bool skip_empty);
  std::string_view first_line(std::string_view buffer) const { return buffer.substr(first_, first_size_); }

  // Behind the first line: the size of the head, once it is whole. `into` has then its fields, as views of `buffer`; it belongs to this
  // until then. Asked again with the same bytes elsewhere, it gives the same with views of these.
  std::expected<std::optional<std::size_t>, Refusal> scan_fields(std::string_view buffer, const HeadLimits& limits, Fields& into);

 private:
  enum class At : std::uint8_t { begin, empty_line, first, first_end, line, name, value, value_end, last_end, done };
  void move_views(std::string_view buffer, Fields& into);

  At at_ = At::begin;
  bool skipped_ = false;
  std::size_t seen_ = 0;  // bytes that were looked at
  std::size_t first_ = 0, first_size_ = 0;
  std::size_t line_ = 0, colon_ = 0;  // of the field that is being read
  std::uintptr_t base_ = 0;           // where the buffer was when the views were made
};

}  // namespace detail
}  // namespace fairlead::http
