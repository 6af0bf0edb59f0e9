#include "app/plugins.h"

#include <algorithm>

#include "app/metrics.h"

namespace fairlead::app {

Plugins::Plugins(net::Network& network, observe::AccessLog* access_log)
    : network_(network),
      access_log_(access_log),
      tcp_egress_(network, nullptr, access_log),
      udp_egress_(network, nullptr, access_log),
      http_egress_(network, nullptr, access_log),
      kube_egress_(network, access_log) {
  egresses_.add(tcp_egress_);
  egresses_.add(udp_egress_);
  egresses_.add(http_egress_);
  egresses_.add(kube_egress_);
}

void Plugins::make_ingresses(link::Peers& peers, const route::NodeDirectory& nodes, std::shared_ptr<route::BackendStates> states,
                             bool checks_health) {
  if (checks_health) health_checker_ = std::make_unique<http_plugin::HealthChecker>(network_.loop(), peers, nodes, states);
  tcp_ingress_ = std::make_unique<tcp::TcpIngress>(network_, peers, nodes, access_log_);
  udp_ingress_ = std::make_unique<udp::UdpIngress>(network_, peers, nodes, states, access_log_);
  http_ingress_ = std::make_unique<http_plugin::HttpIngress>(network_, peers, nodes, std::move(states), access_log_);
  kube_connect_ = std::make_unique<kube_plugin::ConnectIngress>(network_, peers, access_log_);
  kube_doors_ = std::make_unique<kube_plugin::Doors>(network_, peers, access_log_);
}

void Plugins::set_siblings(std::span<Plugins* const> all) {
  std::vector<http_plugin::HttpIngress::Sibling> http_siblings;
  for (Plugins* each : all) {
    tcp_siblings_.push_back({&each->network_.loop(), each->tcp_ingress_.get()});
    http_siblings.push_back({&each->network_.loop(), each->http_ingress_.get()});
    door_siblings_.push_back({&each->network_.loop(), each->kube_doors_.get()});
  }
  tcp_ingress_->set_siblings(tcp_siblings_);
  udp_ingress_->set_loops(all.size());
  http_ingress_->set_siblings(http_siblings);
  kube_doors_->set_siblings(door_siblings_);
}

ListenerFailures Plugins::apply(const RuleSet& rules) {
  tcp_egress_.set_policy(rules.policy);
  udp_egress_.set_policy(rules.policy);
  http_egress_.set_policy(rules.policy);
  kube_egress_.set_policy(rules.policy);
  ListenerFailures failed = tcp_ingress_->apply(rules.snapshot);
  std::ranges::move(udp_ingress_->apply(rules.snapshot), std::back_inserter(failed));
  std::ranges::move(http_ingress_->apply(rules.snapshot, rules.tls), std::back_inserter(failed));
  if (health_checker_) health_checker_->apply(rules.snapshot);
  return failed;
}

ListenerFailures Plugins::apply(const KubeRules& rules) {
  if (rules.kubelet) kube_egress_.set_kubelet(*rules.kubelet);
  kube_egress_.api_servers().set(rules.api_servers);
  kube_connect_->set_direct(rules.direct);
  kube_connect_->set_tls(rules.tls);
  return kube_doors_->open(rules.doors);
}

std::size_t Plugins::connections() const {
  return tcp_ingress_->connections() + udp_ingress_->associations() + http_ingress_->connections() + kube_connect_->connections() +
         kube_doors_->connections();
}

void Plugins::stop_listening() {
  kube_connect_->drain();
  kube_doors_->drain();
  kube_egress_.drain();
  tcp_ingress_->stop_listening();
  udp_ingress_->stop_listening();
  http_ingress_->drain();
}

void Plugins::end_ingresses() {
  health_checker_.reset();
  tcp_ingress_.reset();
  udp_ingress_.reset();
  http_ingress_.reset();
  kube_connect_.reset();
  kube_doors_.reset();
}

void Plugins::publish(observe::Registry& registry, LoopIndex loop) const {
  app::publish(registry, loop, *tcp_ingress_);
  app::publish(registry, loop, *udp_ingress_);
  app::publish(registry, loop, udp_egress_.counters());
  app::publish(registry, loop, *http_ingress_);
  app::publish(registry, loop, http_egress_.counters());
  app::publish(registry, loop, *kube_connect_);
  app::publish(registry, loop, *kube_doors_);
  app::publish(registry, loop, kube_egress_);
  if (health_checker_) app::publish(registry, loop, *health_checker_);
}

}  // namespace fairlead::app
