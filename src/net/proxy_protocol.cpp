#include "net/proxy_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace fairlead::net {
namespace {

constexpr std::string_view kV1 = "PROXY ";
constexpr std::size_t kMaxV1 = 107;  // CR LF included
constexpr std::string_view kV2{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t kV2Head = 16;

using Parsed = Result<std::optional<ParsedProxyHeader>>;

template <class... Args>
std::unexpected<Error> malformed(unsigned version, fmt::format_string<Args...> text, Args&&... args) {
  return fail(Code::invalid, "PROXY header of version {}: {}", version, fmt::vformat(text, fmt::make_format_args(args...)));
}

Result<std::uint16_t> port(std::string_view text) {
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool zeros = text.size() > 1 && text.front() == '0';
  if (error != std::errc() || end != text.data() + text.size() || zeros) return malformed(1, "a port is a number from 0 to 65535");
  return value;
}

// One space between words.
std::string_view next_word(std::string_view& line) {
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(std::min(space + 1, line.size()));
  return word;
}

Result<IpAddress> address(std::string_view text, bool v6) {
  auto ip = IpAddress::parse(text);
  if (!ip || (text.find(':') != std::string_view::npos) != v6) return malformed(1, "an address of TCP{} was expected", v6 ? 6 : 4);
  return ip;
}

Result<ProxyHeader> parse_line(std::string_view line) {
  const bool ends_in_space = line.ends_with(' ');
  const std::string_view protocol = next_word(line);
  if (protocol == "UNKNOWN") return ProxyHeader{.local = true, .source = {}, .destination = {}};
  const bool v6 = protocol == "TCP6";
  if (!v6 && protocol != "TCP4") return malformed(1, "neither TCP4, TCP6 nor UNKNOWN");
  ProxyHeader header;
  TRY_ASSIGN(header.source.ip, address(next_word(line), v6));
  TRY_ASSIGN(header.destination.ip, address(next_word(line), v6));
  TRY_ASSIGN(header.source.port, port(next_word(line)));
  TRY_ASSIGN(header.destination.port, port(next_word(line)));
  if (!line.empty() || ends_in_space) return malformed(1, "more than six words");
  return header;
}

Parsed parse_v1(std::string_view text) {
  const std::string_view begin = text.substr(0, kMaxV1);
  const std::size_t end = begin.find_first_of(std::string_view("\r\n\0", 3));
  if (end == std::string_view::npos) {
    if (begin.size() == kMaxV1) return malformed(1, "no end of the line within {} bytes", kMaxV1);
    return std::nullopt;
  }
  if (begin[end] != '\r' || (end + 1 < begin.size() && begin[end + 1] != '\n') || end + 2 > kMaxV1)
    return malformed(1, "the line must end with CR LF within {} bytes", kMaxV1);
  if (end + 1 == begin.size()) return std::nullopt;
  TRY_ASSIGN(const ProxyHeader header, parse_line(begin.substr(kV1.size(), end - kV1.size())));
  return ParsedProxyHeader{header, end + 2};
}

unsigned u8(Bytes from, std::size_t at) { return std::to_integer<unsigned>(from[at]); }
std::uint16_t u16(Bytes from, std::size_t at) { return static_cast<std::uint16_t>(u8(from, at) << 8 | u8(from, at + 1)); }

IpAddress ip_at(Bytes from, bool v6) {
  std::array<std::uint8_t, 16> bytes{};
  std::copy_n(as_u8(from), v6 ? 16 : 4, bytes.begin());
  if (v6) return IpAddress::v6(bytes);
  return IpAddress::v4(std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3]);
}

Result<void> check_extensions(Bytes tlvs) {
  while (!tlvs.empty()) {
    if (tlvs.size() < 3 || tlvs.size() - 3 < u16(tlvs, 1)) return malformed(2, "an extension (TLV) is cut off");
    tlvs = tlvs.subspan(std::size_t{3} + u16(tlvs, 1));
  }
  return {};
}

Parsed parse_v2(Bytes from) {
  enum : unsigned { kLocal = 0, kProxy = 1, kInet = 1, kInet6 = 2, kUnix = 3, kStream = 1, kDatagram = 2 };
  if (from.size() > 12 && u8(from, 12) != 0x20 + kLocal && u8(from, 12) != 0x20 + kProxy)
    return malformed(2, "unknown version and command 0x{:02x}", u8(from, 12));
  if (from.size() > 13 && (u8(from, 13) >> 4 > kUnix || (u8(from, 13) & 15) > kDatagram))
    return malformed(2, "unknown family and protocol 0x{:02x}", u8(from, 13));
  if (from.size() < kV2Head) return std::nullopt;
  const std::size_t size = kV2Head + u16(from, 14);
  if (size > kMaxProxyHeader) return malformed(2, "{} bytes: at most {} are read", size, kMaxProxyHeader);
  if (from.size() < size) return std::nullopt;

  const unsigned family = u8(from, 13) >> 4;
  ParsedProxyHeader parsed{.header = {}, .size = size};
  // What is no TCP connection of ours tells nothing about this one.
  parsed.header.local = u8(from, 12) == 0x20 + kLocal || (u8(from, 13) & 15) != kStream || (family != kInet && family != kInet6);
  if (parsed.header.local) return parsed;
  const bool v6 = family == kInet6;
  const std::size_t ip = v6 ? 16 : 4, addresses = 2 * ip + 4;
  const Bytes body = from.first(size).subspan(kV2Head);
  if (body.size() < addresses) return malformed(2, "{} bytes are too few for the addresses", body.size());
  parsed.header.source = {ip_at(body, v6), u16(body, 2 * ip)};
  parsed.header.destination = {ip_at(body.subspan(ip), v6), u16(body, 2 * ip + 2)};
  TRY(check_extensions(body.subspan(addresses)));
  return parsed;
}

std::string mapped(const IpAddress& ip) { return ip.is_v4() ? "::ffff:" + ip.to_text() : ip.to_text(); }

void append_ip(std::string& to, const IpAddress& ip, bool v6) {
  static constexpr std::string_view kMapped{"\0\0\0\0\0\0\0\0\0\0\xff\xff", 12};
  if (v6 && ip.is_v4()) to += kMapped;
  to.append(reinterpret_cast<const char*>(ip.data()), ip.size());
}

void append_u16(std::string& to, std::size_t value) {
  to += static_cast<char>(value >> 8);
  to += static_cast<char>(value & 0xff);
}

}  // namespace

