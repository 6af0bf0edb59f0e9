// plugins.h: both halves of every plug-in, on one loop; the same in the cloud and at an edge. The only place that knows them by name.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "app/kube_rules.h"
#include "app/rule_set.h"
#include "link/egress.h"
#include "link/peers.h"
#include "observe/access_log.h"
#include "observe/registry.h"
#include "plugins/http/health_checker.h"
#include "plugins/http/http_egress.h"
#include "plugins/http/http_ingress.h"
#include "plugins/kube/connect_ingress.h"
#include "plugins/kube/doors.h"
#include "plugins/kube/kube_egress.h"
#include "plugins/tcp/tcp_egress.h"
#include "plugins/tcp/tcp_ingress.h"
#include "plugins/udp/udp_egress.h"
#include "plugins/udp/udp_ingress.h"

namespace fairlead::app {

class Plugins {
 public:
  // The egresses at once, for a link needs them; the ingresses need the link.
  Plugins(net::Network& network, observe::AccessLog* access_log);
  const link::EgressTable& egresses() const { return egresses_; }
  // One that is no plug-in of users; before the first session.
  void add(link::Egress& egress) { egresses_.add(egress); }
  // `checks_health`: on one loop of the process.
  void make_ingresses(link::Peers& peers, const route::NodeDirectory& nodes, std::shared_ptr<route::BackendStates> states,
                      bool checks_health);
  // The UDP port of the link, which is no listener's; before the first apply().
  void reserve_udp(std::uint16_t port) { udp_ingress_->reserve(port); }
  // The plug-ins of all loops, in their order, if there are several; before the first apply().
  void set_siblings(std::span<Plugins* const> all);

  // Puts rules in force: what could not be opened is returned, and tried again by the next call.
  ListenerFailures apply(const RuleSet& rules);
  // What could not be opened is returned, and tried again by the next call.
  ListenerFailures apply(const KubeRules& rules);
  kube_plugin::ConnectIngress& kube_connect() { return *kube_connect_; }
  // No new connections, and those that are open are to end.
  void stop_listening();
  // User connections that are left: they end by themselves, or with the destruction of this.
  std::size_t connections() const;
  // Ends what is left of them. Before the link goes, which they use; the egresses stay for it.
  void end_ingresses();
  void publish(observe::Registry& registry, LoopIndex loop) const;

 private:
  net::Network& network_;
  observe::AccessLog* access_log_;
  tcp::TcpEgress tcp_egress_;
  udp::UdpEgress udp_egress_;
  http_plugin::HttpEgress http_egress_;
  kube_plugin::KubeEgress kube_egress_;
  link::EgressTable egresses_;
  std::unique_ptr<tcp::TcpIngress> tcp_ingress_;
  std::unique_ptr<udp::UdpIngress> udp_ingress_;
  std::unique_ptr<http_plugin::HttpIngress> http_ingress_;
  std::unique_ptr<http_plugin::HealthChecker> health_checker_;  // on one loop
  std::unique_ptr<kube_plugin::ConnectIngress> kube_connect_;
  std::unique_ptr<kube_plugin::Doors> kube_doors_;
  std::vector<tcp::TcpIngress::Sibling> tcp_siblings_;
  std::vector<kube_plugin::Doors::Sibling> door_siblings_;
};

}  // namespace fairlead::app
