// tcp_egress.h: connects to the real service for each flow of the other side, if the policy of this side allows it.
#pragma once
#include <memory>

#include "link/egress.h"
#include "net/network.h"
#include "observe/access_log.h"
#include "route/egress_policy.h"

namespace fairlead::tcp {

class TcpEgress final : public link::Egress {
 public:
  static constexpr std::string_view kPlugin = "tcp";

  // The policy may be replaced while flows run; it is asked at each connect, with the resolved address.
  TcpEgress(net::Network& network, std::shared_ptr<const route::EgressPolicy> policy, observe::AccessLog* access_log);
  void set_policy(std::shared_ptr<const route::EgressPolicy> policy) { policy_ = std::move(policy); }

  std::string_view plugin() const override { return kPlugin; }
  Task<void> serve(std::unique_ptr<link::Flow> flow) override;

 private:
  net::Network& network_;
  std::shared_ptr<const route::EgressPolicy> policy_;
  observe::AccessLog* access_log_;
};

}  // namespace fairlead::tcp
