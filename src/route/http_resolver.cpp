#include <fmt/format.h>

#include <algorithm>

#include "route/resolver.h"

namespace fairlead::route {
namespace {

using enum Condition::Status;

std::string_view suffix(std::string_view wildcard) { return wildcard.substr(2); }
bool is_wildcard(std::string_view hostname) { return hostname.starts_with("*."); }

// Whether some host is taken by both.
bool intersect(std::string_view a, std::string_view b) {
  if (a == b) return true;
  if (is_wildcard(a) && is_wildcard(b)) return takes_host(a, suffix(b)) || takes_host(b, suffix(a));
  return is_wildcard(a) ? takes_host(a, b) : is_wildcard(b) && takes_host(b, a);
}

std::string joined(const std::vector<std::string>& names) { return fmt::format("{}", fmt::join(names, ", ")); }

// Of a rule that names none: its own, so that two rules of one host do not take each other's.
std::string session_name(const ObjectKey& route, std::size_t rule, SessionPersistence::Type type) {
  const std::uint64_t hash = RollingHash::of(fmt::format("{}/{}", route.to_text(), rule));
  const std::string_view form = type == SessionPersistence::Type::cookie ? "fairlead-session-" : "X-Fairlead-Session-";
  return fmt::format("{}{:08x}", form, hash & 0xffffffff);
}

}  // namespace

void Resolver::attach(HttpRoute& route) {
  Condition refs;
  std::shared_ptr<const CompiledRoute> compiled;
  auto resolved = [&]() -> const Condition& {
    if (!compiled) compiled = compile(route, refs);
    return refs;
  };
  auto claimed = [&](const ParentRef& parent, const Entrances& entrances) { return claim(route, compiled, parent, entrances); };
  attach("HTTPRoute", route.meta, route.parents, claimed, resolved);
  if (route.parents.empty())
    warn(route.meta.source, route.meta.source.at, "spec.parentRefs", "no parent: this route is served by no listener");
}

// Adds the route to the listeners that have a host name of it.
Condition Resolver::claim(const HttpRoute& route, const std::shared_ptr<const CompiledRoute>& compiled, const ParentRef& parent,
                          const Entrances& entrances) {
  bool attached = false;
  for (Entrance* e : entrances) {
    HttpMatcher::Attached one{compiled, {}};
    for (const std::string& name : route.hostnames)
      if (!e->listener->hostname || intersect(*e->listener->hostname, name)) one.hostnames.push_back(name);
    if (one.hostnames.empty() && !route.hostnames.empty()) continue;
    attached = true;
    if (!e->http.empty() && e->http.back().route == compiled) continue;  // by another parentRef
    e->http.push_back(std::move(one));
    e->attached++;
  }
  if (attached) return {"Accepted", yes, "Accepted", ""};
  return {"Accepted", no, "NoMatchingListenerHostname",
          fmt::format("no listener of Gateway {} that is meant has a host name of {}", parent.gateway.to_text(), joined(route.hostnames))};
}

std::shared_ptr<const CompiledRoute> Resolver::compile(HttpRoute& route, Condition& refs) {
  refs = {"ResolvedRefs", yes, "ResolvedRefs", ""};
  auto made = std::make_shared<CompiledRoute>();
  made->rules.reserve(route.rules.size());
  for (std::size_t i = 0; i < route.rules.size(); i++) {
    made->rules.push_back(compile(route.meta, route.rules[i], i, refs));
    for (RequestMatch& match : route.rules[i].matches) made->matches.push_back({i, std::move(match)});
  }
  return made;
}

HttpRule Resolver::compile(const ObjectMeta& route, HttpRouteRule& rule, std::size_t index, Condition& refs) {
  HttpRule made{.route = RouteId(route.key.to_text()), .index = index, .name = std::move(rule.name)};
  const std::string path = fmt::format("spec.rules[{}]", index);
  bool good = true, any_weight = false;
  for (std::size_t i = 0; i < rule.filters.size(); i++)
    good = compile(route, rule.filters[i], fmt::format("{}.filters[{}]", path, i), made, refs) && good;

  for (std::size_t i = 0; i < rule.backends.size(); i++) {
    HttpBackendRef& ref = rule.backends[i];
    any_weight = any_weight || ref.ref.weight > 0;
    HttpShare& share = made.backends.emplace_back();
    share.weight = ref.ref.weight;
    share.filters = std::move(ref.filters);
    std::optional<Condition> bad = resolve_ref(route.key.ns, ref.ref, share);
    if (!bad) continue;
    warn(route.source, ref.ref.at, fmt::format("{}.backendRefs[{}]", path, i), bad->message);
    add_refusal(refs, *std::move(bad));
  }
  const bool redirects = std::ranges::any_of(made.filters, [](const HttpFilter& f) { return std::holds_alternative<RedirectFilter>(f); });
  if (!any_weight && !redirects)
    warn(route.source, route.source.at, path + ".backendRefs",
         rule.backends.empty() ? "no backend: each request is answered with 500" : "all weights are 0: each request is answered with 500");
  if (!good) {  // it must not be served as if the filter were not there
    made.filters.clear();
    made.backends.assign(1, HttpShare());
  }
  made.request_timeout = rule.request_timeout;
  made.backend_timeout = rule.backend_timeout;
  made.retry = std::move(rule.retry);
  made.persistence = std::move(rule.persistence);
  if (made.persistence && made.persistence->name.empty()) made.persistence->name = session_name(route.key, index, made.persistence->type);
  return made;
}

bool Resolver::compile(const ObjectMeta& route, FilterSpec& filter, const std::string& path, HttpRule& into, Condition& refs) {
  if (const auto* extension = std::get_if<ExtensionReference>(&filter)) return resolve_policy(route, *extension, path, into, refs);
  if (const auto* mirror = std::get_if<MirrorReference>(&filter)) {
    MirrorFilter made{.numerator = mirror->numerator, .denominator = mirror->denominator};
    if (std::optional<Condition> bad = resolve_ref(route.key.ns, mirror->to, made.to)) {
      warn(route.source, mirror->to.at, path + ".requestMirror.backendRef", bad->message);
      add_refusal(refs, *std::move(bad));
      return true;  // without the mirror (Gateway API)
    }
    into.filters.emplace_back(std::move(made));
    return true;
  }
  std::visit(
      [&]<class T>(T& f) {
        if constexpr (!std::same_as<T, ExtensionReference> && !std::same_as<T, MirrorReference>) into.filters.emplace_back(std::move(f));
      },
      filter);
  return true;
}

bool Resolver::resolve_policy(const ObjectMeta& route, const ExtensionReference& ref, const std::string& path, HttpRule& into,
                              Condition& refs) {
  const ObjectKey key{route.key.ns, ref.name};
  Condition bad{"ResolvedRefs", no, "", ""};
  auto found = request_policies_.find(key);
  if (ref.kind.group != kFairleadGroup || ref.kind.kind != "RequestPolicy") {
    bad.reason = "InvalidKind";
    bad.message = fmt::format("{}/{} is no kind of extension; RequestPolicy of fairlead.dev is", ref.kind.group, ref.kind.kind);
  } else if (found == request_policies_.end()) {
    bad.reason = "PolicyNotFound";
    bad.message = fmt::format("RequestPolicy {} is not there", key.to_text());
  } else {
    into.policy = found->second->policy;
    return true;
  }
  warn(route.source, ref.at, path, bad.message + ": requests of this rule are answered with 500");
  add_refusal(refs, std::move(bad));
  return false;
}

}  // namespace fairlead::route
