#include <fmt/format.h>

#include <algorithm>

#include "route/resolver.h"

namespace fairlead::route {

using enum Condition::Status;

void Resolver::attach(const TcpRoute& route) {
  RouteStatus status{.key = route.meta.key, .generation = route.meta.generation};
  std::optional<Refs> refs;
  for (std::size_t i = 0; i < route.parents.size(); i++) {
    const ParentRef& parent = route.parents[i];
    const std::string path = fmt::format("spec.parentRefs[{}]", i);
    if (parent.kind.group != kGatewayGroup || parent.kind.kind != "Gateway") {
      warn(route.meta.source, parent.at, path, fmt::format("{}/{} is no Gateway: ignored", parent.kind.group, parent.kind.kind));
      continue;
    }
    std::vector<Entrance*> entrances;
    auto here = entrances_.find(parent.gateway);
    if (here == entrances_.end() && gateways_.contains(parent.gateway)) continue;  // of another site
    if (here != entrances_.end())
      for (Entrance& e : here->second) entrances.push_back(&e);

    if (!refs) refs = resolve_refs(route);
    Condition accepted = attach_to(route, parent, entrances);
    if (accepted.status == yes)
      for (Entrance* e : entrances)
        if (e->route == &route && e->attached == 0) {
          e->attached = 1;
          listen(*e, route, refs->backends);
        }
    if (!accepted.message.empty()) warn(route.meta.source, parent.at, path, accepted.message);
    status.parents.push_back({parent, {std::move(accepted), refs->condition}});
  }
  if (!status.parents.empty()) made_->routes_.push_back(std::move(status));
}

// Marks the listeners that serve `route` from now on.
Condition Resolver::attach_to(const TcpRoute& route, const ParentRef& parent, const std::vector<Entrance*>& entrances) {
  auto refuse = [](std::string_view reason, std::string message) { return Condition{"Accepted", no, reason, std::move(message)}; };
  const std::string gateway = fmt::format("Gateway {}", parent.gateway.to_text());
  if (!gateways_.contains(parent.gateway)) return refuse("NoMatchingParent", fmt::format("{} is not there", gateway));

  std::vector<Entrance*> meant;
  for (Entrance* e : entrances)
    if ((!parent.section || *parent.section == e->listener->name) && (!parent.port || *parent.port == e->listener->port))
      meant.push_back(e);
  if (meant.empty()) {
    const std::string which =
        (parent.section ? fmt::format(" {}", shown(*parent.section)) : "") + (parent.port ? fmt::format(" of port {}", *parent.port) : "");
    return refuse("NoMatchingParent", fmt::format("{} has no listener{}", gateway, which));
  }
  std::erase_if(meant, [&](const Entrance* e) {
    return !e->takes_tcp_routes || (!e->listener->from_all_namespaces && route.meta.key.ns != e->gateway->meta.key.ns);
  });
  if (meant.empty())
    return refuse("NotAllowedByListeners", fmt::format("no listener of {} takes a TCPRoute of namespace {}", gateway, route.meta.key.ns));

  const Entrance* some = meant.front();
  std::erase_if(meant, [](const Entrance* e) { return e->accepted.status != yes; });
  if (meant.empty())
    return refuse("NoMatchingParent",
                  fmt::format("listener {} of {} does not listen: {}", shown(some->listener->name), gateway, some->accepted.message));

  std::string taken;
  bool attached = false;
  for (Entrance* e : meant) {
    if (e->route == nullptr) e->route = &route;
    attached = attached || e->route == &route;
    // TCP has nothing to tell two routes apart by.
    if (e->route != &route)
      taken = fmt::format("listener {} of {} is served by TCPRoute {}, which comes before this one", shown(e->listener->name), gateway,
                          e->route->meta.key.to_text());
  }
  if (!attached) return refuse("Conflicted", std::move(taken));
  return {"Accepted", yes, "Accepted", std::move(taken)};
}

Resolver::Refs Resolver::resolve_refs(const TcpRoute& route) {
  Refs refs;
  refs.condition = {"ResolvedRefs", yes, "ResolvedRefs", ""};
  bool any_weight = false;
  for (std::size_t i = 0; i < route.backends.size(); i++) {
    const BackendRef& ref = route.backends[i];
    any_weight = any_weight || ref.weight > 0;
    WeightedBackend& made = refs.backends.emplace_back();
    made.weight = ref.weight;
    std::optional<Condition> bad = resolve_ref(route, ref, made);
    if (!bad) continue;
    warn(route.meta.source, ref.at, fmt::format("spec.rules[0].backendRefs[{}]", i), bad->message);
    if (refs.condition.status == yes)
      refs.condition = *std::move(bad);
    else
      refs.condition.message += "; " + bad->message;
  }
  if (!any_weight)
    warn(route.meta.source, route.meta.source.at, "spec.rules[0].backendRefs", "all weights are 0: each connection is refused");
  return refs;
}

// Fills `out`, or tells what is not good about `ref`.
std::optional<Condition> Resolver::resolve_ref(const TcpRoute& route, const BackendRef& ref, WeightedBackend& out) const {
  auto bad = [](std::string_view reason, std::string message) { return Condition{"ResolvedRefs", no, reason, std::move(message)}; };
  if (ref.kind.group != kFairleadGroup || ref.kind.kind != "Backend") {
    const bool service = ref.kind.group.empty() && ref.kind.kind == "Service";
    return bad("InvalidKind",
               service
                   ? fmt::format("a Service is not supported by this version; for the Backend {} write group: fairlead.dev, kind: Backend",
                                 shown(ref.backend.name))
                   : fmt::format("{}/{} is not a kind of backend; Backend of fairlead.dev is", ref.kind.group, ref.kind.kind));
  }
  if (ref.backend.ns != route.meta.key.ns)
    return bad("RefNotPermitted", fmt::format("Backend {} is in another namespace, and ReferenceGrant is not supported by this version",
                                              ref.backend.to_text()));
  auto found = backends_.find(ref.backend);
  if (found == backends_.end()) return bad("BackendNotFound", fmt::format("Backend {} is not there", ref.backend.to_text()));

  const Backend& backend = made_->backend(found->second);
  const bool in_cloud = std::holds_alternative<Backend::Cloud>(backend.location);
  if (in_cloud && site_.role == Site::Role::cloud)
    return bad("UnsupportedLocation",
               fmt::format("Backend {} is in the cloud, where this Gateway is: there is no link between them", ref.backend.to_text()));
  if (!in_cloud && site_.role == Site::Role::edge)
    return bad(
        "UnsupportedLocation",
        fmt::format("Backend {} is on a node: from an edge only backends in the cloud are reached by this version", ref.backend.to_text()));

  for (std::size_t i = 0; i < backend.targets.size(); i++)
    if (!ref.port || *ref.port == backend.targets[i].port) out.targets.push_back(static_cast<std::uint32_t>(i));
  if (out.targets.empty())
    return bad("BackendNotFound", fmt::format("Backend {} has no target of port {}", ref.backend.to_text(), *ref.port));
  out.backend = found->second;
  return {};
}

}  // namespace fairlead::route
