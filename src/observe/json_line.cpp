#include "observe/json_line.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace fairlead::observe {

namespace {

// The length of the UTF-8 sequence at the front (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF), or 0.
std::size_t utf8_length(std::string_view text) {
  auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) { return byte(i) >= low && byte(i) <= high; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool second = continues(1, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf);
    return second && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool second = continues(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf);
    return second && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// ASCII that stands for itself.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 0x7f; c++) plain[c] = c != '"' && c != '\\';
  return plain;
}();

// The memory of a line that was written, for the thread's next one.
std::string& spare() {
  thread_local std::string text;
  return text;
}
constexpr std::size_t kUsual = 1024, kMostKept = 16 * 1024;

void append_escaped(std::string& to, std::string_view text) {
  for (;;) {
    std::size_t plain = 0;
    while (plain < text.size() && kPlain[static_cast<unsigned char>(text[plain])]) plain++;
    to.append(text.data(), plain);
    text.remove_prefix(plain);
    if (text.empty()) return;
    const char c = text.front();
    const std::size_t length = utf8_length(text);
    if (c == '"' || c == '\\') {
      to += '\\';
      to += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      to += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else if (length == 0) {
      to += "\\ufffd";
    } else {
      to += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
}

}  // namespace

void append_json_string(std::string& to, std::string_view text) {
  to += '"';
  append_escaped(to, text);
  to += '"';
}

JsonLine::JsonLine() : text_(std::exchange(spare(), {})) {
  text_.clear();
  text_.reserve(kUsual);
  text_ += '{';
}

JsonLine::~JsonLine() {
  if (text_.capacity() > spare().capacity() && text_.capacity() <= kMostKept) spare() = std::move(text_);
}

void JsonLine::begin(std::string_view name) {
  if (text_.size() > 1) text_ += ',';
  text_ += '"';
  text_ += name;
  text_ += "\":";
}

JsonLine& JsonLine::add(std::string_view name, std::string_view value) {
  begin(name);
  append_json_string(text_, value);
  return *this;
}

JsonLine& JsonLine::add(std::string_view name, std::initializer_list<std::string_view> pieces) {
  begin(name);
  text_ += '"';
  for (const std::string_view piece : pieces) append_escaped(text_, piece);
  text_ += '"';
  return *this;
}

JsonLine& JsonLine::add_raw(std::string_view name, std::string_view value) {
  begin(name);
  text_ += value;
  return *this;
}

JsonLine& JsonLine::add(std::string_view name, Duration value) {
  const std::int64_t us = (value.count() + (value.count() < 0 ? -500 : 500)) / 1000;
  char text[32];
  const std::uint64_t size = us < 0 ? 0 - static_cast<std::uint64_t>(us) : static_cast<std::uint64_t>(us);
  char* at = text;
  if (us < 0) *at++ = '-';
  at = std::to_chars(at, text + sizeof text, size / 1'000'000).ptr;
  *at++ = '.';
  for (std::uint64_t unit = 100'000, rest = size % 1'000'000; unit > 0; rest %= unit, unit /= 10)
    *at++ = static_cast<char>('0' + rest / unit);
  return add_raw(name, {text, at});
}

std::string_view JsonLine::finish() {
  text_ += "}\n";
  return text_;
}

}  // namespace fairlead::observe
