// format.h: formatters for our own types that need only fmt's thin header. A type is shown by its text; there are no format options.
#pragma once
#include <fmt/core.h>

#include <algorithm>
#include <string_view>

namespace fairlead {

// struct fmt::formatter<T> : fairlead::TextFormatter { format(t, ctx) { return text(t.to_text(), ctx); } };
struct TextFormatter {
  constexpr auto parse(fmt::format_parse_context& ctx) { return ctx.begin(); }
  static auto text(std::string_view s, fmt::format_context& ctx) { return std::copy(s.begin(), s.end(), ctx.out()); }
};

}  // namespace fairlead
