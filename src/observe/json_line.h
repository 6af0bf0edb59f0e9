// json_line.h: one JSON object on one line, built field by field. What comes from outside cannot break out of its string.
#pragma once
#include <charconv>
#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/time.h"

namespace fairlead::observe {

// Appends `text` as a JSON string (RFC 8259): control characters escaped, bytes that are not UTF-8 replaced by U+FFFD.
void append_json_string(std::string& to, std::string_view text);

class JsonLine {
 public:
  JsonLine();
  ~JsonLine();
  JsonLine(JsonLine&&) = default;
  JsonLine& operator=(const JsonLine&) = delete;

  // Names are identifiers of the code, written as they are.
  JsonLine& add(std::string_view name, std::string_view value);
  JsonLine& add(std::string_view name, const char* value) { return add(name, std::string_view(value)); }
  // A text in pieces.
  JsonLine& add(std::string_view name, std::initializer_list<std::string_view> pieces);
  template <std::integral T>
  JsonLine& add(std::string_view name, T value) {
    if constexpr (std::same_as<T, bool>) {
      return add_raw(name, value ? "true" : "false");
    } else {
      char digits[24];
      return add_raw(name, {digits, std::to_chars(digits, digits + sizeof digits, value).ptr});
    }
  }
  // In seconds, to the microsecond.
  JsonLine& add(std::string_view name, Duration value);
  // RFC 3339.
  JsonLine& add(std::string_view name, WallTime value) { return add(name, std::string_view(to_rfc3339(value))); }

  // The object and a newline; the last call. Valid as long as this.
  std::string_view finish();

 private:
  JsonLine& add_raw(std::string_view name, std::string_view value);
  void begin(std::string_view name);

  std::string text_;
};

}  // namespace fairlead::observe
