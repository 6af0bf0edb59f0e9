// The cases of Gateway API's own conformance suite for HTTPRoute and Gateway that are about conditions and filters.
#include <gtest/gtest.h>

#include "route/http_requests.h"
#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

using namespace testing;

const std::string kSame = gateway("name: same-namespace", "{name: http, port: 80, protocol: HTTP}");
const std::string kBackends = backend("name: v1", "nodeName: a") + backend("name: v2", "nodeName: a");
const std::string kRef = backend_ref("name: v1");

std::string to(std::string_view refs) { return fmt::format("{{backendRefs: [{}]}}", refs); }
std::string route(std::string_view rules, std::string_view parents = "{name: same-namespace}") {
  return http_route("name: r", parents, rules);
}

// "Accepted=True/Accepted ResolvedRefs=False/BackendNotFound"
std::string show(const std::vector<Condition>& conditions) {
  std::string text;
  for (const Condition& c : conditions) {
    const char* status = c.status == Condition::Status::yes ? "True" : c.status == Condition::Status::no ? "False" : "Unknown";
    text += fmt::format("{}{}={}/{}", text.empty() ? "" : " ", c.type, status, c.reason);
  }
  return text;
}
std::string conditions(const Snapshot& s, std::size_t parent = 0) { return show(s.routes().at(0).parents.at(parent).conditions); }
const ListenerStatus& listener(const Snapshot& s, std::size_t i = 0) { return s.gateways().at(0).listeners.at(i); }

TEST(HttpConformance, HTTPRouteSimpleSameNamespace) {
  auto s = built(kSame + kBackends + route(to(kRef)));
  EXPECT_EQ(answer(*s, {}), "v1");
  EXPECT_EQ(s->routes().at(0).kind, "HTTPRoute");
  EXPECT_EQ(conditions(*s), "Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs");
  EXPECT_EQ(show(s->gateways().at(0).conditions), "Accepted=True/Accepted Programmed=Unknown/Pending");
  EXPECT_EQ(show(listener(*s).conditions),
            "Accepted=True/Accepted Conflicted=False/NoConflicts ResolvedRefs=True/ResolvedRefs Programmed=Unknown/Pending");
  EXPECT_EQ(listener(*s).supported_kinds, (std::vector<GroupKind>{{.kind = "HTTPRoute"}}));
  EXPECT_EQ(to_text(s->warnings()), "");
}

TEST(HttpConformance, HTTPRouteCrossNamespace) {
  auto s = built(gateway("name: g, namespace: infra", "{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}") +
                 kBackends + route(to(kRef), "{name: g, namespace: infra}"));
  EXPECT_EQ(answer(*s, {}), "v1");
}

TEST(HttpConformance, HTTPRouteInvalidCrossNamespaceParentRef) {
  auto s = built(gateway("name: g, namespace: infra", "{name: http, port: 80, protocol: HTTP}") + kBackends +
                 route(to(kRef), "{name: g, namespace: infra}"));
  EXPECT_EQ(conditions(*s), "Accepted=False/NotAllowedByListeners ResolvedRefs=True/ResolvedRefs");
  EXPECT_EQ(listener(*s).attached_routes, 0u);
  EXPECT_EQ(answer(*s, {}), "404");
}

TEST(HttpConformance, HTTPRouteInvalidParentRefNotMatchingSectionName) {
  auto s = built(kSame + kBackends + route(to(kRef), "{name: same-namespace, sectionName: x}"));
  EXPECT_EQ(conditions(*s), "Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs");
  EXPECT_EQ(listener(*s).attached_routes, 0u);
}

TEST(HttpConformance, HTTPRouteInvalidParentRefNotMatchingListenerPort) {
  EXPECT_EQ(conditions(*built(kSame + kBackends + route(to(kRef), "{name: same-namespace, port: 81}"))),
            "Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs");
}

TEST(HttpConformance, HTTPRouteInvalidParentRefSectionNameNotMatchingPort) {
  EXPECT_EQ(conditions(*built(kSame + kBackends + route(to(kRef), "{name: same-namespace, sectionName: http, port: 81}"))),
            "Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs");
}

TEST(HttpConformance, HTTPRouteInvalidNonExistentBackendRef) {
  auto s = built(kSame + kBackends + route(to(backend_ref("name: nonexistent, port: 8080"))));
  EXPECT_EQ(conditions(*s), "Accepted=True/Accepted ResolvedRefs=False/BackendNotFound");
  EXPECT_EQ(answer(*s, {}), "500");
}

