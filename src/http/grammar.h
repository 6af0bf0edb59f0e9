// grammar.h: the characters and lists of HTTP (RFC 9110, 5.6), for the files of this layer.
#pragma once
#include <array>
#include <optional>
#include <string_view>

namespace fairlead::http {

inline constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

namespace detail {
enum : unsigned char { kTokenBit = 1, kValueBit = 2, kHexBit = 4, kUnreservedBit = 8 };
inline constexpr std::array<unsigned char, 256> kClass = [] {
  std::array<unsigned char, 256> t{};
  for (unsigned c = 0; c < 256; c++)
    if ((c >= 0x20 && c != 0x7f) || c == '\t') t[c] |= kValueBit;
  for (char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    t[static_cast<unsigned char>(c)] |= kTokenBit;
  for (char c : std::string_view("0123456789abcdefABCDEF")) t[static_cast<unsigned char>(c)] |= kHexBit;
  for (char c : std::string_view("-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    t[static_cast<unsigned char>(c)] |= kUnreservedBit;
  return t;
}();
template <unsigned char kBit>
constexpr bool is(char c) {
  return (kClass[static_cast<unsigned char>(c)] & kBit) != 0;
}
template <unsigned char kBit>
constexpr bool all(std::string_view text) {
  for (char c : text)
    if (!is<kBit>(c)) return false;
  return true;
}
}  // namespace detail

inline constexpr bool is_token_char(char c) { return detail::is<detail::kTokenBit>(c); }
inline constexpr bool is_token(std::string_view text) { return !text.empty() && detail::all<detail::kTokenBit>(text); }
inline constexpr bool is_value_char(char c) { return detail::is<detail::kValueBit>(c); }
inline constexpr bool is_hex(char c) { return detail::is<detail::kHexBit>(c); }
inline constexpr bool is_unreserved(char c) { return detail::is<detail::kUnreservedBit>(c); }
inline constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
inline constexpr unsigned hex_value(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : lower(c) - 'a' + 10); }

// The first character that no text has: a control character (a tab too) or DEL; `end` if there is none.
const char* skip_text(const char* p, const char* end);
// The first character that is not visible ASCII; `end` if there is none.
const char* skip_visible(const char* p, const char* end);
bool is_value(std::string_view text);
// Whether it is nothing but visible ASCII.
inline bool is_visible(std::string_view text) {
  const char* const begin = text.data();
  return skip_visible(begin, begin + text.size()) == begin + text.size();
}

// A field of one connection (RFC 9110, 7.6.1) or of a message's framing: never passed on, never a trailer.
bool is_hop_by_hop(std::string_view name);

// The items of a list field; empty ones are passed over, a quoted string is part of its item.
class ListItems {
 public:
  explicit ListItems(std::string_view text) : rest_(text) {}
  std::optional<std::string_view> next();

 private:
  std::string_view rest_;
};

}  // namespace fairlead::http
