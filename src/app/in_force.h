// in_force.h: what both sides do alike with their rules and their configuration, on the loop of the plug-ins concerned.
#pragma once
#include <filesystem>
#include <memory>

#include "admin/server.h"
#include "app/config.h"
#include "app/plugins.h"
#include "app/rules.h"
#include "runtime/asio_loop.h"

namespace fairlead::app {

// Gives one loop's plug-ins their rules. `failed` becomes what could not be opened, which is tried again soon; what is new in it is
// logged if `tell` (one loop tells for all).
void put_in_force(Plugins& plugins, const RuleSet& set, ListenerFailures& failed, Rules& rules, bool tell);

// The same for the kube plug-in. True if something is to be tried again.
bool put_in_force(Plugins& plugins, const KubeRules& rules, ListenerFailures& failed, bool tell);
// For status: the ports of the kube plug-in behind those of Gateways.
std::vector<ListenerState> with_doors(std::vector<ListenerState> listeners, const KubeRules& rules, const ListenerFailures& failed);

// Ends what users have open: no new connections, flows get `limit` to end, and what came over them some time to reach its user.
template <class Link>
Task<void> drain(Loop& loop, Plugins& plugins, Link& link, Duration limit, std::string reason) {
  const TimePoint until = loop.now() + limit;
  plugins.stop_listening();
  auto draining = link.drain(limit, std::move(reason));
  co_await draining;
  while (plugins.connections() > 0 && loop.now() < until) co_await loop.sleep(10ms);
  // The last packets leave at the end of this turn.
  co_await loop.sleep(1ms);
}

// Inspect::objects_json of either side.
std::string objects_json(std::string_view kind, const Rules& rules, const ListenerFailures& failed, const route::BackendStates& states,
                         TimePoint now);

// The UNIX socket of the folder, and the port of the configuration if it has one.
Result<void> listen_for_admin(admin::Server& server, AsioLoop& loop, net::Network& network, const std::filesystem::path& dir,
                              const Config& config);

}  // namespace fairlead::app