TEST(HttpConformance, HTTPRouteInvalidBackendRefUnknownKind) {
  auto s = built(kSame + kBackends + route(to("{group: unknownkind.example.com, kind: NonExistent, name: v1, port: 8080}")));
  EXPECT_EQ(conditions(*s), "Accepted=True/Accepted ResolvedRefs=False/InvalidKind");
  EXPECT_EQ(answer(*s, {}), "500");
}

TEST(HttpConformance, HTTPRouteInvalidCrossNamespaceBackendRef) {
  auto s = built(kSame + backend("name: web, namespace: web-backend", "nodeName: a") +
                 route(to(backend_ref("name: web, namespace: web-backend"))));
  EXPECT_EQ(conditions(*s), "Accepted=True/Accepted ResolvedRefs=False/RefNotPermitted");
  EXPECT_EQ(answer(*s, {}), "500");
}

TEST(HttpConformance, HTTPRoutePartiallyInvalidViaInvalidReferenceGrant) {
  auto s = built(kSame + kBackends + backend("name: v1, namespace: other", "nodeName: a") +
                 route("{matches: [{path: {value: /v2}}], backendRefs: [" + backend_ref("name: v1, namespace: other") +
                       "]}, {backendRefs: [" + backend_ref("name: v1, namespace: other") + ", " + kRef + "]}"));
  EXPECT_EQ(conditions(*s), "Accepted=True/Accepted ResolvedRefs=False/RefNotPermitted");
  EXPECT_EQ(answer(*s, {.target = "/v2"}), "500");
  EXPECT_EQ(answer(*s, {.target = "/"}), "500*1 v1*1");
}

TEST(HttpConformance, HTTPRouteDisallowedKind) {
  auto s =
      built(gateway("name: tlsroutes-only", "{name: t, port: 80, protocol: TCP}") + kBackends + route(to(kRef), "{name: tlsroutes-only}"));
  EXPECT_EQ(conditions(*s), "Accepted=False/NotAllowedByListeners ResolvedRefs=True/ResolvedRefs");
}

TEST(HttpConformance, HTTPRouteObservedGenerationBump) {
  auto s = built(kSame + kBackends + http_route("name: r, generation: 7", "{name: same-namespace}", to(kRef)));
  EXPECT_EQ(s->routes().at(0).generation, 7);
}

TEST(HttpConformance, GatewayWithAttachedRoutes) {
  auto s = built(gateway("name: g",
                         "{name: one, port: 80, protocol: HTTP, hostname: a.example.com}, "
                         "{name: two, port: 80, protocol: HTTP, hostname: b.example.com}, {name: none, port: 81, protocol: HTTP}, "
                         "{name: unresolved, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: nope}]}}") +
                 kBackends + http_route("name: a", "{name: g, sectionName: one}, {name: g, sectionName: two}", to(kRef)) +
                 http_route("name: b", "{name: g, sectionName: two}", to(kRef)) +
                 http_route("name: c", "{name: g, sectionName: unresolved}", to(backend_ref("name: nope"))));
  EXPECT_EQ(listener(*s, 0).attached_routes, 1u);
  EXPECT_EQ(listener(*s, 1).attached_routes, 2u);
  EXPECT_EQ(listener(*s, 2).attached_routes, 0u);
  EXPECT_EQ(listener(*s, 3).attached_routes, 1u);
  EXPECT_EQ(show(listener(*s, 3).conditions),
            "Accepted=True/Accepted Conflicted=False/NoConflicts ResolvedRefs=False/InvalidCertificateRef Programmed=False/Invalid");
  EXPECT_EQ(show(s->routes().at(2).parents.at(0).conditions), "Accepted=True/Accepted ResolvedRefs=False/BackendNotFound");
}

TEST(HttpConformance, GatewayInvalidRouteKind) {
  auto s = built(gateway("name: only", "{name: http, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: InvalidRoute}]}}"));
  EXPECT_EQ(find(listener(*s).conditions, "ResolvedRefs")->reason, "InvalidRouteKinds");
  EXPECT_TRUE(listener(*s).supported_kinds.empty());
  s = built(
      gateway("name: both", "{name: http, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: InvalidRoute}, {kind: HTTPRoute}]}}"));
  EXPECT_EQ(find(listener(*s).conditions, "ResolvedRefs")->reason, "InvalidRouteKinds");
  EXPECT_EQ(listener(*s).supported_kinds, (std::vector<GroupKind>{{.kind = "HTTPRoute"}}));
}

