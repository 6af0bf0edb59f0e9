// The cases of Gateway API's own conformance suite for HTTPRoute and Gateway, as tables: each TEST is named as the case is there.
#include <gtest/gtest.h>

#include "route/http_requests.h"
#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

using namespace testing;

struct Case {
  Request request;
  const char* backend;
};

void expect(const Snapshot& s, std::initializer_list<Case> cases, std::uint16_t port = 80) {
  for (const Case& c : cases) {
    std::string headers;
    for (const HeaderValue& h : c.request.headers) headers += fmt::format(" {}: {}", h.name, h.value);
    EXPECT_EQ(answer(s, c.request, port), c.backend) << c.request.method << " " << c.request.host << c.request.target << headers;
  }
}

const std::string kSame = gateway("name: same-namespace", "{name: http, port: 80, protocol: HTTP}");
const std::string kBackends = backend("name: v1", "nodeName: a") + backend("name: v2", "nodeName: a") + backend("name: v3", "nodeName: a");

std::string rule(std::string_view matches, std::string_view to) {
  return fmt::format("{{matches: [{}], backendRefs: [{{group: fairlead.dev, kind: Backend, name: {}, port: 8080}}]}}", matches, to);
}
std::string route(std::string_view name, std::string_view rules, std::string_view more = "") {
  return http_route(fmt::format("name: {}", name), "{name: same-namespace}", rules, more);
}

TEST(HttpConformance, HTTPRouteMatching) {
  auto s = built(kSame + kBackends +
                 route("matching", rule("{path: {type: PathPrefix, value: /}}, {headers: [{name: version, value: one}]}", "v1") + ", " +
                                       rule("{path: {type: PathPrefix, value: /v2}}, {headers: [{name: version, value: two}]}", "v2")));
  expect(*s, {
                 {{.target = "/"}, "v1"},
                 {{.target = "/example"}, "v1"},
                 {{.target = "/", .headers = {{"Version", "one"}}}, "v1"},
                 {{.target = "/v2"}, "v2"},
                 {{.target = "/v2/example"}, "v2"},
                 {{.target = "/", .headers = {{"Version", "two"}}}, "v2"},
                 {{.target = "/v2/"}, "v2"},
                 {{.target = "/v2example"}, "v1"},
                 {{.target = "/foo/v2/example"}, "v1"},
             });
}

TEST(HttpConformance, HTTPRouteExactPathMatching) {
  auto s = built(
      kSame + kBackends +
      route("exact-matching", rule("{path: {type: Exact, value: /one}}", "v1") + ", " + rule("{path: {type: Exact, value: /two}}", "v2")));
  expect(*s, {{{.target = "/one"}, "v1"},
              {{.target = "/two"}, "v2"},
              {{.target = "/two?a=b"}, "v2"},
              {{.target = "/"}, "404"},
              {{.target = "/one/example"}, "404"},
              {{.target = "/two/"}, "404"},
              {{.target = "/Two"}, "404"}});
}

TEST(HttpConformance, HTTPRoutePathMatchOrder) {
  auto s = built(
      kSame + kBackends +
      route("path-matching-order",
            rule("{path: {type: PathPrefix, value: /match/}}, {path: {type: Exact, value: /match/exact/one}}", "v3") + ", " +
                rule("{path: {type: Exact, value: /match/exact}}, "
                     "{path: {type: PathPrefix, value: /match/prefix/one/any}}",
                     "v2") +
                ", " + rule("{path: {type: PathPrefix, value: /match/prefix/}}, {path: {type: PathPrefix, value: /match/exact}}", "v1")));
  expect(*s, {{{.target = "/match/exact/one"}, "v3"},
              {{.target = "/match/exact"}, "v2"},
              {{.target = "/match/exact/two"}, "v1"},
              {{.target = "/match"}, "v3"},
              {{.target = "/match/prefix/one/any"}, "v2"},
              {{.target = "/match/prefix/one/any/more"}, "v2"},
              {{.target = "/match/prefix/any"}, "v1"},
              {{.target = "/match/any"}, "v3"},
              {{.target = "/"}, "404"}});
}