Parsed parse_proxy_header(Bytes from) {
  const std::string_view text = as_text(from);
  for (std::string_view begin : {kV1, kV2}) {
    const std::size_t n = std::min(begin.size(), text.size());
    if (text.substr(0, n) != begin.substr(0, n)) continue;
    if (n < begin.size()) return std::nullopt;
    return begin == kV1 ? parse_v1(text) : parse_v2(from);
  }
  return fail(Code::invalid, "the connection does not begin with a PROXY header");
}

std::string make_proxy_header(unsigned version, const SocketAddress& source, const SocketAddress& destination) {
  const bool v6 = !source.ip.is_v4() || !destination.ip.is_v4();
  if (version == 1 && !v6) return fmt::format("PROXY TCP4 {} {} {} {}\r\n", source.ip, destination.ip, source.port, destination.port);
  if (version == 1)
    return fmt::format("PROXY TCP6 {} {} {} {}\r\n", mapped(source.ip), mapped(destination.ip), source.port, destination.port);
  std::string header(kV2);
  header += '\x21';
  header += v6 ? '\x21' : '\x11';
  append_u16(header, v6 ? 36 : 12);
  append_ip(header, source.ip, v6);
  append_ip(header, destination.ip, v6);
  append_u16(header, source.port);
  append_u16(header, destination.port);
  return header;
}

}  // namespace fairlead::net
