#include <fmt/format.h>

#include <algorithm>

#include "route/resolver.h"

namespace fairlead::route {

// A ListenerPolicy and what one of its targets names, which is there.
struct Resolver::PolicyClaim {
  const ListenerPolicyObject* object;
  const PolicyTarget* target;
  std::string path;
  ObjectKey gateway;

  bool is_for(const HttpHost& host) const { return host.gateway == gateway && (!target->section || *target->section == host.name); }
};

void Resolver::make_http_ports() {
  std::map<net::SocketAddress, std::size_t> by_address;
  for (const Gateway* g : in_order_) {
    for (Entrance& e : entrances_[g->meta.key]) {
      if (!is_http(e.listener->protocol) || !e.listens()) continue;
      HttpHost host{
          .gateway = g->meta.key, .name = e.listener->name, .hostname = e.listener->hostname, .tls = e.listener->tls, .rules = {}};
      host.rules = std::make_shared<const HttpMatcher>(std::move(e.http));
      for (const net::IpAddress& ip : bind_addresses(*g)) {
        const net::SocketAddress at{ip, e.listener->port.value()};
        auto [found, is_new] = by_address.emplace(at, made_->http_ports_.size());
        if (is_new) made_->http_ports_.push_back({.bind = at, .tls = e.listener->protocol == Protocol::https, .policy = {}, .hosts = {}});
        made_->http_ports_[found->second].hosts.push_back(host);
      }
    }
  }
  const std::vector<PolicyClaim> claims = policy_claims();
  for (HttpPort& port : made_->http_ports_) {
    std::ranges::sort(port.hosts, is_more_specific);
    choose_policy(port, claims);
  }
}

// By precedence.
std::vector<Resolver::PolicyClaim> Resolver::policy_claims() {
  std::vector<const ListenerPolicyObject*> policies;
  for (const ListenerPolicyObject& p : manifests_.listener_policies) policies.push_back(&p);
  std::ranges::sort(policies, [](const auto* a, const auto* b) { return precedes(a->meta, b->meta); });

  std::vector<PolicyClaim> claims;
  for (const ListenerPolicyObject* p : policies) {
    for (std::size_t i = 0; i < p->targets.size(); i++) {
      const PolicyTarget& target = p->targets[i];
      PolicyClaim claim{p, &target, fmt::format("spec.targetRefs[{}]", i), {p->meta.key.ns, target.name}};
      auto refuse = [&](std::string why) { warn(p->meta.source, target.at, claim.path, std::move(why)); };
      if (target.kind != GroupKind{.kind = "Gateway"}) {
        refuse(fmt::format("{}/{} is no Gateway: ignored", target.kind.group, target.kind.kind));
        continue;
      }
      if (!gateways_.contains(claim.gateway)) {
        refuse(fmt::format("Gateway {} is not there", claim.gateway.to_text()));
        continue;
      }
      auto found = entrances_.find(claim.gateway);
      if (found == entrances_.end()) continue;  // of another site
      const bool any = std::ranges::any_of(found->second, [&](const Entrance& e) {
        return is_http(e.listener->protocol) && (!target.section || *target.section == e.listener->name);
      });
      if (any)
        claims.push_back(std::move(claim));
      else
        refuse(fmt::format("Gateway {} has no listener{} of HTTP or HTTPS", claim.gateway.to_text(),
                           target.section ? " " + shown(*target.section) : ""));
    }
  }
  return claims;
}

// A connection is there before it says which host it is for: so one policy holds for the whole port. One that names a listener comes
// before one for its Gateway, and of two of a kind the older one.
void Resolver::choose_policy(HttpPort& port, const std::vector<PolicyClaim>& claims) {
  const PolicyClaim* chosen = nullptr;
  for (const bool by_section : {true, false}) {
    for (const PolicyClaim& claim : claims) {
      if (claim.target->section.has_value() != by_section) continue;
      if (std::ranges::none_of(port.hosts, [&](const HttpHost& h) { return claim.is_for(h); })) continue;
      if (chosen == nullptr) chosen = &claim;
      if (chosen->object == claim.object || chosen->target->section.has_value() != by_section) continue;
      warn(claim.object->meta.source, claim.target->at, claim.path,
           fmt::format("not in force at {}: ListenerPolicy {} comes before it, and a port has one", port.bind,
                       chosen->object->meta.key.to_text()));
    }
  }
  if (chosen != nullptr) port.policy = chosen->object->policy;
}

}  // namespace fairlead::route