TEST(HttpConformance, HTTPRouteMatchingAcrossRoutes) {
  auto s = built(kSame + kBackends +
                 route("matching-part1", rule("{path: {type: PathPrefix, value: /}}, {headers: [{name: version, value: one}]}", "v1"),
                       "hostnames: [example.com, example.net]") +
                 route("matching-part2", rule("{path: {type: PathPrefix, value: /v2}}, {headers: [{name: version, value: two}]}", "v2"),
                       "hostnames: [example.com]"));
  expect(*s, {{{.host = "example.com", .target = "/"}, "v1"},
              {{.host = "example.com", .target = "/example"}, "v1"},
              {{.host = "example.net", .target = "/example"}, "v1"},
              {{.host = "example.com", .target = "/", .headers = {{"Version", "one"}}}, "v1"},
              {{.host = "example.com", .target = "/v2"}, "v2"},
              {{.host = "example.com", .target = "/v2example"}, "v1"},
              {{.host = "example.com", .target = "/foo/v2/example"}, "v1"},
              {{.host = "example.net", .target = "/v2"}, "v1"},
              {{.host = "example.com", .target = "/v2/example"}, "v2"},
              {{.host = "example.com", .target = "/", .headers = {{"Version", "two"}}}, "v2"},
              {{.host = "example.net", .target = "/", .headers = {{"Version", "two"}}}, "v1"},
              {{.host = "example.org", .target = "/"}, "404"}});
}

TEST(HttpConformance, HTTPRouteHostnameIntersection) {
  auto of = [](std::string_view name, std::string_view hostnames, std::string_view prefix, std::string_view to) {
    return http_route(fmt::format("name: {}", name), "{name: intersection}",
                      rule(fmt::format("{{path: {{type: PathPrefix, value: {}}}}}", prefix), to),
                      fmt::format("hostnames: [{}]", hostnames));
  };
  auto s = built(
      gateway("name: intersection",
              "{name: listener-1, port: 80, protocol: HTTP, hostname: very.specific.com}, "
              "{name: listener-2, port: 80, protocol: HTTP, hostname: '*.wildcard.io'}, "
              "{name: listener-3, port: 80, protocol: HTTP, hostname: '*.anotherwildcard.io'}") +
      kBackends + of("specific-specific", "non.matching.com, '*.nonmatchingwildcard.io', very.specific.com", "/s1", "v1") +
      of("specific-wildcard", "non.matching.com, wildcard.io, foo.wildcard.io, bar.wildcard.io, foo.bar.wildcard.io", "/s2", "v2") +
      of("wildcard-specific", "non.matching.com, '*.specific.com'", "/s3", "v3") +
      of("wildcard-wildcard", "'*.anotherwildcard.io'", "/s4", "v1") + of("none", "specific.but.wrong.com, wildcard.io", "/s5", "v2"));
  expect(*s, {{{.host = "very.specific.com", .target = "/s1"}, "v1"},
              {{.host = "very.specific.com:1234", .target = "/non-matching"}, "404"},
              {{.host = "non.matching.com", .target = "/s1"}, "404"},
              {{.host = "foo.nonmatchingwildcard.io", .target = "/s1"}, "404"},
              {{.host = "foo.wildcard.io", .target = "/s2"}, "v2"},
              {{.host = "bar.wildcard.io", .target = "/s2"}, "v2"},
              {{.host = "foo.bar.wildcard.io", .target = "/s2"}, "v2"},
              {{.host = "baz.wildcard.io", .target = "/s2"}, "404"},
              {{.host = "wildcard.io", .target = "/s2"}, "404"},
              {{.host = "very.specific.com", .target = "/s2"}, "404"},
              {{.host = "very.specific.com", .target = "/s3"}, "v3"},
              {{.host = "foo.specific.com", .target = "/s3"}, "404"},
              {{.host = "non.matching.com", .target = "/s3"}, "404"},
              {{.host = "foo.anotherwildcard.io", .target = "/s4"}, "v1"},
              {{.host = "foo.bar.anotherwildcard.io", .target = "/s4"}, "v1"},
              {{.host = "anotherwildcard.io", .target = "/s4"}, "404"},
              {{.host = "specific.but.wrong.com", .target = "/s5"}, "404"},
              {{.host = "wildcard.io", .target = "/s5"}, "404"}});
  for (const RouteStatus& r : s->routes()) {
    const Condition& accepted = *find(r.parents.at(0).conditions, "Accepted");
    EXPECT_EQ(accepted.reason, r.key.name == "none" ? "NoMatchingListenerHostname" : "Accepted") << r.key.name;
  }
}

