#include "route/document.h"

#include <fmt/format.h>

#include "route/node_builder.h"

namespace fairlead::route {
namespace {

// The length of the UTF-8 sequence that `text` begins with (RFC 3629), or 0.
std::size_t utf8_size(std::string_view text) {
  auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  auto tail = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned b = byte(0);
  if (b < 0x80) return 1;
  if (b >= 0xc2 && b < 0xe0) return tail(1) ? 2 : 0;
  if (b >= 0xe0 && b < 0xf0) {
    if ((b == 0xe0 && byte(1) < 0xa0) || (b == 0xed && byte(1) >= 0xa0)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (b >= 0xf0 && b < 0xf5) {
    if ((b == 0xf0 && byte(1) < 0x90) || (b == 0xf4 && byte(1) >= 0x90)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

// Both parsers are lax about bytes that are no text: yaml-cpp drops a carriage return and replaces what is not UTF-8.
bool check_text(std::string_view text, Problems& problems) {
  Position at{1, 1};
  auto refuse = [&](std::string_view message) {
    problems.add(Severity::error, at, "", message);
    return false;
  };
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) return refuse("this is UTF-16; UTF-8 is needed");
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n') {
      at = {at.line + 1, 1};
      i++;
      continue;
    }
    if (c == 0) return refuse("a NUL character");
    if (c == '\r' && !text.substr(i + 1).starts_with('\n')) return refuse("a carriage return without a line feed");
    if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f) return refuse(fmt::format("a control character (0x{:02x})", c));
    const std::size_t size = utf8_size(text.substr(i));
    if (size == 0) return refuse(fmt::format("the byte 0x{:02x} is not UTF-8 here", c));
    i += size;
    at.column += static_cast<std::uint32_t>(size);
  }
  return true;
}

}  // namespace

Format format_of(std::string_view file_name) { return file_name.ends_with(".json") ? Format::json : Format::yaml; }

std::vector<Node> parse_document(std::string_view text, Format format, Problems& problems) {
  if (text.size() > kMaxFileBytes) {
    problems.add(Severity::error, {}, "", fmt::format("{} bytes; at most {} are read", text.size(), kMaxFileBytes));
    return {};
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark says UTF-8 and nothing else
  if (!check_text(text, problems)) return {};
  return format == Format::json ? read_json(text, problems) : read_yaml(text, problems);
}

}  // namespace fairlead::route
