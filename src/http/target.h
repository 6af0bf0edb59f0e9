// target.h: request targets and authorities, in the one form that rules are asked with (RFC 3986, 6.2.2; Gateway API: HTTPPathMatch).
//
// A path that another reader might resolve differently must not get past a rule: dot segments are removed, and what encodes a slash,
// a backslash, NUL or a dot segment another way is refused or normalized as said at each function.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/head_parser.h"

namespace fairlead::http {

struct Authority {
  std::string_view host;  // without brackets
  std::optional<std::uint16_t> port;
};
// host[:port]; nullopt when it is neither a name, an IPv4 address nor a bracketed IPv6 address, or has user information.
std::optional<Authority> parse_authority(std::string_view text);

struct Target {
  std::string_view path;   // begins with '/', still encoded
  std::string_view query;  // without '?'
  bool has_query = false;
};
Target split_target(std::string_view origin_form);

// The path to match and to send on: %XX of unreserved characters decoded, hex in capitals, "." and ".." removed ("%2e" too), never
// above the root. Returns `path` itself when nothing had to change, else a view of `scratch`. Refused (400): "%00", "%" without two
// hex digits, a fragment, control characters. "%2F" and "%5C" stay encoded and match no slash.
std::expected<std::string_view, Refusal> normalize_path(std::string_view path, std::string& scratch);

// The first value of a query parameter, decoded ('+' is a space) into `scratch` if needed.
std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name, std::string& scratch);

// Lower case, without a dot at the end.
std::string canonical_host(std::string_view host);

}  // namespace fairlead::http
