// TCPRoutes and UDPRoutes, and their policies.
#include <fmt/format.h>

#include <algorithm>

#include "route/resolver.h"

namespace fairlead::route {

using enum Condition::Status;

namespace {

template <class Policy, class Object>
Policy policy_of(const std::map<ObjectKey, const Object*>& chosen, const ObjectKey& route) {
  const auto it = chosen.find(route);
  return it == chosen.end() ? Policy() : it->second->policy;
}

}  // namespace

template <class Route>
void Resolver::attach_in_order(std::string_view kind, const std::vector<Route>& routes) {
  std::vector<const Route*> in_order;
  for (const Route& r : routes) in_order.push_back(&r);
  std::ranges::sort(in_order, [](const Route* x, const Route* y) { return precedes(x->meta, y->meta); });
  for (const Route* r : in_order) attach(kind, *r);
}

// A route has one policy: the first by precedence.
template <class Object, class Route>
auto Resolver::choose_policies(std::string_view kind, const std::vector<Object>& objects, std::string_view route_kind,
                               const std::vector<Route>& routes) {
  std::vector<const Object*> policies;
  for (const Object& p : objects) policies.push_back(&p);
  std::ranges::sort(policies, [](const auto* a, const auto* b) { return precedes(a->meta, b->meta); });
  std::map<ObjectKey, const Object*> chosen;
  for (const Object* p : policies) {
    for (std::size_t i = 0; i < p->targets.size(); i++) {
      const PolicyTarget& target = p->targets[i];
      const ObjectKey route{p->meta.key.ns, target.name};
      auto refuse = [&](std::string why) { warn(p->meta.source, target.at, fmt::format("spec.targetRefs[{}]", i), std::move(why)); };
      if (target.kind != GroupKind{.kind = std::string(route_kind)})
        refuse(fmt::format("{}/{} is no {}: ignored", target.kind.group, target.kind.kind, route_kind));
      else if (target.section)
        refuse(fmt::format("a {} has one rule and no sections: ignored", route_kind));
      else if (std::ranges::none_of(routes, [&](const Route& r) { return r.meta.key == route; }))
        refuse(fmt::format("{} {} is not there", route_kind, route.to_text()));
      else if (const auto first = chosen.emplace(route, p).first; first->second != p)
        refuse(fmt::format("not in force for {} {}: {} {} comes before it", route_kind, route.to_text(), kind,
                           first->second->meta.key.to_text()));
    }
  }
  return chosen;
}

void Resolver::attach_port_routes() {
  datagram_policies_ = choose_policies("DatagramPolicy", manifests_.datagram_policies, "UDPRoute", manifests_.udp_routes);
  connection_policies_ = choose_policies("ConnectionPolicy", manifests_.connection_policies, "TCPRoute", manifests_.tcp_routes);
  attach_in_order("TCPRoute", manifests_.tcp_routes);
  attach_in_order("UDPRoute", manifests_.udp_routes);
}

void Resolver::attach(std::string_view kind, const PortRoute& route) {
  Condition refs;
  std::optional<std::vector<WeightedBackend>> backends;
  auto resolved = [&]() -> const Condition& {
    if (!backends) backends = resolve_refs(kind, route, refs);
    return refs;
  };
  auto claimed = [&](const ParentRef& parent, const Entrances& entrances) {
    Condition accepted = claim(kind, route, parent, entrances);
    for (Entrance* e : entrances) {
      if (e->port_route != &route || e->attached > 0) continue;
      e->attached = 1;
      for (const net::IpAddress& ip : bind_addresses(*e->gateway)) {
        PortListener made{
            e->gateway->meta.key, e->listener->name, RouteId(route.meta.key.to_text()), {ip, e->listener->port.value()}, *backends};
        if (e->listener->protocol == Protocol::udp)
          made_->udp_listeners_.push_back({std::move(made), policy_of<DatagramPolicy>(datagram_policies_, route.meta.key)});
        else
          made_->tcp_listeners_.push_back({std::move(made), policy_of<ConnectionPolicy>(connection_policies_, route.meta.key)});
      }
    }
    return accepted;
  };
  attach(kind, route.meta, route.parents, claimed, resolved);
}

// Marks the listeners that serve `route` from now on: a port has nothing to tell two routes apart by.
Condition Resolver::claim(std::string_view kind, const PortRoute& route, const ParentRef& parent, const Entrances& entrances) {
  std::string taken;
  bool attached = false;
  for (Entrance* e : entrances) {
    if (e->port_route == nullptr) e->port_route = &route;
    attached = attached || e->port_route == &route;
    if (e->port_route != &route)
      taken = fmt::format("listener {} of Gateway {} is served by {} {}, which comes before this one", shown(e->listener->name),
                          parent.gateway.to_text(), kind, e->port_route->meta.key.to_text());
  }
  if (!attached) return {"Accepted", no, "Conflicted", std::move(taken)};
  return {"Accepted", yes, "Accepted", std::move(taken)};
}

std::vector<WeightedBackend> Resolver::resolve_refs(std::string_view kind, const PortRoute& route, Condition& condition) {
  condition = {"ResolvedRefs", yes, "ResolvedRefs", ""};
  std::vector<WeightedBackend> made;
  bool any_weight = false;
  for (std::size_t i = 0; i < route.backends.size(); i++) {
    const BackendRef& ref = route.backends[i];
    any_weight = any_weight || ref.weight > 0;
    made.emplace_back().weight = ref.weight;
    std::optional<Condition> bad = resolve_ref(route.meta.key.ns, ref, made.back());
    if (!bad && made_->backend(*made.back().backend).node_from) {
      bad = Condition{"ResolvedRefs", no, "UnsupportedLocation",
                      fmt::format("Backend {} takes the node from the request (nodeFrom), and {} names none", ref.backend.to_text(),
                                  kind == "TCPRoute" ? "a TCP connection" : "a datagram")};
      made.back().backend.reset();
    }
    if (!bad) continue;
    warn(route.meta.source, ref.at, fmt::format("spec.rules[0].backendRefs[{}]", i), bad->message);
    add_refusal(condition, *std::move(bad));
  }
  if (!any_weight)
    warn(route.meta.source, route.meta.source.at, "spec.rules[0].backendRefs",
         kind == "TCPRoute" ? "all weights are 0: each connection is refused" : "all weights are 0: each datagram is dropped");
  return made;
}

}  // namespace fairlead::route