TEST(HttpConformance, GatewayInvalidTLSConfiguration) {
  auto s = built(gateway("name: g", "{name: https, port: 443, protocol: HTTPS, tls: {mode: Terminate, certificateRefs: [{name: nope}]}}"));
  EXPECT_EQ(show(listener(*s).conditions),
            "Accepted=True/Accepted Conflicted=False/NoConflicts ResolvedRefs=False/InvalidCertificateRef Programmed=False/Invalid");
  EXPECT_TRUE(s->http_ports().empty());
  EXPECT_NE(to_text(s->warnings()).find("certificateRefs name Secrets, which need a cluster"), std::string::npos);
}

// What a filter became: of the first rule.
template <class T>
T filter(std::string_view type, std::string_view key, std::string_view spec, std::string_view more) {
  auto s =
      built(kSame + kBackends +
            route(fmt::format("{{matches: [{{path: {{value: /p}}}}], filters: [{{type: {}, {}: {{{}}}}}]{}}}", type, key, spec, more)));
  EXPECT_EQ(conditions(*s), "Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs");
  return std::get<T>(match(port_of(*s, 80), {.target = "/p"}).rule->filters.at(0));
}
RedirectFilter redirect(std::string_view spec) { return filter<RedirectFilter>("RequestRedirect", "requestRedirect", spec, ""); }
template <class T>
T edit(std::string_view type, std::string_view key, std::string_view spec) {
  return filter<T>(type, key, spec, ", backendRefs: [" + kRef + "]");
}

TEST(HttpConformance, HTTPRouteRedirectHostAndStatus) {
  EXPECT_EQ(redirect("hostname: example.org").hostname, "example.org");
  EXPECT_EQ(redirect("hostname: example.org").status, 302u);
  EXPECT_EQ(redirect("hostname: example.org, statusCode: 301").status, 301u);
}

TEST(HttpConformance, HTTPRouteRedirectPath) {
  RedirectFilter full = redirect("path: {type: ReplaceFullPath, replaceFullPath: /full}");
  EXPECT_EQ(full.path.kind, PathRewrite::Kind::full);
  EXPECT_EQ(full.path.value, "/full");
  RedirectFilter prefix = redirect("path: {type: ReplacePrefixMatch, replacePrefixMatch: /}");
  EXPECT_EQ(prefix.path.kind, PathRewrite::Kind::prefix);
  EXPECT_EQ(prefix.path.value, "/");
}

TEST(HttpConformance, HTTPRouteRedirectPortAndScheme) {
  EXPECT_EQ(redirect("port: 8083").port, Port(8083));
  EXPECT_FALSE(redirect("port: 8083").scheme);
  EXPECT_EQ(redirect("scheme: https").scheme, "https");
  EXPECT_FALSE(redirect("scheme: https").port);
}

TEST(HttpConformance, HTTPRouteRedirect303And307And308) {
  for (unsigned code : {303u, 307u, 308u}) EXPECT_EQ(redirect(fmt::format("statusCode: {}", code)).status, code);
}

TEST(HttpConformance, HTTPRouteRewriteHost) {
  auto f = edit<RewriteFilter>("URLRewrite", "urlRewrite", "hostname: one.example.org");
  EXPECT_EQ(f.hostname, "one.example.org");
  EXPECT_EQ(f.path.kind, PathRewrite::Kind::keep);
}

TEST(HttpConformance, HTTPRouteRewritePath) {
  auto f = edit<RewriteFilter>("URLRewrite", "urlRewrite", "path: {type: ReplacePrefixMatch, replacePrefixMatch: ''}");
  EXPECT_EQ(f.path.kind, PathRewrite::Kind::prefix);
  EXPECT_EQ(f.path.value, "");
  auto s = built(kSame + kBackends + route("{matches: [{path: {value: /prefix/one/}}], " + to(kRef).substr(1)));
  EXPECT_EQ(match(port_of(*s, 80), {.target = "/prefix/one/two"}).prefix, 11u);
  EXPECT_EQ(match(port_of(*s, 80), {.target = "/prefix/one"}).prefix, 11u);
  s = built(kSame + kBackends + route(to(kRef)));
  EXPECT_EQ(match(port_of(*s, 80), {.target = "/prefix/one"}).prefix, 0u);
}

