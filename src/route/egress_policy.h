// egress_policy.h: what this side dials for the other one. It is checked where the connection is made, on the resolved address, so
// that nobody who can write rules elsewhere can make this process reach into its network.
//
// Without a list of the user: this node (loopback, its own addresses) and its pods. A list replaces that. In both cases these are
// denied unless a rule names them for itself, and a wide network around them does not:
//   - addresses that are never a service of this site: link-local, the metadata services of clouds, multicast, unspecified, reserved
//   - IPv6 addresses that carry one of these IPv4 addresses for a translator (NAT64, 6to4)
//   - the ports at which Fairlead itself listens on this node
// An IPv4-mapped IPv6 address is its IPv4 address already (net/address.h).
//
//   egress:
//     allow:
//     - 127.0.0.0/8
//     - {cidr: 192.168.7.0/24, ports: [502, 8000-8100]}
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "net/address.h"
#include "route/decoder.h"

namespace fairlead::route {

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
};

struct EgressRule {
  net::Cidr cidr;
  std::vector<PortRange> ports;  // none: all
};

// What this process knows of itself.
struct EgressSelf {
  std::vector<net::IpAddress> addresses;      // of this node, loopback not among them
  std::vector<net::Cidr> pods;                // of this node
  std::vector<std::uint16_t> fairlead_ports;  // the link, the admin endpoint, the listeners of Gateways; whatever the protocol
};

// Immutable: share one between loops, and replace it when the configuration or the node's addresses change.
class EgressPolicy {
 public:
  EgressPolicy(std::optional<std::vector<EgressRule>> allow, EgressSelf self);

  // Code::forbidden with the reason, for the access log and for the far side.
  Result<void> check(const net::SocketAddress& to) const;

 private:
  bool is_own(const net::IpAddress& ip) const;

  std::vector<EgressRule> allow_;
  bool is_default_;
  EgressSelf self_;
};

void decode(const Field& f, PortRange& out);   // 502 or 8000-8100
void decode(const Field& f, EgressRule& out);  // a network, or {cidr: ..., ports: [...]}

}  // namespace fairlead::route
