// HTTPRoute: its rules but for what they match (http_match_decoder.cpp) and their filters (http_filter_decoder.cpp).
#include <algorithm>
#include <set>

#include "route/http_values.h"
#include "route/kinds.h"

namespace fairlead::route {
namespace {

constexpr std::size_t kMaxHostnames = 16;        // Gateway API
constexpr std::size_t kMaxRules = 16;            // Gateway API
constexpr std::size_t kMaxMatches = 64;          // Gateway API
constexpr std::size_t kMaxMatchesOfRoute = 128;  // Gateway API
constexpr std::int64_t kMaxAttempts = 100;       // more tries of one request are no help to anybody
constexpr std::size_t kMaxRetryCodes = 200;      // 400 to 599
constexpr std::size_t kMaxSessionName = 128;     // Gateway API
constexpr unsigned kDefaultAttempts = 1;         // ours to choose (Gateway API)
constexpr Duration kDefaultBackoff = 25ms;       // ours to choose (Gateway API)

// Filters of one backendRef: those that edit headers.
void decode_backend_filters(const Field& f, const std::string& ns, std::vector<HttpFilter>& out) {
  std::vector<FilterSpec> filters;
  decode_filters(f, ns, filters);
  for (FilterSpec& filter : filters) {
    if (auto* request = std::get_if<RequestHeaderFilter>(&filter))
      out.emplace_back(std::move(*request));
    else if (auto* response = std::get_if<ResponseHeaderFilter>(&filter))
      out.emplace_back(std::move(*response));
    else
      f.error("filters of one backend are RequestHeaderModifier and ResponseHeaderModifier in this version; others belong to the rule");
  }
}

void decode_backend(const Field& f, const std::string& ns, HttpBackendRef& out) {
  Object o(f);
  decode_backend_name(o, ns, out.ref);
  decode_weight(o, out.ref);
  o.optional("filters", [&](const Field& list) { decode_backend_filters(list, ns, out.filters); });
}

// "0s" is no limit.
void decode_limit(const Field& f, std::optional<Duration>& out) {
  Duration d{};
  decode(f, d);
  if (d > Duration::zero()) out = d;
}

void decode_timeouts(const Field& f, HttpRouteRule& out) {
  Object o(f);
  o.optional("request", [&](const Field& t) { decode_limit(t, out.request_timeout); });
  o.optional("backendRequest", [&](const Field& t) { decode_limit(t, out.backend_timeout); });
  if (out.request_timeout && out.backend_timeout && *out.backend_timeout > *out.request_timeout)
    f.error("backendRequest is longer than request");
}

void decode_retry(const Field& f, RetryRule& out) {
  Object o(f);
  out.attempts = kDefaultAttempts;
  out.backoff = kDefaultBackoff;
  o.optional("codes", [&](const Field& list) {
    list.items(0, kMaxRetryCodes, [&](const Field& code) {
      decode_whole(code, 400, 599, [&](std::int64_t n) { out.codes.push_back(static_cast<std::uint16_t>(n)); });
    });
  });
  o.optional("attempts", in_range(out.attempts, 0, kMaxAttempts));
  o.optional("backoff", out.backoff);
}

void decode_persistence(const Field& f, SessionPersistence& out) {
  using enum SessionPersistence::Type;
  Object o(f);
  o.optional("sessionName", sized(out.name, 1, kMaxSessionName, check_header_name));
  o.optional("type", one_of(out.type, {{"Cookie", cookie}, {"Header", header}}));
  o.optional("absoluteTimeout", out.absolute_timeout);
  o.not_supported("idleTimeout");
  o.optional("cookieConfig", [&](const Field& c) {
    if (out.type != cookie) c.error("only with the type Cookie");
    Object config(c);
    config.optional("lifetimeType", one_of(out.permanent, {{"Session", false}, {"Permanent", true}}));
  });
  if (out.permanent && !out.absolute_timeout) f.error("a cookie whose lifetimeType is Permanent needs an absoluteTimeout");
}

bool is_one_prefix(const std::vector<RequestMatch>& matches) {
  return matches.size() == 1 && matches[0].path == RequestMatch::Path::prefix;
}

void decode_rule(const Field& f, const std::string& ns, HttpRouteRule& out) {
  Object o(f);
  o.optional("name", checked(out.name, check_dns_subdomain));
  o.optional("matches",
             [&](const Field& list) { list.items(0, kMaxMatches, [&](const Field& m) { decode_match(m, out.matches.emplace_back()); }); });
  if (out.matches.empty()) out.matches.emplace_back();  // PathPrefix "/"
  o.optional("filters", [&](const Field& list) {
    decode_filters(list, ns, out.filters);
    if (replaces_prefix(out.filters) && !is_one_prefix(out.matches))
      list.error("ReplacePrefixMatch needs exactly one match, and that of a PathPrefix");
  });
  o.optional("backendRefs", [&](const Field& list) {
    list.items(0, kMaxBackends, [&](const Field& b) { decode_backend(b, ns, out.backends.emplace_back()); });
  });
  const bool redirects = std::ranges::any_of(out.filters, [](const FilterSpec& s) { return std::holds_alternative<RedirectFilter>(s); });
  if (redirects && !out.backends.empty()) f.error("RequestRedirect and backendRefs: only one of them");
  o.optional("timeouts", [&](const Field& t) { decode_timeouts(t, out); });
  o.optional("retry", [&](const Field& r) { decode_retry(r, out.retry); });
  o.optional("sessionPersistence", [&](const Field& p) { decode_persistence(p, out.persistence.emplace()); });
}

void decode_rules(const Field& list, HttpRoute& out) {
  std::size_t matches = 0;
  std::set<std::string> names;
  list.items(1, kMaxRules, [&](const Field& f) {
    HttpRouteRule& rule = out.rules.emplace_back();
    decode_rule(f, out.meta.key.ns, rule);
    matches += rule.matches.size();
    if (!rule.name.empty() && !names.insert(rule.name).second) f.error("two rules have the name {}", shown(rule.name));
  });
  if (matches > kMaxMatchesOfRoute) list.error("{} matches in all rules; at most {} are allowed", matches, kMaxMatchesOfRoute);
}

// Gateway API: two references to one Gateway both say which listeners, by section or port, and not the same ones.
void check_parents(const Field& list, const std::vector<ParentRef>& parents) {
  for (std::size_t i = 0; i < parents.size(); i++) {
    for (std::size_t k = 0; k < i; k++) {
      const ParentRef& a = parents[k];
      const ParentRef& b = parents[i];
      if (a.kind != b.kind || a.gateway != b.gateway) continue;
      if (a.section.has_value() != b.section.has_value() || a.port.has_value() != b.port.has_value() || (!a.section && !a.port))
        list.report(Severity::error, b.at, "two references to one parent must both have a sectionName or both a port");
      else if (a.section == b.section && a.port == b.port)
        list.report(Severity::error, b.at, "two references to one parent must differ in sectionName or port");
    }
  }
}

}  // namespace

void decode_spec(Object& o, HttpRoute& out) {
  o.required("spec", [&](const Field& f) {
    Object spec(f);
    spec.optional("parentRefs", [&](const Field& list) {
      list.items(0, kMaxParents, [&](const Field& p) { decode_parent(p, out.meta.key.ns, out.parents.emplace_back()); });
      check_parents(list, out.parents);
    });
    spec.optional("hostnames", [&](const Field& list) {
      list.items(0, kMaxHostnames, [&](const Field& h) {
        std::string name;
        checked(name, check_hostname)(h);
        if (std::ranges::find(out.hostnames, name) == out.hostnames.end()) out.hostnames.push_back(std::move(name));
      });
    });
    spec.optional("rules", [&](const Field& list) { decode_rules(list, out); });
    if (!spec.has("rules")) out.rules.emplace_back().matches.emplace_back();  // Gateway API's default
    spec.not_supported("useDefaultGateways");
  });
}

}  // namespace fairlead::route
