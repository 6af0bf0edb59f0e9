#include "route/http_values.h"

#include <algorithm>
#include <array>

#include "http/message.h"
#include "route/values.h"

namespace fairlead::route {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_one_of(char c, std::string_view set) { return set.find(c) != set.npos; }
bool is_unreserved(char c) { return is_alnum(c) || is_one_of(c, "-._~"); }

int hex_value(char c) { return is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10; }
char capital(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

}  // namespace

Result<void> check_header_name(std::string_view text) {
  const bool ok = !text.empty() && text.size() <= 256 &&
                  std::ranges::all_of(text, [](char c) { return is_alnum(c) || is_one_of(c, "!#$%&'*+-.^_`|~"); });
  if (!ok) return fail(Code::invalid, "{} is not the name of a header (at most 256 of letters, digits and !#$%&'*+-.^_`|~)", shown(text));
  return {};
}

Result<void> check_header_value(std::string_view text) {
  const bool ok = std::ranges::none_of(text, [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f; });
  if (!ok) return fail(Code::invalid, "{} has control characters", shown(text));
  if (!text.empty() && (is_one_of(text.front(), " \t") || is_one_of(text.back(), " \t")))
    return fail(Code::invalid, "{} begins or ends with white space, which is no part of a header's value", shown(text));
  return {};
}

bool is_framing_field(std::string_view name) {
  constexpr std::array<std::string_view, 9> kNames = {"Connection", "Content-Length", "Expect",  "Keep-Alive",       "Proxy-Connection",
                                                      "TE",         "Trailer",        "Upgrade", "Transfer-Encoding"};
  return std::ranges::any_of(kNames, [&](std::string_view n) { return http::equal_name(n, name); });
}

Result<void> check_hostname(std::string_view text) { return check_precise_hostname(text.starts_with("*.") ? text.substr(2) : text); }

Result<void> check_precise_hostname(std::string_view text) {
  if (net::IpAddress::parse(text)) return fail(Code::invalid, "{} is an IP address, not a host name", shown(text));
  return check_dns_subdomain(text);
}

Result<void> check_path(std::string_view text) {
  auto bad = [&](std::string_view why) { return fail(Code::invalid, "{} is not a path: {}", shown(text), why); };
  if (!text.starts_with('/')) return bad("it must begin with /");
  for (std::size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return bad("% must be followed by two hex digits");
    } else if (!is_unreserved(c) && !is_one_of(c, "/!$&'()*+,;=:@")) {
      return bad("it has a character that is not one of a path; encode it as %XX");
    }
  }
  const std::string normal = normal_path(text);
  if (normal.find("%2F") != normal.npos) return bad("an encoded slash (%2F) is not allowed");
  if (normal.find("%00") != normal.npos) return bad("%00 is not allowed");
  for (std::string_view part : {"//", "/./", "/../"})
    if (normal.find(part) != normal.npos) return bad(part == "//" ? "// is not allowed" : "/./ and /../ are not allowed");
  if (normal.ends_with("/.") || normal.ends_with("/..")) return bad("/. and /.. at the end are not allowed");
  return {};
}

std::string normal_path(std::string_view checked) {
  std::string normal;
  for (std::size_t i = 0; i < checked.size(); i++) {
    if (checked[i] != '%' || i + 2 >= checked.size()) {
      normal += checked[i];
      continue;
    }
    const char c = static_cast<char>(hex_value(checked[i + 1]) * 16 + hex_value(checked[i + 2]));
    if (is_unreserved(c)) {
      normal += c;
    } else {
      normal += '%';
      normal += capital(checked[i + 1]);
      normal += capital(checked[i + 2]);
    }
    i += 2;
  }
  return normal;
}

Result<void> check_origin(std::string_view text) {
  if (text == "*") return {};
  auto bad = [&] {
    return fail(Code::invalid, "{} is not an origin like https://example.com, https://*.example.com:8443 or *", shown(text));
  };
  std::string_view rest = text;
  if (rest.starts_with("http://"))
    rest.remove_prefix(7);
  else if (rest.starts_with("https://"))
    rest.remove_prefix(8);
  else
    return bad();
  if (const std::size_t colon = rest.find(':'); colon != rest.npos) {
    const std::string_view port = rest.substr(colon + 1);
    if (port.empty() || port.size() > 5 || !std::ranges::all_of(port, is_digit)) return bad();
    rest = rest.substr(0, colon);
  }
  if (rest == "*") return {};
  if (rest.starts_with("*.")) rest.remove_prefix(2);
  std::string_view label = rest;
  for (bool more = true; more;) {
    const std::size_t dot = rest.find('.');
    label = rest.substr(0, dot);
    more = dot != rest.npos;
    if (more) rest.remove_prefix(dot + 1);
    if (label.empty() || !std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-'; })) return bad();
  }
  return {};
}

}  // namespace fairlead::route