TEST(HttpConformance, HTTPRouteRequestHeaderModifier) {
  auto f =
      edit<RequestHeaderFilter>("RequestHeaderModifier", "requestHeaderModifier",
                                "set: [{name: X-Header-Set, value: v}], add: [{name: X-Header-Add, value: w}], remove: [X-Header-Remove]");
  EXPECT_EQ(f.edit.set.at(0).name, "X-Header-Set");
  EXPECT_EQ(f.edit.add.at(0).value, "w");
  EXPECT_EQ(f.edit.remove, std::vector<std::string>{"X-Header-Remove"});
}

TEST(HttpConformance, HTTPRouteResponseHeaderModifier) {
  auto f = edit<ResponseHeaderFilter>("ResponseHeaderModifier", "responseHeaderModifier", "add: [{name: X-Header-Add, value: 'a, b'}]");
  EXPECT_EQ(f.edit.add.at(0).value, "a, b");
}

TEST(HttpConformance, HTTPRouteBackendRequestHeaderModification) {
  auto s = built(
      kSame + kBackends +
      route(to(backend_ref("name: v1, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x, value: y}]}}]"))));
  const HttpShare& share = match(port_of(*s, 80), {}).rule->backends.at(0);
  EXPECT_EQ(std::get<RequestHeaderFilter>(share.filters.at(0)).edit.set.at(0).value, "y");
}

TEST(HttpConformance, HTTPRouteRequestMirror) {
  auto f = edit<MirrorFilter>("RequestMirror", "requestMirror", "backendRef: " + backend_ref("name: v2, port: 8080"));
  EXPECT_TRUE(f.to.backend);
  EXPECT_EQ(f.to.targets.size(), 1u);
  EXPECT_EQ(f.numerator, f.denominator);
}

TEST(HttpConformance, HTTPRouteRequestPercentageMirror) {
  auto f = edit<MirrorFilter>("RequestMirror", "requestMirror", "backendRef: " + backend_ref("name: v2") + ", percent: 20");
  EXPECT_EQ(f.numerator, 20u);
  EXPECT_EQ(f.denominator, 100u);
  f = edit<MirrorFilter>("RequestMirror", "requestMirror",
                         "backendRef: " + backend_ref("name: v2") + ", fraction: {numerator: 1, denominator: 3}");
  EXPECT_EQ(f.numerator, 1u);
  EXPECT_EQ(f.denominator, 3u);
}

TEST(HttpConformance, HTTPRouteRequestMirrorInvalidBackendRef) {
  const std::string mirror = "{type: RequestMirror, requestMirror: {backendRef: " + backend_ref("name: nope") + "}}";
  auto s = built(kSame + kBackends + route("{filters: [" + mirror + "], " + to(kRef).substr(1)));
  EXPECT_EQ(conditions(*s), "Accepted=True/Accepted ResolvedRefs=False/BackendNotFound");
  EXPECT_EQ(answer(*s, {}), "v1");
  EXPECT_TRUE(match(port_of(*s, 80), {}).rule->filters.empty());
}

TEST(HttpConformance, HTTPRouteTimeoutRequest) {
  auto timeouts = [](std::string_view spec) {
    auto s = built(kSame + kBackends + route(fmt::format("{{timeouts: {{{}}}, {}", spec, to(kRef).substr(1))));
    const HttpRule& r = *match(port_of(*s, 80), {}).rule;
    return std::pair(r.request_timeout, r.backend_timeout);
  };
  EXPECT_EQ(timeouts("request: 500ms"), (std::pair<std::optional<Duration>, std::optional<Duration>>(500ms, {})));
  EXPECT_EQ(timeouts("request: 1s, backendRequest: 500ms"), (std::pair<std::optional<Duration>, std::optional<Duration>>(1s, 500ms)));
  EXPECT_EQ(timeouts("request: 0s, backendRequest: 500ms"), (std::pair<std::optional<Duration>, std::optional<Duration>>({}, 500ms)));
}

TEST(HttpConformance, HTTPRouteCORS) {
  auto f = edit<CorsFilter>("CORS", "cors",
                            "allowOrigins: ['https://www.foo.com', 'https://*.bar.com'], allowMethods: [GET, OPTIONS], "
                            "allowHeaders: [x-header-1], exposeHeaders: [x-header-3], allowCredentials: true, maxAge: 3600");
  EXPECT_EQ(f.allow_origins.size(), 2u);
  EXPECT_TRUE(f.allow_credentials);
  EXPECT_EQ(f.max_age, 3600s);
  EXPECT_EQ(edit<CorsFilter>("CORS", "cors", "allowOrigins: ['*']").max_age, 5s);
}

}  // namespace
}  // namespace fairlead::route
