#include "http/target.h"

#include <algorithm>
#include <charconv>

#include "http/grammar.h"

namespace fairlead::http {
namespace {

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}
int hex_value(char c) { return c <= '9' ? c - '0' : lower(c) - 'a' + 10; }

std::unexpected<Refusal> bad_path(std::string_view text) { return std::unexpected(Refusal{400, "bad-path", text}); }

// Whether nothing would change: no escape, no dot segment.
bool is_plain(std::string_view path) {
  for (std::size_t i = 0; i < path.size(); i++) {
    if (path[i] == '%' || static_cast<unsigned char>(path[i]) <= 0x20 || static_cast<unsigned char>(path[i]) >= 0x7f || path[i] == '#')
      return false;
    if (path[i] == '/' && i + 1 < path.size() && path[i + 1] == '.') return false;
  }
  return true;
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
  Authority made;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == text.npos || end == 1) return std::nullopt;
    made.host = text.substr(1, end - 1);
    if (made.host.find(':') == made.host.npos || !std::ranges::all_of(made.host, [](char c) { return is_hex(c) || c == ':' || c == '.'; }))
      return std::nullopt;
    rest = text.substr(end + 1);
  } else {
    const std::size_t colon = text.find(':');
    made.host = text.substr(0, colon);
    if (made.host.empty() || !std::ranges::all_of(made.host, [](char c) { return is_unreserved(c); })) return std::nullopt;
    rest = colon == text.npos ? std::string_view{} : text.substr(colon);
  }
  if (rest.empty() || rest == ":") return made;
  if (rest.front() != ':') return std::nullopt;
  rest.remove_prefix(1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), port);
  if (error != std::errc{} || end != rest.data() + rest.size()) return std::nullopt;
  made.port = port;
  return made;
}

Target split_target(std::string_view origin_form) {
  const std::size_t at = origin_form.find('?');
  if (at == origin_form.npos) return {origin_form, {}, false};
  return {origin_form.substr(0, at), origin_form.substr(at + 1), true};
}

std::expected<std::string_view, Refusal> normalize_path(std::string_view path, std::string& scratch) {
  if (is_plain(path)) return path;
  scratch.clear();
  for (std::size_t i = 0; i < path.size(); i++) {
    const char c = path[i];
    if (c == '#') return bad_path("the path has a fragment");
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f)
      return bad_path("the path has characters that a URL does not");
    if (c != '%') {
      scratch += c;
      continue;
    }
    if (i + 2 >= path.size() || !is_hex(path[i + 1]) || !is_hex(path[i + 2])) return bad_path("a % without two hex digits in the path");
    const int value = hex_value(path[i + 1]) * 16 + hex_value(path[i + 2]);
    if (value == 0) return bad_path("the path has an encoded NUL");
    i += 2;
    if (is_unreserved(static_cast<char>(value)) && value < 0x80) {
      scratch += static_cast<char>(value);
    } else {
      constexpr char kDigits[] = "0123456789ABCDEF";
      scratch += '%';
      scratch += kDigits[value / 16];
      scratch += kDigits[value % 16];
    }
  }
  // Dot segments (RFC 3986, 5.2.4), in place: what is written is never ahead of what is read.
  std::size_t out = 0;
  std::size_t in = 0;
  std::string& s = scratch;
  while (in < s.size()) {
    const std::size_t end = std::min(s.find('/', in + 1), s.size());
    const std::string_view segment(s.data() + in, end - in);  // with the slash before it
    const bool last = end == s.size();
    if (segment == "/." || segment == "/..") {
      if (segment.size() == 3) {
        const std::size_t parent = out == 0 ? 0 : s.rfind('/', out - 1);
        out = parent == s.npos ? 0 : parent;
      }
      if (last) s[out++] = '/';
    } else {
      std::copy(segment.begin(), segment.end(), s.begin() + static_cast<std::ptrdiff_t>(out));
      out += segment.size();
    }
    in = end;
  }
  s.resize(out);
  if (s.empty()) s = "/";
  return s;
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
