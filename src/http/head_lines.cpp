#include "http/head_lines.h"

#include <algorithm>

#include "http/grammar.h"
#include "http/head_parser.h"

namespace fairlead::http::detail {
namespace {

std::unexpected<Refusal> bad(std::string_view code, std::string_view text) { return std::unexpected(Refusal{400, code, text}); }
std::unexpected<Refusal> bare_lf() { return bad("bare-lf", "a line ends with LF and no CR"); }
std::unexpected<Refusal> bare_cr() { return bad("bare-cr", "there is a CR without LF in the head"); }
std::unexpected<Refusal> control_character() { return bad("control-character", "there is a control character in the head"); }
std::unexpected<Refusal> first_line_too_long() {
  return std::unexpected(Refusal{414, "target-too-long", "the first line is longer than allowed"});
}

// Why a name does not go on with `c`.
std::unexpected<Refusal> bad_name(char c) {
  if (c == '\n') return bare_lf();
  if (c == '\r') return bad("no-colon", "a line of the head has no colon");
  if (!is_value_char(c)) return control_character();
  if (is_blank(c)) return bad("space-in-name", "there is white space in the name of a field or before its colon");
  return bad("bad-field-name", "the name of a field is not a token");
}

}  // namespace

std::expected<bool, Refusal> HeadLines::scan_first_line(std::string_view buffer, const HeadLimits& limits, std::size_t longest,
                                                        bool skip_empty) {
  const char* const begin = buffer.data();
  const char* const end = begin + std::min(buffer.size(), limits.size);
  const char* p = begin + seen_;
  while (p != end) {
    switch (at_) {
      case At::begin:
        if (*p == '\r') {
          if (!skip_empty || skipped_) return bad("empty-line", "an empty line where a head begins");
          skipped_ = true;
          at_ = At::empty_line;
          p++;
          break;
        }
        first_ = static_cast<std::size_t>(p - begin);
        at_ = At::first;
        [[fallthrough]];
      case At::first: {
        const char* const last = begin + first_ + std::min(longest, static_cast<std::size_t>(end - begin) - first_);
        p = skip_text(p, last);
        if (p == end) break;
        if (*p == '\r') {
          first_size_ = static_cast<std::size_t>(p - begin) - first_;
          at_ = At::first_end;
          p++;
          break;
        }
        if (p == last) return first_line_too_long();
        if (*p == '\n') return bare_lf();
        if (*p != '\t') return control_character();
        p++;
        break;
      }
      case At::empty_line:
      case At::first_end:
        if (*p != '\n') return bare_cr();
        at_ = at_ == At::first_end ? At::line : At::begin;
        seen_ = static_cast<std::size_t>(++p - begin);
        if (at_ == At::line) return true;
        break;
      default: return true;
    }
  }
  seen_ = static_cast<std::size_t>(p - begin);
  if (at_ >= At::line) return true;
  if (buffer.size() >= limits.size) return first_line_too_long();
  return false;
}

std::expected<std::optional<std::size_t>, Refusal> HeadLines::scan_fields(std::string_view buffer, const HeadLimits& limits, Fields& into) {
  if (base_ != reinterpret_cast<std::uintptr_t>(buffer.data())) move_views(buffer, into);
  if (at_ == At::done) return seen_;
  const char* const begin = buffer.data();
  const char* const end = begin + std::min(buffer.size(), limits.size);
  const char* p = begin + seen_;
  while (p != end) {
    switch (at_) {
      case At::line:
        if (*p == '\r') {
          at_ = At::last_end;
          p++;
          break;
        }
        if (is_blank(*p)) return bad("folded-line", "a line of the head is folded (begins with white space)");
        if (*p == ':') return bad("bad-field-name", "a field has no name");
        if (!is_token_char(*p)) return bad_name(*p);
        if (into.size() >= limits.fields) return std::unexpected(Refusal{431, "too-many-fields", "the head has more fields than allowed"});
        line_ = static_cast<std::size_t>(p - begin);
        at_ = At::name;
        [[fallthrough]];
      case At::name:
        while (p != end && is_token_char(*p)) p++;
        if (p == end) break;
        if (*p != ':') return bad_name(*p);
        colon_ = static_cast<std::size_t>(p - begin);
        at_ = At::value;
        if (++p == end) break;
        [[fallthrough]];
      case At::value:
        p = skip_text(p, end);
        if (p == end) break;
        if (*p == '\t') {
          p++;
          break;
        }
        if (*p == '\n') return bare_lf();
        if (*p != '\r') return control_character();
        at_ = At::value_end;
        if (++p == end) break;
        [[fallthrough]];
      case At::value_end: {
        if (*p != '\n') return bare_cr();
        const char* from = begin + colon_ + 1;
        const char* to = p - 1;
        while (from != to && is_blank(*from)) from++;
        while (to != from && is_blank(to[-1])) to--;
        into.add({begin + line_, colon_ - line_}, {from, static_cast<std::size_t>(to - from)});
        at_ = At::line;
        p++;
        break;
      }
      case At::last_end:
        if (*p != '\n') return bare_cr();
        at_ = At::done;
        seen_ = static_cast<std::size_t>(p + 1 - begin);
        return seen_;
      default: return std::nullopt;
    }
  }
  seen_ = static_cast<std::size_t>(p - begin);
  if (buffer.size() >= limits.size) return std::unexpected(Refusal{431, "head-too-large", "the head is larger than allowed"});
  return std::nullopt;
}

void HeadLines::move_views(std::string_view buffer, Fields& into) {
  if (base_ == 0) into.clear();
  auto moved = [&](std::string_view v) {
    return std::string_view(buffer.data() + (reinterpret_cast<std::uintptr_t>(v.data()) - base_), v.size());
  };
  for (Field& f : into.all_) f = {moved(f.name), moved(f.value)};
  base_ = reinterpret_cast<std::uintptr_t>(buffer.data());
}

}  // namespace fairlead::http::detail
