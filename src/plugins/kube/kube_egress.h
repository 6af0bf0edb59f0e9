// kube_egress.h: dials for the flows of the other side: at an edge its kubelet and pods, in the cloud the API servers.
//
// Invariant: whatever the other side asks for, only what this side's own settings permit is dialled: an edge asks its egress policy
// about every address, the kubelet's too; the cloud dials API servers and nothing else.
#pragma once
#include <memory>
#include <optional>

#include "link/egress.h"
#include "net/network.h"
#include "observe/access_log.h"
#include "plugins/kube/api_servers.h"
#include "plugins/kube/targets.h"
#include "plugins/kube/tunnels.h"
#include "route/egress_policy.h"

namespace fairlead::kube_plugin {

struct KubeEgressCounters {
  std::uint64_t flows = 0;
  std::uint64_t refused = 0;
};

class KubeEgress final : public link::Egress {
 public:
  KubeEgress(net::Network& network, observe::AccessLog* access_log);

  // An edge: where its kubelet listens, and what may be dialled. The policy is asked at each connect, with the resolved address.
  void set_kubelet(net::HostPort at) { kubelet_ = std::move(at); }
  void set_policy(std::shared_ptr<const route::EgressPolicy> policy) { policy_ = std::move(policy); }
  // The cloud: empty until set.
  ApiServers& api_servers() { return api_servers_; }
  const ApiServers& api_servers() const { return api_servers_; }

  // Tunnels in which nothing moves are to end.
  void drain() { tunnels_.end_the_quiet(); }

  std::string_view plugin() const override { return kPlugin; }
  Task<void> serve(std::unique_ptr<link::Flow> flow) override;
  const KubeEgressCounters& counters() const { return counters_; }

 private:
  struct Dialled;
  Task<Result<Dialled>> dial(std::string target, TimePoint until);

  net::Network& network_;
  observe::AccessLog* access_log_;
  std::optional<net::HostPort> kubelet_;
  std::shared_ptr<const route::EgressPolicy> policy_;
  ApiServers api_servers_;
  KubeEgressCounters counters_;
  Tunnels tunnels_;
};

}  // namespace fairlead::kube_plugin