TEST(HttpConformance, HTTPRouteListenerHostnameMatching) {
  auto of = [](std::string_view name, std::string_view parents) {
    return http_route(fmt::format("name: {}", name), parents, rule("", name));
  };
  auto s = built(gateway("name: g",
                         "{name: listener-1, port: 80, protocol: HTTP, hostname: bar.com}, "
                         "{name: listener-2, port: 80, protocol: HTTP, hostname: foo.bar.com}, "
                         "{name: listener-3, port: 80, protocol: HTTP, hostname: '*.bar.com'}, "
                         "{name: listener-4, port: 80, protocol: HTTP, hostname: '*.foo.com'}") +
                 kBackends + of("v1", "{name: g, sectionName: listener-1}") + of("v2", "{name: g, sectionName: listener-2}") +
                 of("v3", "{name: g, sectionName: listener-3}, {name: g, sectionName: listener-4}"));
  expect(*s, {{{.host = "bar.com"}, "v1"},
              {{.host = "foo.bar.com"}, "v2"},
              {{.host = "FOO.bar.com."}, "v2"},
              {{.host = "baz.bar.com"}, "v3"},
              {{.host = "multiple.prefixes.bar.com"}, "v3"},
              {{.host = "boo.foo.com"}, "v3"},
              {{.host = "multiple.prefixes.foo.com"}, "v3"},
              {{.host = "foo.com"}, "404"},
              {{.host = "no.matching.host"}, "404"}});
}

TEST(HttpConformance, HTTPRouteHeaderMatching) {
  auto one = [](std::string_view headers) { return fmt::format("{{headers: [{}]}}", headers); };
  auto s = built(
      kSame + kBackends +
      route("header-matching", rule(one("{name: version, value: one}"), "v1") + ", " + rule(one("{name: version, value: two}"), "v2") +
                                   ", " + rule(one("{name: version, value: two}, {name: color, value: orange}"), "v1") + ", " +
                                   rule(one("{name: color, value: blue}") + ", " + one("{name: color, value: green}"), "v1") + ", " +
                                   rule(one("{name: color, value: red}") + ", " + one("{name: color, value: yellow}"), "v2")));
  expect(*s, {{{.headers = {{"Version", "one"}}}, "v1"},
              {{.headers = {{"Version", "two"}}}, "v2"},
              {{.headers = {{"VERSION", "two"}, {"Color", "orange"}}}, "v1"},
              {{.headers = {{"Color", "blue"}}}, "v1"},
              {{.headers = {{"Color", "green"}}}, "v1"},
              {{.headers = {{"Color", "red"}}}, "v2"},
              {{.headers = {{"Color", "yellow"}}}, "v2"},
              {{.headers = {{"Color", "purple"}}}, "404"},
              {{.headers = {{"Version", "two"}, {"Color", "blue"}}}, "v2"},
              {{.headers = {{"Version", "One"}}}, "404"},
              {{.headers = {{"Version", "one"}, {"Version", "one"}}}, "404"},
              {{}, "404"}});
}

