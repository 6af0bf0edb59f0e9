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

}  // namespace fairlead::route
