// json_line.h: one JSON object on one line, built field by field. What comes from outside cannot break out of its string.
#pragma once
#include <concepts>
#include <string>
#include <string_view>

#include "base/time.h"

namespace fairlead::observe {

// Appends `text` as a JSON string (RFC 8259): control characters escaped, bytes that are not UTF-8 replaced by U+FFFD.
void append_json_string(std::string& to, std::string_view text);

class JsonLine {
 public:
  JsonLine() { text_.reserve(512); }

  JsonLine& add(std::string_view name, std::string_view value);
  JsonLine& add(std::string_view name, const char* value) { return add(name, std::string_view(value)); }
  template <std::integral T>
  JsonLine& add(std::string_view name, T value) {
    if constexpr (std::same_as<T, bool>)
      return add_raw(name, value ? "true" : "false");
    else
      return add_raw(name, std::to_string(value));
  }
  // In seconds, to the microsecond.
  JsonLine& add(std::string_view name, Duration value);
  // RFC 3339.
  JsonLine& add(std::string_view name, WallTime value) { return add(name, std::string_view(to_rfc3339(value))); }

  // The object and a newline.
  std::string finish() &&;

 private:
  JsonLine& add_raw(std::string_view name, std::string_view value);
  void begin(std::string_view name);

  std::string text_ = "{";
};

}  // namespace fairlead::observe
