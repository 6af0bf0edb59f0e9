// http_values.h: the texts of HTTP rules, checked as the v1 schema of Gateway API has them, and for what must never reach a message.
#pragma once
#include <string>
#include <string_view>

#include "route/decoder.h"

namespace fairlead::route {

// HTTPHeaderName: a token of at most 256.
Result<void> check_header_name(std::string_view text);
// What may be sent as the value of a field (RFC 9110, 5.5): no control characters, no white space at the ends; 1 to `most` bytes.
Result<void> check_header_value(std::string_view text);
// A field that frames the message or belongs to one connection: Fairlead writes it itself.
bool is_framing_field(std::string_view name);

// A DNS name, the first label of which may be "*" (Hostname), or not (PreciseHostname).
Result<void> check_hostname(std::string_view text);
Result<void> check_precise_hostname(std::string_view text);

// HTTPPathMatch.value of Exact and PathPrefix.
inline constexpr std::size_t kMaxPath = 1024;  // Gateway API
Result<void> check_path(std::string_view text);
// In the form that paths of requests have (http/target.h): hex digits in capitals, nothing encoded that need not be.
std::string normal_path(std::string_view checked);

// Origins of CORS: "*", "https://*.example.com:8443".
Result<void> check_origin(std::string_view text);

// Text of `min` to `max` bytes that `check` accepts.
template <class Check>
auto sized(std::string& out, std::size_t min, std::size_t max, Check check) {
  return [&out, min, max, check](const Field& f) {
    const std::optional<std::string_view> text = f.string();
    if (!text) return;
    if (text->size() < min || text->size() > max) return f.error("{} bytes, and {} to {} are allowed", text->size(), min, max);
    Result<void> r = check(*text);
    if (!r) return f.error("{}", r.error().describe());
    out = *text;
  };
}
inline Result<void> anything(std::string_view) { return {}; }

}  // namespace fairlead::route
