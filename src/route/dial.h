// dial.h: a connection to a service, if the policy of this side allows the address: the one place where an egress dials.
#pragma once
#include <memory>

#include "net/network.h"
#include "route/egress_policy.h"

namespace fairlead::route {

// Tries the addresses of the name in turn. The policy is asked for each address, not the name: a name can be made to point anywhere.
// `network` and `policy` outlive the task; the caller sets a deadline.
Task<Result<std::unique_ptr<net::Stream>>> dial(net::Network& network, const EgressPolicy& policy, net::HostPort target);

// The same for datagrams: a connected socket at the first address that is allowed. Nothing is known of whether anybody is there.
struct DatagramService {
  std::unique_ptr<net::DatagramSocket> socket;
  net::SocketAddress at;
};
Task<Result<DatagramService>> dial_datagrams(net::Network& network, const EgressPolicy& policy, net::HostPort target);

}  // namespace fairlead::route
