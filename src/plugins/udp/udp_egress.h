// udp_egress.h: a connected socket to the real service for each association of the other side, if the policy of this side allows it.
//
// The datagrams that came with the flow are sent before it is answered. The answer waits a little for the service's first word: an ICMP
// error in that time refuses the flow as not delivered, so that the other side may try another node; a later one breaks it off.
#pragma once
#include <memory>

#include "link/egress.h"
#include "net/network.h"
#include "observe/access_log.h"
#include "route/egress_policy.h"

namespace fairlead::udp {

struct UdpEgressCounters {
  std::uint64_t flows = 0;
  std::uint64_t refused = 0;
  std::uint64_t datagrams_in = 0, datagrams_out = 0;  // to the service, from it
  std::uint64_t dropped = 0;
  std::uint64_t open = 0;  // now
};

class UdpEgress final : public link::Egress {
 public:
  static constexpr std::string_view kPlugin = "udp";
  // For ICMP errors of this host and its neighbours; whoever answers first ends it.
  static constexpr Duration kProbation = 100ms;
  // Where the other side does not say, and beyond what it says: it ends associations itself, this is for when it cannot.
  static constexpr Duration kIdle = 2min;
  static constexpr Duration kIdleBeyond = 5s;

  // The policy may be replaced while flows run; it is asked for the resolved address.
  UdpEgress(net::Network& network, std::shared_ptr<const route::EgressPolicy> policy, observe::AccessLog* access_log);
  void set_policy(std::shared_ptr<const route::EgressPolicy> policy) { policy_ = std::move(policy); }

  std::string_view plugin() const override { return kPlugin; }
  Task<void> serve(std::unique_ptr<link::Flow> flow) override;
  const UdpEgressCounters& counters() const { return counters_; }

 private:
  class Association;

  net::Network& network_;
  std::shared_ptr<const route::EgressPolicy> policy_;
  observe::AccessLog* access_log_;
  UdpEgressCounters counters_;
};

}  // namespace fairlead::udp
