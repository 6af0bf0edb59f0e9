#include "app/in_force.h"

#include <algorithm>

#include "app/host.h"
#include "base/log.h"
#include "net/unix_socket.h"

namespace fairlead::app {

std::shared_ptr<const route::EgressPolicy> egress_policy(const Config& config, const route::Snapshot& snapshot) {
  route::EgressSelf self{.addresses = own_addresses(), .pods = config.egress_pods};
  for (const route::TcpListener& listener : snapshot.tcp_listeners()) self.fairlead_ports.push_back(listener.bind.port);
  if (config.admin_listen) self.fairlead_ports.push_back(config.admin_listen->port);
  return std::make_shared<const route::EgressPolicy>(config.egress_allow, std::move(self));
}

void put_in_force(tcp::TcpEgress& egress, tcp::TcpIngress& ingress, std::shared_ptr<const route::Snapshot> snapshot,
                  std::shared_ptr<const route::EgressPolicy> policy, ListenerFailures& failed, Rules& rules, bool tell) {
  egress.set_policy(std::move(policy));
  ListenerFailures now = ingress.apply(std::move(snapshot));
  for (const net::Listeners::Failure& f : now) {
    const bool known = std::ranges::any_of(failed, [&](const auto& before) { return before.at == f.at; });
    if (!known && tell) log::error("rules", "{}", f.error);
  }
  failed = std::move(now);
  if (!failed.empty()) rules.retry_soon();
}

Result<void> listen_for_admin(admin::Server& server, AsioLoop& loop, net::Network& network, const std::filesystem::path& dir,
                              const Config& config) {
  TRY_ASSIGN(std::unique_ptr<net::Listener> socket, net::listen_unix(loop, dir / kAdminSocket));
  server.listen(std::move(socket));
  if (config.admin_listen) {
    TRY_ASSIGN(std::unique_ptr<net::Listener> port, network.listen(*config.admin_listen, {}));
    server.listen(std::move(port));
  }
  return {};
}

}  // namespace fairlead::app
