#include "http/target.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "http/grammar.h"

namespace fairlead::http {
namespace {

std::unexpected<Refusal> bad_path(std::string_view text) { return std::unexpected(Refusal{400, "bad-path", text}); }

bool is_ipv6(std::string_view text) {
  char copy[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof copy || !std::ranges::all_of(text, [](char c) { return is_hex(c) || c == ':' || c == '.'; })) return false;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  in6_addr made;
  return inet_pton(AF_INET6, copy, &made) == 1;
}

// Of letters, digits, '-', '_' and '.', without empty labels but for a dot at the end. RFC 3986 would allow more; no host is named so.
bool is_host_name(std::string_view text) {
  constexpr std::size_t kLongest = 255;  // of a name in DNS
  if (text.empty() || text.size() > kLongest || text.front() == '.') return false;
  char before = 0;
  for (const char c : text) {
    if (!is_unreserved(c) || c == '~' || (c == '.' && before == '.')) return false;
    before = c;
  }
  return true;
}

// Whether nothing would change and nothing is refused, as is so for nearly all paths.
bool is_plain(std::string_view path) {
  if (!is_visible(path)) return false;
  for (std::size_t i = 0; i < path.size(); i++) {
    const char c = path[i];
    if (c == '%' || c == '#' || c == '\\') return false;
    if (c == '/' && i + 1 < path.size() && path[i + 1] == '.') return false;
  }
  return true;
}

// Escapes of unreserved characters are undone, others are in capitals, a backslash is escaped.
std::optional<std::string_view> decode_unreserved(std::string_view path, std::string& into) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  into.clear();
  into.reserve(path.size());
  auto escape = [&](unsigned value) {
    into += '%';
    into += kDigits[value / 16];
    into += kDigits[value % 16];
  };
  for (std::size_t i = 0; i < path.size(); i++) {
    const char c = path[i];
    if (c == '#') return "the path has a fragment";
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f)
      return "the path has characters that a URL does not";
    if (c == '\\') {
      escape('\\');
      continue;
    }
    if (c != '%') {
      into += c;
      continue;
    }
    if (i + 2 >= path.size() || !is_hex(path[i + 1]) || !is_hex(path[i + 2])) return "a % without two hex digits in the path";
    const unsigned value = hex_value(path[i + 1]) * 16 + hex_value(path[i + 2]);
    if (value == 0) return "the path has an encoded NUL";
    i += 2;
    if (value < 0x80 && is_unreserved(static_cast<char>(value)))
      into += static_cast<char>(value);
    else
      escape(value);
  }
  return std::nullopt;
}

// A segment that is none here and that some services resolve as "." or "..": behind an encoded slash or backslash, or with parameters.
bool hides_dots(std::string_view segment) {
  const bool whole = segment.find('%') == segment.npos && segment.find(';') == segment.npos;
  if (whole) return false;
  std::size_t begin = 0;
  while (begin <= segment.size()) {
    std::size_t end = begin;
    while (end < segment.size() && !segment.substr(end).starts_with("%2F") && !segment.substr(end).starts_with("%5C")) end++;
    const std::string_view part = segment.substr(begin, end - begin);
    const std::string_view name = part.substr(0, std::min(part.find(';'), part.find("%3B")));
    if (name == "." || name == "..") return true;
    begin = end + 3;
  }
  return false;
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
  Authority made;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == text.npos) return std::nullopt;
    made.host = text.substr(1, end - 1);
    if (!is_ipv6(made.host)) return std::nullopt;
    rest = text.substr(end + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    made.host = text.substr(0, colon);
    if (!is_host_name(made.host)) return std::nullopt;
    rest = text.substr(colon);
  }
  if (rest.empty()) return made;
  if (rest.front() != ':') return std::nullopt;
  rest.remove_prefix(1);
  if (rest.empty()) return made;  // RFC 3986, 3.2.3: as without the colon
  unsigned port = 0;
  if (rest.size() > 5) return std::nullopt;
  for (const char c : rest) {
    if (c < '0' || c > '9') return std::nullopt;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  if (port == 0 || port > 65535) return std::nullopt;
  made.port = static_cast<std::uint16_t>(port);
  return made;
}

Target split_target(std::string_view origin_form) {
  const std::size_t at = origin_form.find('?');
  if (at == origin_form.npos) return {origin_form, {}, false};
  return {origin_form.substr(0, at), origin_form.substr(at + 1), true};
}

std::expected<std::string_view, Refusal> normalize_path(std::string_view path, std::string& scratch) {
  if (!path.starts_with('/')) return bad_path("the path does not begin with a slash");
  if (is_plain(path)) return path;
  if (auto why = decode_unreserved(path, scratch)) return bad_path(*why);
  // Dot segments (RFC 3986, 5.2.4), in place: what is written is never ahead of what is read.
  std::string& s = scratch;
  std::size_t out = 0;
  for (std::size_t in = 0; in < s.size();) {
    const std::size_t end = std::min(s.find('/', in + 1), s.size());
    const std::string_view segment(s.data() + in + 1, end - in - 1);
    if (hides_dots(segment)) return bad_path("the path has an encoded dot segment");
    if (segment == "." || segment == "..") {
      if (segment == ".." && out > 0) out = s.rfind('/', out - 1);
      if (end == s.size()) s[out++] = '/';
    } else {
      std::copy(s.begin() + static_cast<std::ptrdiff_t>(in), s.begin() + static_cast<std::ptrdiff_t>(end),
                s.begin() + static_cast<std::ptrdiff_t>(out));
      out += end - in;
    }
    in = end;
  }
  s.resize(out);
  return s == path ? path : std::string_view(s);
}

std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name, std::string& scratch) {
  auto decode = [](std::string_view text, std::string& into) {
    into.clear();
    for (std::size_t i = 0; i < text.size(); i++) {
      if (text[i] == '+') {
        into += ' ';
      } else if (text[i] == '%' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2])) {
        into += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
        i += 2;
      } else {
        into += text[i];
      }
    }
  };
  auto plain = [](std::string_view text) { return text.find_first_of("+%") == text.npos; };
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == query.npos ? std::string_view{} : query.substr(end + 1);
    const std::size_t equals = pair.find('=');
    const std::string_view key = pair.substr(0, equals);
    const std::string_view value = equals == pair.npos ? std::string_view{} : pair.substr(equals + 1);
    if (plain(key)) {
      if (key != name) continue;
    } else {
      decode(key, scratch);
      if (scratch != name) continue;
    }
    if (plain(value)) return value;
    decode(value, scratch);
    return scratch;
  }
  return std::nullopt;
}

std::string canonical_host(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  std::string made(host);
  for (char& c : made) c = lower(c);
  return made;
}

}  // namespace fairlead::http
