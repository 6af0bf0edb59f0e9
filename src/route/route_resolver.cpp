#include <fmt/format.h>

#include <algorithm>

#include "route/resolver.h"

namespace fairlead::route {

using enum Condition::Status;

void add_refusal(Condition& refs, Condition bad) {
  if (refs.status == yes)
    refs = std::move(bad);
  else
    refs.message += "; " + bad.message;
}

void Resolver::attach(std::string_view kind, const ObjectMeta& meta, const std::vector<ParentRef>& parents,
                      FunctionRef<Condition(const ParentRef&, const Entrances&)> claim, FunctionRef<const Condition&()> refs) {
  RouteStatus status{.kind = kind, .key = meta.key, .generation = meta.generation};
  for (std::size_t i = 0; i < parents.size(); i++) {
    const ParentRef& parent = parents[i];
    const std::string path = fmt::format("spec.parentRefs[{}]", i);
    if (parent.kind.group != kGatewayGroup || parent.kind.kind != "Gateway") {
      warn(meta.source, parent.at, path, fmt::format("{}/{} is no Gateway: ignored", parent.kind.group, parent.kind.kind));
      continue;
    }
    if (!entrances_.contains(parent.gateway) && gateways_.contains(parent.gateway)) continue;  // of another site

    const Condition& resolved = refs();
    Entrances entrances;
    std::optional<Condition> refusal = find_entrances(kind, meta, parent, entrances);
    Condition accepted = refusal ? *std::move(refusal) : claim(parent, entrances);
    if (!accepted.message.empty()) warn(meta.source, parent.at, path, accepted.message);
    status.parents.push_back({parent, {std::move(accepted), resolved}});
  }
  if (!status.parents.empty()) made_->routes_.push_back(std::move(status));
}

// The listeners that `parent` means, that listen and that take the route; or why there is none.
std::optional<Condition> Resolver::find_entrances(std::string_view kind, const ObjectMeta& meta, const ParentRef& parent, Entrances& out) {
  auto refuse = [](std::string_view reason, std::string message) { return Condition{"Accepted", no, reason, std::move(message)}; };
  const std::string gateway = fmt::format("Gateway {}", parent.gateway.to_text());
  auto found = entrances_.find(parent.gateway);
  if (found == entrances_.end()) return refuse("NoMatchingParent", fmt::format("{} is not there", gateway));

  for (Entrance& e : found->second)
    if ((!parent.section || *parent.section == e.listener->name) && (!parent.port || *parent.port == e.listener->port)) out.push_back(&e);
  if (out.empty()) {
    const std::string which =
        (parent.section ? fmt::format(" {}", shown(*parent.section)) : "") + (parent.port ? fmt::format(" of port {}", *parent.port) : "");
    return refuse("NoMatchingParent", fmt::format("{} has no listener{}", gateway, which));
  }
  std::erase_if(out, [&](const Entrance* e) {
    return e->takes != kind || (!e->listener->from_all_namespaces && meta.key.ns != e->gateway->meta.key.ns);
  });
  const std::string_view article = kind.starts_with('H') ? "an" : "a";
  if (out.empty())
    return refuse("NotAllowedByListeners",
                  fmt::format("no listener of {} takes {} {} of namespace {}", gateway, article, kind, meta.key.ns));

  const Entrance* some = out.front();
  std::erase_if(out, [](const Entrance* e) { return e->accepted.status != yes; });
  if (out.empty())
    return refuse("NoMatchingParent",
                  fmt::format("listener {} of {} does not listen: {}", shown(some->listener->name), gateway, some->accepted.message));
  return {};
}

std::optional<Condition> Resolver::resolve_ref(const std::string& ns, const BackendRef& ref, WeightedBackend& out) const {
  auto bad = [](std::string_view reason, std::string message) { return Condition{"ResolvedRefs", no, reason, std::move(message)}; };
  if (ref.kind.group != kFairleadGroup || ref.kind.kind != "Backend") {
    const bool service = ref.kind.group.empty() && ref.kind.kind == "Service";
    return bad("InvalidKind",
               service
                   ? fmt::format("a Service is not supported by this version; for the Backend {} write group: fairlead.dev, kind: Backend",
                                 shown(ref.backend.name))
                   : fmt::format("{}/{} is not a kind of backend; Backend of fairlead.dev is", ref.kind.group, ref.kind.kind));
  }
  if (ref.backend.ns != ns)
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

void Resolver::attach(const TcpRoute& route) {
  Condition refs;
  std::optional<std::vector<WeightedBackend>> backends;
  auto resolved = [&]() -> const Condition& {
    if (!backends) backends = resolve_refs(route, refs);
    return refs;
  };
  auto claimed = [&](const ParentRef& parent, const Entrances& entrances) {
    Condition accepted = claim(route, parent, entrances);
    for (Entrance* e : entrances) {
      if (e->tcp != &route || e->attached > 0) continue;
      e->attached = 1;
      for (const net::IpAddress& ip : bind_addresses(*e->gateway))
        made_->tcp_listeners_.push_back(
            {e->gateway->meta.key, e->listener->name, RouteId(route.meta.key.to_text()), {ip, e->listener->port.value()}, *backends});
    }
    return accepted;
  };
  attach("TCPRoute", route.meta, route.parents, claimed, resolved);
}

// Marks the listeners that serve `route` from now on: TCP has nothing to tell two routes apart by.
Condition Resolver::claim(const TcpRoute& route, const ParentRef& parent, const Entrances& entrances) {
  std::string taken;
  bool attached = false;
  for (Entrance* e : entrances) {
    if (e->tcp == nullptr) e->tcp = &route;
    attached = attached || e->tcp == &route;
    if (e->tcp != &route)
      taken = fmt::format("listener {} of Gateway {} is served by TCPRoute {}, which comes before this one", shown(e->listener->name),
                          parent.gateway.to_text(), e->tcp->meta.key.to_text());
  }
  if (!attached) return {"Accepted", no, "Conflicted", std::move(taken)};
  return {"Accepted", yes, "Accepted", std::move(taken)};
}

std::vector<WeightedBackend> Resolver::resolve_refs(const TcpRoute& route, Condition& condition) {
  condition = {"ResolvedRefs", yes, "ResolvedRefs", ""};
  std::vector<WeightedBackend> made;
  bool any_weight = false;
  for (std::size_t i = 0; i < route.backends.size(); i++) {
    const BackendRef& ref = route.backends[i];
    any_weight = any_weight || ref.weight > 0;
    made.emplace_back().weight = ref.weight;
    std::optional<Condition> bad = resolve_ref(route.meta.key.ns, ref, made.back());
    if (!bad && made_->backend(*made.back().backend).node_from) {
      bad = Condition{
          "ResolvedRefs", no, "UnsupportedLocation",
          fmt::format("Backend {} takes the node from the request (nodeFrom), and a TCP connection names none", ref.backend.to_text())};
      made.back().backend.reset();
    }
    if (!bad) continue;
    warn(route.meta.source, ref.at, fmt::format("spec.rules[0].backendRefs[{}]", i), bad->message);
    add_refusal(condition, *std::move(bad));
  }
  if (!any_weight)
    warn(route.meta.source, route.meta.source.at, "spec.rules[0].backendRefs", "all weights are 0: each connection is refused");
  return made;
}

}  // namespace fairlead::route
