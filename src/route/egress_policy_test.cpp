#include "route/egress_policy.h"

#include <gtest/gtest.h>

namespace fairlead::route {
namespace {

struct Config {
  std::optional<std::vector<EgressRule>> allow;
};
void decode(const Field& f, Config& out) {
  Object o(f);
  o.optional("allow", out.allow);
}

EgressSelf self() {
  return {.addresses = {net::IpAddress::parse("192.168.7.5").value(), net::IpAddress::parse("2001:db8::5").value(),
                        net::IpAddress::parse("fe80::5").value()},
          .pods = {net::Cidr::parse("10.244.3.0/24").value()},
          .fairlead_ports = {8443, 9090}};
}

EgressPolicy policy(std::string_view yaml) {
  Result<Config> config = decode_config<Config>("c.yaml", yaml);
  if (!config) throw std::runtime_error(config.error().message());
  return EgressPolicy(config->allow, self());
}

struct Case {
  const char* to;
  const char* denied;  // part of the reason; empty: allowed
};
void expect(const EgressPolicy& p, std::initializer_list<Case> cases) {
  for (const Case& c : cases) {
    Result<void> r = p.check(net::SocketAddress::parse(c.to).value());
    if (*c.denied == '\0') {
      EXPECT_TRUE(r) << c.to << ": " << r.error().message();
    } else {
      ASSERT_FALSE(r) << c.to;
      EXPECT_EQ(r.error().code(), Code::forbidden);
      EXPECT_NE(r.error().message().find(c.denied), std::string::npos) << c.to << ": " << r.error().message();
    }
  }
}

TEST(EgressPolicy, ByDefaultThisNodeAndItsPodsAreReached) {
  expect(policy(""), {
                         {"127.0.0.1:80", ""},
                         {"127.9.9.9:80", ""},
                         {"[::1]:80", ""},
                         {"[::ffff:127.0.0.1]:80", ""},
                         {"192.168.7.5:80", ""},
                         {"[2001:db8::5]:80", ""},
                         {"10.244.3.17:80", ""},
                         {"192.168.7.1:80", "192.168.7.1:80 is not in egress.allow, which is this node and its pods by default"},
                         {"10.244.4.17:80", "is not in egress.allow"},
                         {"8.8.8.8:53", "is not in egress.allow"},
                         {"169.254.169.254:80", "is not in egress.allow"},
                         {"[fe80::5]:80", "a link-local address"},
                         {"127.0.0.1:8443", "is Fairlead's own"},
                         {"[::1]:9090", "is Fairlead's own"},
                         {"192.168.7.5:8443", "is Fairlead's own"},
                         {"10.244.3.17:8443", ""},  // a pod's port is not ours
                     });
}

TEST(EgressPolicy, AListReplacesTheDefault) {
  expect(policy("allow: [127.0.0.1/32]"), {{"127.0.0.1:80", ""},
                                           {"127.0.0.2:80", "127.0.0.2:80 is not in egress.allow"},
                                           {"192.168.7.5:80", "is not"},
                                           {"[::1]:80", "is not"}});
  expect(policy("allow: []"), {{"127.0.0.1:80", "is not in egress.allow"}});
}

TEST(EgressPolicy, PortsNarrowARule) {
  expect(policy("allow: [{cidr: 192.168.7.0/24, ports: [502, 8000-8100]}]"), {{"192.168.7.9:502", ""},
                                                                              {"192.168.7.9:501", "is not"},
                                                                              {"192.168.7.9:7999", "is not"},
                                                                              {"192.168.7.9:8000", ""},
                                                                              {"192.168.7.9:8100", ""},
                                                                              {"192.168.7.9:8101", "is not"}});
}

TEST(EgressPolicy, AWideNetworkDoesNotOpenWhatIsSpecial) {
  expect(policy("allow: [0.0.0.0/0, '::/0']"), {
                                                   {"8.8.8.8:53", ""},
                                                   {"[2001:db8::1]:53", ""},
                                                   {"0.0.0.0:80", "the unspecified address"},
                                                   {"0.1.2.3:80", "the unspecified address"},
                                                   {"[::]:80", "the unspecified address"},
                                                   {"169.254.169.254:80", "a link-local address, where clouds have their metadata service"},
                                                   {"169.254.0.1:80", "link-local"},
                                                   {"[fe80::1]:80", "link-local"},
                                                   {"[febf::1]:80", "link-local"},
                                                   {"[fd00:ec2::254]:80", "a metadata service (AWS)"},
                                                   {"[fd20:ce::254]:80", "a metadata service (Google Cloud)"},
                                                   {"100.100.100.200:80", "a metadata service (Alibaba Cloud)"},
                                                   {"168.63.129.16:80", "a metadata service (Azure)"},
                                                   {"192.0.0.192:80", "a metadata service (Oracle Cloud)"},
                                                   {"224.0.0.1:80", "multicast"},
                                                   {"[ff02::1]:80", "multicast"},
                                                   {"255.255.255.255:80", "reserved or broadcast"},
                                                   {"240.0.0.1:80", "reserved or broadcast"},
                                                   {"127.0.0.1:8443", "is Fairlead's own"},
                                                   {"8.8.8.8:8443", ""},
                                               });
}

TEST(EgressPolicy, AnIpv6AddressThatCarriesIpv4IsNoWayAround) {
  expect(policy("allow: [0.0.0.0/0, '::/0']"), {
                                                   {"[::ffff:169.254.169.254]:80", "169.254.169.254:80 is a link-local address"},
                                                   {"[::ffff:127.0.0.1]:8443", "127.0.0.1:8443 is Fairlead's own"},
                                                   {"[64:ff9b::169.254.169.254]:80", "carries 169.254.169.254"},
                                                   {"[64:ff9b::8.8.8.8]:80", ""},
                                                   {"[64:ff9b::127.0.0.1]:80", "carries 127.0.0.1"},
                                                   {"[2002:a9fe:a9fe::1]:80", "carries 169.254.169.254"},
                                                   {"[2002:808:808::1]:80", ""},
                                                   {"[::169.254.169.254]:80", "carries 169.254.169.254"},
                                                   {"[::ffff:0:169.254.169.254]:80", "carries 169.254.169.254"},
                                                   {"[::ffff:0:192.168.7.5]:80", "carries 192.168.7.5"},
                                               });
}

TEST(EgressPolicy, WhatIsNamedForItselfIsAllowed) {
  expect(policy("allow: [169.254.169.254/32, 'fe80::/10', 100.100.100.200, 239.0.0.0/8, {cidr: 127.0.0.0/8, ports: [8443, 9000-9100]}]"),
         {
             {"169.254.169.254:80", ""},
             {"169.254.169.253:80", "is not in egress.allow"},
             {"[fe80::1]:80", ""},
             {"100.100.100.200:80", ""},
             {"239.1.2.3:80", ""},
             {"127.0.0.1:8443", ""},
             {"127.0.0.1:9090", "is Fairlead's own"},  // a range that has the port in it does not name it
             {"127.0.0.1:9091", ""},
         });
}

TEST(EgressPolicy, ABadRuleIsRefusedWithItsPlace) {
  struct Bad {
    const char* yaml;
    const char* problem;
  };
  for (const Bad& c : std::initializer_list<Bad>{
           {"allow:\n- 300.0.0.0/8", "c.yaml:2:3: allow[0]: "},
           {"allow: [10.1.0.0/8]", "has bits set behind its prefix"},
           {"allow: ['::ffff:0:0/96']", "the prefix length must be 0 to 32"},
           {"allow: [{cidr: 10.0.0.0/8, port: 1}]", "unknown key \"port\"; did you mean \"ports\"?"},
           {"allow: [{ports: [1]}]", "\"cidr\" is missing"},
           {"allow: [{cidr: 10.0.0.0/8, ports: []}]", "at least 1 needed"},
           {"allow: [{cidr: 10.0.0.0/8, ports: [0]}]", "0 is not a port"},
           {"allow: [{cidr: 10.0.0.0/8, ports: [0-1]}]", "\"0-1\" is not a range of ports like 8000-8100"},
           {"allow: [{cidr: 10.0.0.0/8, ports: [9-8]}]", "is not a range"},
           {"allow: [{cidr: 10.0.0.0/8, ports: [1-65536]}]", "is not a range"},
           {"allow: [{cidr: 10.0.0.0/8, ports: ['80']}]", "write 80"},
           {"allow: 10.0.0.0/8", "a list is needed"},
       }) {
    Result<Config> r = decode_config<Config>("c.yaml", c.yaml);
    ASSERT_FALSE(r) << c.yaml;
    EXPECT_NE(r.error().message().find(c.problem), std::string::npos) << r.error().message();
  }
}

}  // namespace
}  // namespace fairlead::route
