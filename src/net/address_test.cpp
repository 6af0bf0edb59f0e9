#include "net/address.h"

#include <gtest/gtest.h>

namespace fairlead::net {
namespace {

TEST(IpAddress, RoundTrips) {
  for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1"})
    EXPECT_EQ(IpAddress::parse(text).value().to_text(), text);
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", ":::", "[::1]", "fe80::1%eth0", "a", "1.2.3.4 "})
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0x", 9)));
}

TEST(IpAddress, NothingHidesBehindTheIpv4Mapping) {
  IpAddress mapped = IpAddress::parse("::ffff:169.254.169.254").value();
  EXPECT_TRUE(mapped.is_v4());
  EXPECT_TRUE(mapped.is_link_local());
  EXPECT_EQ(mapped, IpAddress::parse("169.254.169.254").value());
}

TEST(IpAddress, KnowsItsKind) {
  EXPECT_TRUE(IpAddress::parse("127.9.9.9").value().is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1").value().is_loopback());
  EXPECT_TRUE(IpAddress::parse("239.1.1.1").value().is_multicast());
  EXPECT_TRUE(IpAddress::parse("ff02::1").value().is_multicast());
  EXPECT_TRUE(IpAddress::parse("febf::1").value().is_link_local());
  EXPECT_FALSE(IpAddress::parse("fec0::1").value().is_link_local());
  EXPECT_TRUE(IpAddress::parse("::").value().is_unspecified());
}

TEST(SocketAddress, RoundTripsThroughTextAndSockaddr) {
  for (const char* text : {"192.0.2.1:80", "[2001:db8::1]:443", "0.0.0.0:0"}) {
    SocketAddress a = SocketAddress::parse(text).value();
    EXPECT_EQ(a.to_text(), text);
    sockaddr_storage storage{};
    socklen_t size = a.to_sockaddr(storage);
    EXPECT_EQ(SocketAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), size).value(), a);
  }
  for (const char* text : {"192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "2001:db8::1:80", "[::1", "[::1]80", ":80"})
    EXPECT_FALSE(SocketAddress::parse(text)) << text;
}

TEST(Cidr, ContainsItsOwnAndNoOthers) {
  Cidr ten = Cidr::parse("10.0.0.0/8").value();
  EXPECT_TRUE(ten.contains(IpAddress::parse("10.255.0.1").value()));
  EXPECT_TRUE(ten.contains(IpAddress::parse("::ffff:10.0.0.1").value()));
  EXPECT_FALSE(ten.contains(IpAddress::parse("11.0.0.0").value()));
  Cidr odd = Cidr::parse("192.0.2.128/25").value();
  EXPECT_TRUE(odd.contains(IpAddress::parse("192.0.2.129").value()));
  EXPECT_FALSE(odd.contains(IpAddress::parse("192.0.2.127").value()));
  Cidr six = Cidr::parse("2001:db8::/33").value();
  EXPECT_TRUE(six.contains(IpAddress::parse("2001:db8:7fff::1").value()));
  EXPECT_FALSE(six.contains(IpAddress::parse("2001:db8:8000::1").value()));
  EXPECT_TRUE(Cidr::parse("0.0.0.0/0").value().contains(IpAddress::parse("8.8.8.8").value()));
  EXPECT_FALSE(Cidr::parse("0.0.0.0/0").value().contains(IpAddress::parse("::1").value()));
  EXPECT_EQ(Cidr::parse("10.1.2.3").value().bits, 32u);
  for (const char* text : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/a", "::/129"}) EXPECT_FALSE(Cidr::parse(text)) << text;
}

TEST(HostPort, TakesNamesAndADefaultPort) {
  EXPECT_EQ(HostPort::parse("cloud.example:8443").value().host, "cloud.example");
  EXPECT_EQ(HostPort::parse("cloud.example", 8443).value().port, 8443);
  EXPECT_EQ(HostPort::parse("[::1]", 8443).value().to_text(), "[::1]:8443");
  EXPECT_FALSE(HostPort::parse("cloud.example"));
}

}  // namespace
}  // namespace fairlead::net
