// in_force.h: what both sides do alike with their rules and their configuration, on the loop of the plug-ins concerned.
#pragma once
#include <filesystem>
#include <memory>
#include <vector>

#include "admin/server.h"
#include "app/config.h"
#include "app/rules.h"
#include "plugins/tcp/tcp_egress.h"
#include "plugins/tcp/tcp_ingress.h"
#include "runtime/asio_loop.h"

namespace fairlead::app {

// What may be dialled from this machine under these rules: their listeners are Fairlead's own ports. From any thread.
std::shared_ptr<const route::EgressPolicy> egress_policy(const Config& config, const route::Snapshot& snapshot);

// Gives one loop's TCP plug-in its rules. `failed` becomes what could not be opened, which is tried again soon; what is new in it is
// logged if `tell` (one loop tells for all).
void put_in_force(tcp::TcpEgress& egress, tcp::TcpIngress& ingress, std::shared_ptr<const route::Snapshot> snapshot,
                  std::shared_ptr<const route::EgressPolicy> policy, ListenerFailures& failed, Rules& rules, bool tell);

// The UNIX socket of the folder, and the port of the configuration if it has one.
Result<void> listen_for_admin(admin::Server& server, AsioLoop& loop, net::Network& network, const std::filesystem::path& dir,
                              const Config& config);

}  // namespace fairlead::app