TEST(HttpConformance, HTTPRouteMethodMatching) {
  auto s = built(kSame + kBackends +
                 route("method-matching",
                       rule("{method: POST}", "v1") + ", " + rule("{method: GET}", "v2") + ", " +
                           rule("{path: {value: /path1}, method: GET}", "v1") + ", " +
                           rule("{headers: [{name: version, value: one}], method: PUT}", "v2") + ", " +
                           rule("{path: {value: /path2}, headers: [{name: version, value: two}], method: POST}", "v3") + ", " +
                           rule("{path: {value: /path3}, method: PATCH}, {path: {value: /path4}, headers: [{name: version, value: three}], "
                                "method: DELETE}",
                                "v1") +
                           ", " + rule("{path: {value: /path5}}", "v1") + ", " + rule("{method: PATCH}", "v2") + ", " +
                           rule("{headers: [{name: version, value: four}]}", "v3")));
  expect(*s, {{{.method = "POST"}, "v1"},
              {{.method = "GET"}, "v2"},
              {{.method = "HEAD"}, "404"},
              {{.target = "/path1", .method = "GET"}, "v1"},
              {{.method = "PUT", .headers = {{"version", "one"}}}, "v2"},
              {{.target = "/path2", .method = "POST", .headers = {{"version", "two"}}}, "v3"},
              {{.target = "/path3", .method = "PATCH"}, "v1"},
              {{.target = "/path4", .method = "DELETE", .headers = {{"version", "three"}}}, "v1"},
              {{.target = "/path5", .method = "PATCH", .headers = {{"version", "four"}}}, "v1"},
              {{.target = "/", .method = "PATCH", .headers = {{"version", "four"}}}, "v2"},
              {{.target = "/", .method = "HEAD", .headers = {{"version", "four"}}}, "v3"},
              {{.target = "/", .method = "get"}, "404"}});
}

TEST(HttpConformance, HTTPRouteQueryParamMatching) {
  auto one = [](std::string_view query) { return fmt::format("{{queryParams: [{}]}}", query); };
  auto s = built(kSame + kBackends +
                 route("query-param-matching",
                       rule(one("{name: animal, value: whale}"), "v1") + ", " + rule(one("{name: animal, value: dolphin}"), "v2") + ", " +
                           rule(one("{name: animal, value: dolphin}, {name: color, value: blue}"), "v3") + ", " +
                           rule(one("{name: ANIMAL, value: Whale}"), "v3") + ", " +
                           rule("{path: {value: /path1}, queryParams: [{name: animal, value: whale}]}", "v1") + ", " +
                           rule("{headers: [{name: version, value: one}], queryParams: [{name: animal, value: whale}]}", "v2")));
  expect(*s, {{{.target = "/?animal=whale"}, "v1"},
              {{.target = "/?animal=dolphin"}, "v2"},
              {{.target = "/?animal=whale&otherparam=irrelevant"}, "v1"},
              {{.target = "/?animal=dolphin&color=yellow"}, "v2"},
              {{.target = "/?animal=dolphin&color=blue"}, "v3"},
              {{.target = "/?ANIMAL=Whale"}, "v3"},
              {{.target = "/?animal=whale&animal=dolphin"}, "v1"},
              {{.target = "/?animal=w%68ale"}, "v1"},
              {{.target = "/?color=blue"}, "404"},
              {{.target = "/?animal=dog"}, "404"},
              {{.target = "/?animal=whaledolphin"}, "404"},
              {{.target = "/path1?animal=whale"}, "v1"},
              {{.target = "/?animal=whale", .headers = {{"version", "one"}}}, "v2"},
              {{.target = "/"}, "404"}});
}

TEST(HttpConformance, HTTPRouteHTTPSListener) {
  const std::string tls = "tls: {options: {fairlead.dev/certificate-file: c.pem, fairlead.dev/key-file: k.pem}}";
  auto s =
      built(gateway("name: same-namespace", "{name: https, port: 443, protocol: HTTPS, hostname: example.org, " + tls +
                                                "}, {name: other, port: 443, protocol: HTTPS, hostname: second-example.org, " + tls + "}") +
            kBackends + http_route("name: r", "{name: same-namespace, sectionName: https}", rule("", "v1"), "hostnames: [example.org]"));
  const HttpPort& port = port_of(*s, 443);
  EXPECT_TRUE(port.tls);
  EXPECT_EQ(port.find("example.org")->tls->certificate_file, "c.pem");
  EXPECT_EQ(port.find("unknown-example.org"), nullptr);
  expect(*s, {{{.host = "example.org"}, "v1"}, {{.host = "second-example.org"}, "404"}, {{.host = "unknown-example.org"}, "404"}}, 443);
}

