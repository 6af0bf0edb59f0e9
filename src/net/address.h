// address.h: IP addresses, socket addresses and prefixes as values. IPv4 and IPv6 from the first line on.
//
// An IPv4-mapped IPv6 address (::ffff:a.b.c.d) is turned into its IPv4 address when it is made: nothing can hide behind the mapping.
#pragma once
#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace fairlead::net {

class IpAddress {
 public:
  IpAddress() = default;                                  // 0.0.0.0
  static Result<IpAddress> parse(std::string_view text);  // "192.0.2.1", "2001:db8::1"; no zone, no brackets
  static IpAddress v4(std::uint32_t host_order);
  static IpAddress v6(const std::array<std::uint8_t, 16>& bytes);
  static IpAddress loopback_v4() { return v4(0x7f000001); }

  bool is_v4() const { return v4_; }
  bool is_loopback() const;
  bool is_unspecified() const;
  bool is_multicast() const;
  bool is_link_local() const;  // 169.254.0.0/16, fe80::/10
  // 4 or 16 bytes in network order.
  std::size_t size() const { return v4_ ? 4 : 16; }
  const std::uint8_t* data() const { return v4_ ? bytes_.data() + 12 : bytes_.data(); }
  std::string to_text() const;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};  // IPv4 in the last four
  bool v4_ = true;
};

struct SocketAddress {
  IpAddress ip;
  std::uint16_t port = 0;

  static Result<SocketAddress> parse(std::string_view text);  // "192.0.2.1:80", "[2001:db8::1]:80"
  static Result<SocketAddress> from_sockaddr(const sockaddr* address, socklen_t size);
  // Fills `into` and returns its length.
  socklen_t to_sockaddr(sockaddr_storage& into) const;
  std::string to_text() const;
  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
};

struct Cidr {
  IpAddress base;     // host bits are zero
  unsigned bits = 0;  // 0..32 or 0..128

  static Result<Cidr> parse(std::string_view text);  // "10.0.0.0/8", "2001:db8::/32"; a bare address is /32 or /128; host bits must be zero
  bool contains(const IpAddress& address) const;
  std::string to_text() const;
  friend auto operator<=>(const Cidr&, const Cidr&) = default;
};

// "host:port", "[v6]:port": the host may be a name. For what people write on a command line.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
  static Result<HostPort> parse(std::string_view text, std::uint16_t default_port = 0);
  std::string to_text() const;
};

}  // namespace fairlead::net

template <>
struct std::hash<fairlead::net::SocketAddress> {
  std::size_t operator()(const fairlead::net::SocketAddress& a) const noexcept;
};
template <>
struct fmt::formatter<fairlead::net::IpAddress> : fairlead::TextFormatter {
  auto format(const fairlead::net::IpAddress& a, fmt::format_context& ctx) const { return text(a.to_text(), ctx); }
};
template <>
struct fmt::formatter<fairlead::net::SocketAddress> : fairlead::TextFormatter {
  auto format(const fairlead::net::SocketAddress& a, fmt::format_context& ctx) const { return text(a.to_text(), ctx); }
};
template <>
struct fmt::formatter<fairlead::net::Cidr> : fairlead::TextFormatter {
  auto format(const fairlead::net::Cidr& c, fmt::format_context& ctx) const { return text(c.to_text(), ctx); }
};
