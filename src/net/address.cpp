#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace fairlead::net {

IpAddress IpAddress::v4(std::uint32_t host_order) {
  IpAddress a;
  for (int i = 0; i < 4; i++) a.bytes_[static_cast<std::size_t>(12 + i)] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  return a;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes) {
  static constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  IpAddress a;
  a.bytes_ = bytes;
  a.v4_ = std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
  if (a.v4_) std::fill_n(a.bytes_.begin(), 12, std::uint8_t{0});
  return a;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string copy(text);
  in_addr v4_address{};
  if (text.find('\0') != std::string_view::npos) return fail(Code::invalid, "an IP address must not have a NUL in it");
  if (inet_pton(AF_INET, copy.c_str(), &v4_address) == 1) return v4(ntohl(v4_address.s_addr));
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) return v6(bytes);
  return fail(Code::invalid, "\"{}\" is not an IP address", text);
}

bool IpAddress::is_loopback() const {
  if (v4_) return data()[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t b) { return b == 0; }) && bytes_[15] == 1;
}
bool IpAddress::is_unspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t b) { return b == 0; });
}
bool IpAddress::is_multicast() const { return v4_ ? (data()[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff; }
bool IpAddress::is_link_local() const {
  return v4_ ? data()[0] == 169 && data()[1] == 254 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

std::string IpAddress::to_text() const {
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(v4_ ? AF_INET : AF_INET6, data(), text, sizeof text);
}

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
  TRY_ASSIGN(HostPort parts, HostPort::parse(text));
  TRY_ASSIGN(IpAddress ip, IpAddress::parse(parts.host));
  return SocketAddress{ip, parts.port};
}

Result<SocketAddress> SocketAddress::from_sockaddr(const sockaddr* address, socklen_t size) {
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    return SocketAddress{IpAddress::v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
  }
  if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof in);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return SocketAddress{IpAddress::v6(bytes), ntohs(in.sin6_port)};
  }
  return fail(Code::unsupported, "address family {} is neither IPv4 nor IPv6", address->sa_family);
}

socklen_t SocketAddress::to_sockaddr(sockaddr_storage& into) const {
  into = {};
  if (ip.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, ip.data(), 4);
    std::memcpy(&into, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  std::memcpy(&in.sin6_addr, ip.data(), 16);
  std::memcpy(&into, &in, sizeof in);
  return sizeof in;
}

std::string SocketAddress::to_text() const {
  return ip.is_v4() ? fmt::format("{}:{}", ip.to_text(), port) : fmt::format("[{}]:{}", ip.to_text(), port);
}

Result<Cidr> Cidr::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const Result<IpAddress> parsed = IpAddress::parse(text.substr(0, slash));
  if (!parsed) return fail(Error::wrap(fmt::format("\"{}\" is not a network", text), parsed.error()));
  const IpAddress base = *parsed;
  const unsigned most = base.is_v4() ? 32 : 128;
  unsigned bits = most;
  if (slash != std::string_view::npos) {
    std::string_view digits = text.substr(slash + 1);
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || bits > most)
      return fail(Code::invalid, "\"{}\": the prefix length must be 0 to {}", text, most);
  }
  for (unsigned bit = bits; bit < most; bit++)
    if ((base.data()[bit / 8] & (0x80 >> (bit % 8))) != 0)
      return fail(Code::invalid, "\"{}\" has bits set behind its prefix of {}", text, bits);
  return Cidr{base, bits};
}

bool Cidr::contains(const IpAddress& address) const {
  if (address.is_v4() != base.is_v4()) return false;
  const unsigned whole = bits / 8;
  if (std::memcmp(address.data(), base.data(), whole) != 0) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((address.data()[whole] ^ base.data()[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

std::string Cidr::to_text() const { return fmt::format("{}/{}", base.to_text(), bits); }

Result<HostPort> HostPort::parse(std::string_view text, std::uint16_t default_port) {
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return fail(Code::invalid, "\"{}\": the '[' is not closed", text);
    host = text.substr(1, end - 1);
    std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && !rest.starts_with(':')) return fail(Code::invalid, "\"{}\": expected ':' after ']'", text);
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    if (text.find(':') != colon) return fail(Code::invalid, "\"{}\": write an IPv6 address in brackets, as in [2001:db8::1]:443", text);
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
  }
  if (host.empty()) return fail(Code::invalid, "\"{}\" has no host", text);
  if (!has_port) {
    if (default_port == 0) return fail(Code::invalid, "\"{}\" has no port: write HOST:PORT", text);
    return HostPort{std::string(host), default_port};
  }
  unsigned number = 0;
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || error != std::errc() || end != port.data() + port.size() || number > 65535)
    return fail(Code::invalid, "\"{}\": \"{}\" is not a port (0 to 65535)", text, port);
  return HostPort{std::string(host), static_cast<std::uint16_t>(number)};
}

std::string HostPort::to_text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

}  // namespace fairlead::net

std::size_t std::hash<fairlead::net::SocketAddress>::operator()(const fairlead::net::SocketAddress& a) const noexcept {
  const std::string_view bytes(reinterpret_cast<const char*>(a.ip.data()), a.ip.size());
  return std::hash<std::string_view>{}(bytes) * 31 + a.port;
}
