#include "route/egress_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "route/values.h"

namespace fairlead::route {
namespace {

struct Special {
  net::Cidr network;
  std::string_view what;
};

const std::vector<Special>& specials() {
  static const std::vector<Special> list = [] {
    struct Text {
      const char* cidr;
      std::string_view what;
    };
    // IANA IPv4 and IPv6 Special-Purpose Address Registries; the metadata addresses from their vendors' documentation.
    constexpr std::array<Text, 12> kTexts = {{
        {"0.0.0.0/8", "the unspecified address"},
        {"::/128", "the unspecified address"},
        {"169.254.0.0/16", "a link-local address, where clouds have their metadata service"},
        {"fe80::/10", "a link-local address"},
        {"fd00:ec2::254/128", "a metadata service (AWS)"},
        {"fd20:ce::254/128", "a metadata service (Google Cloud)"},
        {"100.100.100.200/32", "a metadata service (Alibaba Cloud)"},
        {"168.63.129.16/32", "a metadata service (Azure)"},
        {"192.0.0.192/32", "a metadata service (Oracle Cloud)"},
        {"224.0.0.0/4", "a multicast address"},
        {"ff00::/8", "a multicast address"},
        {"240.0.0.0/4", "a reserved or broadcast address"},
    }};
    std::vector<Special> made;
    for (const Text& t : kTexts) made.push_back({net::Cidr::parse(t.cidr).value(), t.what});
    return made;
  }();
  return list;
}

// The IPv4 address that a translator on the way would turn `ip` into.
std::optional<net::IpAddress> embedded_v4(const net::IpAddress& ip) {
  if (ip.is_v4()) return {};
  const std::uint8_t* b = ip.data();
  auto at = [b](std::size_t i) {
    return net::IpAddress::v4(std::uint32_t{b[i]} << 24 | std::uint32_t{b[i + 1]} << 16 | std::uint32_t{b[i + 2]} << 8 | b[i + 3]);
  };
  auto begins = [b](std::initializer_list<std::uint8_t> prefix) { return std::equal(prefix.begin(), prefix.end(), b); };
  if (begins({0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) return at(12);                                   // NAT64, RFC 6052
  if (begins({0x20, 0x02})) return at(2);                                                                        // 6to4, RFC 3056
  if (begins({0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0})) return at(12);                                         // translated, RFC 2765
  if (begins({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) && !ip.is_loopback() && !ip.is_unspecified()) return at(12);  // compatible, RFC 4291
  return {};
}

const Special* special(const net::IpAddress& ip) {
  for (const Special& s : specials())
    if (s.network.contains(ip)) return &s;
  return nullptr;
}

bool has_port(const EgressRule& rule, std::uint16_t port) {
  return rule.ports.empty() ||
         std::any_of(rule.ports.begin(), rule.ports.end(), [&](PortRange r) { return r.first <= port && port <= r.last; });
}

bool names_port(const EgressRule& rule, std::uint16_t port) {
  return std::any_of(rule.ports.begin(), rule.ports.end(), [&](PortRange r) { return r.first == port && r.last == port; });
}

bool is_host(const net::Cidr& c) { return c.bits == c.base.size() * 8; }

}  // namespace

EgressPolicy::EgressPolicy(std::optional<std::vector<EgressRule>> allow, EgressSelf self) : is_default_(!allow), self_(std::move(self)) {
  if (allow) {
    allow_ = *std::move(allow);
    return;
  }
  allow_.push_back({net::Cidr::parse("127.0.0.0/8").value(), {}});
  allow_.push_back({net::Cidr::parse("::1/128").value(), {}});
  for (const net::IpAddress& a : self_.addresses) allow_.push_back({{a, static_cast<unsigned>(a.size() * 8)}, {}});
  for (const net::Cidr& c : self_.pods) allow_.push_back({c, {}});
}

bool EgressPolicy::is_own(const net::IpAddress& ip) const {
  return ip.is_loopback() || std::find(self_.addresses.begin(), self_.addresses.end(), ip) != self_.addresses.end();
}

Result<void> EgressPolicy::check(const net::SocketAddress& to) const {
  std::vector<const EgressRule*> fitting;
  for (const EgressRule& rule : allow_)
    if (rule.cidr.contains(to.ip) && has_port(rule, to.port)) fitting.push_back(&rule);
  // Its own addresses may be link-local ones; the default list does not name those for the user.
  auto none = [&](auto&& names_it) {
    return is_default_ || std::none_of(fitting.begin(), fitting.end(), [&](const EgressRule* r) { return names_it(*r); });
  };

  if (fitting.empty())
    return fail(Code::forbidden, "{} is not in egress.allow{}", to, is_default_ ? ", which is this node and its pods by default" : "");
  if (const Special* s = special(to.ip)) {
    const bool only_host = is_host(s->network);
    if (none([&](const EgressRule& r) { return r.cidr.bits >= s->network.bits && (!only_host || is_host(r.cidr)); }))
      return fail(Code::forbidden, "{} is {}: denied unless egress.allow names it for itself", to, s->what);
  }
  if (const std::optional<net::IpAddress> v4 = embedded_v4(to.ip); v4 && (special(*v4) != nullptr || is_own(*v4)))
    if (none([&](const EgressRule& r) { return is_host(r.cidr); }))
      return fail(Code::forbidden, "{} carries {}: denied unless egress.allow names it for itself", to, *v4);
  const bool fairlead = std::find(self_.fairlead_ports.begin(), self_.fairlead_ports.end(), to.port) != self_.fairlead_ports.end();
  if (fairlead && is_own(to.ip) && none([&](const EgressRule& r) { return names_port(r, to.port); }))
    return fail(Code::forbidden, "{} is Fairlead's own: denied unless egress.allow names its port", to);
  return {};
}

void decode(const Field& f, PortRange& out) {
  if (f.node().kind == Node::Kind::string) {
    const std::string_view text = f.node().text;
    const std::size_t dash = text.find('-');
    auto number = [&](std::string_view digits) -> std::uint16_t {
      std::uint16_t n = 0;
      auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
      return error == std::errc() && end == digits.data() + digits.size() ? n : 0;
    };
    if (dash != text.npos) {
      out = {number(text.substr(0, dash)), number(text.substr(dash + 1))};
      if (out.first == 0 || out.last < out.first) f.error("{} is not a range of ports like 8000-8100", shown(text));
      return;
    }
  }
  Port port;
  decode(f, port);
  out = {port.value(), port.value()};
}

void decode(const Field& f, EgressRule& out) {
  if (f.node().kind != Node::Kind::mapping) return decode(f, out.cidr);
  Object o(f);
  o.required("cidr", out.cidr);
  o.optional("ports", list_of(out.ports, 1, 1024));
}

}  // namespace fairlead::route
