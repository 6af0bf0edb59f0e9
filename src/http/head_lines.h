// head_lines.h: the lines of a head, whatever its first line means: found, checked and remembered by their offsets, so that the
// buffer may move between calls. What both parsers of head_parser.h stand on.
#pragma once
#include <expected>
#include <optional>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace fairlead::http {

struct HeadLimits;
struct Refusal;

namespace detail {

class HeadLines {
 public:
  void reset();
  // The size of the head, once it is whole. `skip_empty_first`: an empty line before it is passed over, once.
  std::expected<std::optional<std::size_t>, Refusal> scan(std::string_view buffer, const HeadLimits& limits, bool skip_empty_first);
  bool has_first_line() const { return has_first_; }
  std::string_view first_line(std::string_view buffer) const { return buffer.substr(first_.at, first_.size); }
  void fields(std::string_view buffer, Fields& into) const;

 private:
  struct Piece {
    std::size_t at = 0, size = 0;
  };
  struct FieldPiece {
    Piece name, value;
  };
  std::unexpected<Refusal> too_large(const HeadLimits& limits) const;
  std::optional<Refusal> check_part(std::string_view part) const;
  std::optional<Refusal> add_field(std::string_view line, std::size_t begin, const HeadLimits& limits);

  std::size_t at_ = 0;       // lines before this are done
  std::size_t scanned_ = 0;  // no end of line between at_ and this
  bool has_first_ = false, skipped_ = false;
  Piece first_;
  std::vector<FieldPiece> fields_;
};

}  // namespace detail
}  // namespace fairlead::http
