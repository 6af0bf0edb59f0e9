#include "app/rule_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/host.h"
#include "plugins/http/listener_tls.h"

namespace fairlead::app {
namespace {

std::shared_ptr<const route::EgressPolicy> egress_policy(const Config& config, const route::Snapshot& snapshot) {
  route::EgressSelf self{.addresses = own_addresses(), .pods = config.egress_pods};
  for (const route::TcpListener& listener : snapshot.tcp_listeners()) self.fairlead_ports.push_back(listener.bind.port);
  for (const route::UdpListener& listener : snapshot.udp_listeners()) self.fairlead_ports.push_back(listener.bind.port);
  for (const route::HttpPort& port : snapshot.http_ports()) self.fairlead_ports.push_back(port.bind.port);
  self.fairlead_ports.insert(self.fairlead_ports.end(), config.kube_ports.begin(), config.kube_ports.end());
  if (config.admin_listen) self.fairlead_ports.push_back(config.admin_listen->port);
  return std::make_shared<const route::EgressPolicy>(config.egress_allow, std::move(self));
}

void load_tls(RuleSet& into, const RuleSet* before) {
  auto servers = std::make_shared<http_plugin::TlsServers>();
  for (const route::HttpPort& port : into.snapshot->http_ports()) {
    if (!port.tls) continue;
    for (std::string& file : http_plugin::tls_files(port)) into.tls_files.emplace_back(std::move(file));
    auto server = http_plugin::load_tls(port);
    if (server) {
      servers->emplace(port.bind, *std::move(server));
      continue;
    }
    into.tls_failures.push_back({port.bind, server.error()});
    if (before == nullptr) continue;
    if (auto old = before->tls->find(port.bind); old != before->tls->end()) servers->insert(*old);
  }
  into.tls = std::move(servers);
}

}  // namespace

RuleSet make_rule_set(const Config& config, std::shared_ptr<const route::Snapshot> snapshot, const RuleSet* before) {
  RuleSet made{.snapshot = std::move(snapshot)};
  made.policy = egress_policy(config, *made.snapshot);
  load_tls(made, before);
  return made;
}

}  // namespace fairlead::app