TEST(HttpConformance, GatewayHTTPListenerIsolation) {
  auto of = [](std::string_view section, std::string_view hostname, std::string_view prefix) {
    return http_route(fmt::format("name: {}", section), fmt::format("{{name: g, sectionName: {}}}", section),
                      rule(fmt::format("{{path: {{value: {}}}}}", prefix), "v1"),
                      hostname.empty() ? "" : fmt::format("hostnames: ['{}']", hostname));
  };
  auto s = built(gateway("name: g",
                         "{name: empty, port: 80, protocol: HTTP}, {name: wide, port: 80, protocol: HTTP, hostname: '*.example.com'}, "
                         "{name: narrow, port: 80, protocol: HTTP, hostname: '*.foo.example.com'}, "
                         "{name: exact, port: 80, protocol: HTTP, hostname: abc.foo.example.com}") +
                 kBackends + of("empty", "", "/empty") + of("wide", "", "/wide") + of("narrow", "", "/narrow") + of("exact", "", "/exact"));
  // Each request is for the most specific listener, and for no other.
  for (const auto& [host, own] : std::initializer_list<std::pair<const char*, std::string>>{
           {"bar.com", "/empty"}, {"bar.example.com", "/wide"}, {"bar.foo.example.com", "/narrow"}, {"abc.foo.example.com", "/exact"}})
    for (const std::string path : {"/empty", "/wide", "/narrow", "/exact"})
      EXPECT_EQ(answer(*s, {.host = host, .target = path}), path == own ? "v1" : "404") << host << path;
}

TEST(HttpConformance, HTTPRouteListenerPort) {
  auto s = built(gateway("name: g", "{name: a, port: 80, protocol: HTTP}, {name: b, port: 8080, protocol: HTTP}") + kBackends +
                 http_route("name: v1", "{name: g, port: 80}", rule("", "v1")) +
                 http_route("name: v2", "{name: g, port: 8080}", rule("", "v2")));
  EXPECT_EQ(answer(*s, {}, 80), "v1");
  EXPECT_EQ(answer(*s, {}, 8080), "v2");
}

TEST(HttpConformance, HTTPRouteParentRefPort) {
  auto s = built(gateway("name: g",
                         "{name: a, port: 80, protocol: HTTP}, {name: b, port: 8080, protocol: HTTP}, "
                         "{name: c, port: 8090, protocol: HTTP}") +
                 kBackends + http_route("name: two", "{name: g, port: 80}, {name: g, port: 8080}", rule("", "v1")) +
                 http_route("name: both", "{name: g, sectionName: c, port: 8090}", rule("", "v2")));
  EXPECT_EQ(answer(*s, {}, 80), "v1");
  EXPECT_EQ(answer(*s, {}, 8080), "v1");
  EXPECT_EQ(answer(*s, {}, 8090), "v2");
}

TEST(HttpConformance, HTTPRouteWeight) {
  auto to = [](std::string_view name, int weight) { return backend_ref(fmt::format("name: {}, weight: {}", name, weight)); };
  auto s =
      built(kSame + kBackends + route("weighted", fmt::format("{{backendRefs: [{}, {}, {}]}}", to("v1", 70), to("v2", 30), to("v3", 0))));
  EXPECT_EQ(answer(*s, {}), "v1*70 v2*30 v3*0");
}

TEST(HttpConformance, HTTPRouteNamedRule) {
  auto s = built(kSame + kBackends +
                 route("named", "{name: named-rule, matches: [{path: {value: /named}}], backendRefs: [" + backend_ref("name: v1") + "]}, " +
                                    rule("{path: {value: /unnamed}}", "v2")));
  EXPECT_EQ(match(port_of(*s, 80), {.target = "/named"}).rule->name, "named-rule");
  EXPECT_EQ(answer(*s, {.target = "/unnamed"}), "v2");
}

}  // namespace
}  // namespace fairlead::route
