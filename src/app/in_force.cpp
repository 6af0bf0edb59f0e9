#include "app/in_force.h"

#include <algorithm>

#include "app/objects.h"
#include "base/log.h"
#include "net/unix_socket.h"

namespace fairlead::app {

namespace {
void note_failures(ListenerFailures now, ListenerFailures& failed, const char* component, bool tell) {
  for (const net::Listeners::Failure& f : now) {
    const bool known = std::ranges::any_of(failed, [&](const auto& before) { return before.at == f.at && before.udp == f.udp; });
    if (!known && tell) log::error(component, "{}", f.error);
  }
  failed = std::move(now);
}
}  // namespace

void put_in_force(Plugins& plugins, const RuleSet& set, ListenerFailures& failed, Rules& rules, bool tell) {
  note_failures(plugins.apply(set), failed, "rules", tell);
  if (!failed.empty()) rules.retry_soon();
}

bool put_in_force(Plugins& plugins, const KubeRules& rules, ListenerFailures& failed, bool tell) {
  note_failures(plugins.apply(rules), failed, "kube", tell);
  return !failed.empty();
}

std::vector<ListenerState> with_doors(std::vector<ListenerState> listeners, const KubeRules& rules, const ListenerFailures& failed) {
  for (const std::string& at : rules.connect_at) listeners.push_back({.gateway = "kube", .listener = "connect", .address = at});
  for (const kube_plugin::Door& door : rules.doors) {
    ListenerState state{.gateway = "kube", .listener = std::string(door.target), .address = door.at.to_text()};
    if (door.to.node) state.listener += " of " + door.to.node->value();
    for (const net::Listeners::Failure& f : failed)
      if (f.at == door.at) state.problem = f.error.describe();
    listeners.push_back(std::move(state));
  }
  return listeners;
}

std::string objects_json(std::string_view kind, const Rules& rules, const ListenerFailures& failed, const route::BackendStates& states,
                         TimePoint now) {
  const std::shared_ptr<const RuleSet> set = rules.current();
  if (kind == "gateways") return gateways_json(*set->snapshot, rules.listeners(failed));
  if (kind == "routes") return routes_json(*set->snapshot);
  if (kind == "backends") return backends_json(*set->snapshot, states.report(now));
  return "";
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
