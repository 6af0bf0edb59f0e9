// ListenerPolicy, RequestPolicy and tls of listeners: what they may say, and where they hold.
#include <gtest/gtest.h>

#include <algorithm>

#include "route/http_requests.h"
#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

using namespace testing;

std::string problems_of(std::string_view text) {
  Problems problems("f");
  decode_manifests(text, Format::yaml, problems);
  return to_text(problems.take());
}
std::string listener_policy(std::string_view spec, std::string_view target = "{kind: Gateway, name: g}",
                            std::string_view metadata = "name: p") {
  return policy("ListenerPolicy", metadata, fmt::format("targetRefs: [{}]{}{}", target, spec.empty() ? "" : ", ", spec));
}
std::string idle(std::string_view name, std::string_view seconds, std::string_view target) {
  return listener_policy(fmt::format("limits: {{idleTimeout: {}}}", seconds), target, fmt::format("name: {}", name));
}
std::string https(std::string_view tls) {
  return gateway("name: g", fmt::format("{{name: s, port: 443, protocol: HTTPS, tls: {{{}}}}}", tls));
}
std::string options(std::string_view spec) { return https(fmt::format("options: {{{}}}", spec)); }

const std::string kGateway = gateway("name: g", "{name: http, port: 80, protocol: HTTP}");
const std::string kFiles = "fairlead.dev/certificate-file: c, fairlead.dev/key-file: k";

TEST(ListenerPolicy, HoldsForTheListenersOfItsGateway) {
  auto s = built(kGateway + gateway("name: other", "{name: http, port: 81, protocol: HTTP}") +
                 listener_policy("trustedProxies: [10.0.0.0/8], proxyProtocol: true, limits: {headSize: 4KiB, fields: 20, headTimeout: 1s, "
                                 "idleTimeout: 2s, bodyTimeout: 3s, connectionsPerSource: 4}"));
  const ListenerPolicy& p = port_of(*s, 80).policy;
  EXPECT_EQ(p.trusted_proxies.at(0).to_text(), "10.0.0.0/8");
  EXPECT_TRUE(p.proxy_protocol);
  EXPECT_EQ(p.max_head, 4096u);
  EXPECT_EQ(p.max_fields, 20u);
  EXPECT_EQ(p.head_timeout, 1s);
  EXPECT_EQ(p.idle_timeout, 2s);
  EXPECT_EQ(p.body_timeout, 3s);
  EXPECT_EQ(p.max_connections_per_source, 4u);
  EXPECT_EQ(port_of(*s, 81).policy.idle_timeout, ListenerPolicy().idle_timeout);
  EXPECT_EQ(to_text(s->warnings()), "");
}

TEST(ListenerPolicy, OneForAListenerComesBeforeOneForItsGatewayAndTheFirstByNameBeforeOthers) {
  const std::string two = gateway("name: g", "{name: a, port: 80, protocol: HTTP}, {name: b, port: 81, protocol: HTTP}");
  auto s = built(two + idle("a", "1s", "{kind: Gateway, name: g}") + idle("z", "2s", "{kind: Gateway, name: g, sectionName: b}"));
  EXPECT_EQ(port_of(*s, 80).policy.idle_timeout, 1s);
  EXPECT_EQ(port_of(*s, 81).policy.idle_timeout, 2s);
  EXPECT_EQ(to_text(s->warnings()), "");

  s = built(kGateway + idle("b", "2s", "{kind: Gateway, name: g}") + idle("a", "1s", "{kind: Gateway, name: g}"));
  EXPECT_EQ(port_of(*s, 80).policy.idle_timeout, 1s);
  EXPECT_NE(to_text(s->warnings()).find("spec.targetRefs[0]: not in force at [::]:80: ListenerPolicy default/a comes before it"),
            std::string::npos)
      << to_text(s->warnings());
}

TEST(ListenerPolicy, OnePortHasOneEvenIfItsListenersHaveTwo) {
  auto s =
      built(gateway("name: g", "{name: a, port: 80, protocol: HTTP, hostname: a}, {name: b, port: 80, protocol: HTTP, hostname: b}") +
            idle("pb", "2s", "{kind: Gateway, name: g, sectionName: b}") + idle("pa", "1s", "{kind: Gateway, name: g, sectionName: a}"));
  EXPECT_EQ(port_of(*s, 80).policy.idle_timeout, 1s);
  EXPECT_NE(to_text(s->warnings()).find("ListenerPolicy default/pa comes before it, and a port has one"), std::string::npos);
}

TEST(ListenerPolicy, ATargetThatIsNotThereIsTold) {
  for (const auto& [target, warning] : std::initializer_list<std::pair<const char*, const char*>>{
           {"{kind: Gateway, name: nope}", "spec.targetRefs[0]: Gateway default/nope is not there"},
           {"{kind: Gateway, name: g, sectionName: nope}", "Gateway default/g has no listener \"nope\" of HTTP or HTTPS"},
           {"{kind: HTTPRoute, name: g}", "gateway.networking.k8s.io/HTTPRoute is no Gateway: ignored"}})
    EXPECT_NE(to_text(built(kGateway + listener_policy("", target))->warnings()).find(warning), std::string::npos) << target;
  EXPECT_NE(to_text(built(gateway("name: g", "{name: t, port: 80, protocol: TCP}") + listener_policy(""))->warnings())
                .find("Gateway default/g has no listener of HTTP or HTTPS"),
            std::string::npos);
  // Of another site: nothing is said.
  EXPECT_EQ(to_text(built(edge_gateway("name: g", "{name: http, port: 80, protocol: HTTP}") + listener_policy(""),
                          Site::any_of(Site::Role::cloud))
                        ->warnings()),
            "");
}

TEST(ListenerPolicy, IsChecked) {
  for (const auto& [text, problem] : std::initializer_list<std::pair<std::string, const char*>>{
           {policy("ListenerPolicy", "name: p", ""), "spec: \"targetRefs\" is missing"},
           {listener_policy("", ""), "spec.targetRefs: at least 1 needed"},
           {listener_policy("proxyProtocol: true"), "spec: proxyProtocol needs trustedProxies"},
           {listener_policy("trustedProxies: [x]"), "spec.trustedProxies[0]: "},
           {listener_policy("limits: {headSize: 1023}"), "spec.limits.headSize: not from 1KiB to 1MiB"},
           {listener_policy("limits: {headSize: 1048577}"), "spec.limits.headSize: not from 1KiB to 1MiB"},
           {listener_policy("limits: {fields: 0}"), "spec.limits.fields: 0 is not from 1 to 10000"},
           {listener_policy("limits: {headTimeout: 99ms}"), "spec.limits.headTimeout: not from 100ms to 24h"},
           {listener_policy("limits: {maxHeaders: 3}"), "spec.limits: unknown key \"maxHeaders\""},
           {policy("RequestPolicy", "name: p", "onLinkDown: wait"),
            "spec.onLinkDown: \"wait\" is none of Fail, Wait; did you mean \"Wait\"?"},
           {policy("RequestPolicy", "name: p", "class: Fast"), "spec.class: \"Fast\" is none of Interactive, Bulk, Background, Management"},
           {policy("RequestPolicy", "name: p", "nodeHeader: Connection"), "spec.nodeHeader: \"Connection\" frames the message"},
           {policy("RequestPolicy", "name: p", "maxBodySize: -1"), "spec.maxBodySize: \"-1\" is not a size"},
       }) {
    const std::string said = problems_of(text);
    EXPECT_NE(said.find(problem), std::string::npos) << text << said;
  }
  EXPECT_EQ(problems_of(listener_policy("limits: {headSize: 1KiB, headTimeout: 100ms, idleTimeout: 24h}")), "");
}

TEST(ListenerPolicy, TwoObjectsOfOneNameAreAnErrorOfEveryKind) {
  const std::string all = listener_policy("") + policy("RequestPolicy", "name: p", "") + http_route("name: p", "{name: g}", "{}");
  std::vector<Problem> found = find_duplicates(decoded(all + all));
  ASSERT_EQ(found.size(), 3u);
  EXPECT_NE(to_text(found).find("HTTPRoute default/p is also in f.yaml:12"), std::string::npos) << to_text(found);
}

TEST(RequestPolicy, HoldsForTheRulesThatReferToIt) {
  const std::string reference = "{type: ExtensionRef, extensionRef: {group: fairlead.dev, kind: RequestPolicy, name: p}}";
  auto s =
      built(kGateway + backend("name: b", "nodeName: a") +
            http_route("name: r", "{name: g}",
                       fmt::format("{{matches: [{{path: {{value: /p}}}}], filters: [{}], backendRefs: [{}]}}, {{backendRefs: [{}]}}",
                                   reference, backend_ref("name: b"), backend_ref("name: b"))) +
            policy("RequestPolicy", "name: p", "maxBodySize: 1MiB, repeatable: true, class: Bulk, onLinkDown: Wait, nodeHeader: X-Node"));
  const RequestPolicy& p = match(port_of(*s, 80), {.target = "/p"}).rule->policy;
  EXPECT_EQ(p.max_body, 1048576u);
  EXPECT_TRUE(p.repeatable);
  EXPECT_EQ(p.traffic_class, wire::TrafficClass::bulk);
  EXPECT_TRUE(p.wait_for_link);
  EXPECT_EQ(p.node_header, "X-Node");
  EXPECT_FALSE(match(port_of(*s, 80), {}).rule->policy.max_body);
}

TEST(RequestPolicy, ARuleWhoseReferenceIsNoGoodIsNotServed) {
  for (const auto& [kind, reason] : {std::pair("RequestPolicy", "PolicyNotFound"), std::pair("Other", "InvalidKind")}) {
    auto s =
        built(kGateway + backend("name: b", "nodeName: a") +
              http_route("name: r", "{name: g}",
                         fmt::format("{{filters: [{{type: ExtensionRef, extensionRef: {{group: fairlead.dev, kind: {}, name: nope}}}}], "
                                     "backendRefs: [{}]}}",
                                     kind, backend_ref("name: b"))));
    EXPECT_EQ(answer(*s, {}), "500");
    EXPECT_EQ(find(s->routes().at(0).parents.at(0).conditions, "ResolvedRefs")->reason, reason);
    EXPECT_NE(to_text(s->warnings()).find("requests of this rule are answered with 500"), std::string::npos);
  }
}

TEST(ListenerTls, IsRead) {
  auto s = built(options(kFiles + ", fairlead.dev/client-ca-file: ca, fairlead.dev/client-auth: required"));
  const ListenerTls& tls = *port_of(*s, 443).hosts.at(0).tls;
  EXPECT_EQ(tls.certificate_file, "c");
  EXPECT_EQ(tls.key_file, "k");
  EXPECT_EQ(tls.client_ca_file, "ca");
  EXPECT_EQ(tls.client_auth, ListenerTls::ClientAuth::required);
  EXPECT_EQ(to_text(s->warnings()), "");
}

TEST(ListenerTls, IsChecked) {
  for (const auto& [text, problem] : std::initializer_list<std::pair<std::string, const char*>>{
           {https(""),
            "spec.listeners[0].tls: certificateRefs or options fairlead.dev/certificate-file and fairlead.dev/key-file are needed"},
           {options("fairlead.dev/certificate-file: c"), "both are needed"},
           {options("fairlead.dev/cert-file: c"), "unknown option \"fairlead.dev/cert-file\""},
           {options(kFiles + ", fairlead.dev/client-auth: required"), "fairlead.dev/client-auth needs fairlead.dev/client-ca-file"},
           {options(kFiles + ", fairlead.dev/client-auth: yes"), "is none of none, optional, required"},
           {options(kFiles + ", example.com/x: y"), "warning: spec.listeners[0].tls.options.\"example.com/x\": an option of another"},
           {https("mode: Passthrough, options: {" + kFiles + "}"), "an HTTPS listener ends TLS itself"},
           {https("frontendValidation: {}, options: {" + kFiles + "}"), "frontendValidation: not supported by this version"},
           {gateway("name: g", "{name: s, port: 80, protocol: HTTP, tls: {}}"), "spec.listeners[0].tls: not with the protocol HTTP"},
       }) {
    const std::string said = problems_of(text);
    EXPECT_NE(said.find(problem), std::string::npos) << text << said;
  }
}

TEST(HttpPorts, GatewaysShareASocketWhenHostNamesTellThemApart) {
  auto listener = [](std::string_view hostname) { return fmt::format("{{name: l, port: 80, protocol: HTTP, hostname: {}}}", hostname); };
  auto s = built(gateway("name: a", listener("a.example.com")) + gateway("name: b", listener("b.example.com")));
  ASSERT_EQ(s->http_ports().size(), 1u);
  EXPECT_EQ(s->http_ports()[0].find("b.example.com")->gateway.name, "b");
  EXPECT_EQ(to_text(s->warnings()), "");

  s = built(gateway("name: a", listener("a.example.com")) + gateway("name: b", listener("a.example.com")));
  EXPECT_EQ(s->http_ports().at(0).hosts.size(), 1u);
  EXPECT_EQ(find(s->gateways().at(1).listeners.at(0).conditions, "Conflicted")->reason, "HostnameConflict");

  // Of addresses that overlap and are not the same, only one can be bound.
  s = built(gateway("name: a", listener("a.example.com"), "addresses: [{value: 192.0.2.1}]") +
            gateway("name: b", listener("b.example.com")));
  EXPECT_EQ(s->http_ports().size(), 1u);
  EXPECT_EQ(s->http_ports()[0].bind.to_text(), "192.0.2.1:80");
}

TEST(HttpPorts, AListenerWithoutRoutesListensAndHasNone) {
  EXPECT_EQ(answer(*built(kGateway), {}), "404");
  EXPECT_EQ(built(edge_gateway("name: g", "{name: http, port: 80, protocol: HTTP}"), Site::edge(NodeName::parse("a").value(), {}))
                ->http_ports()
                .at(0)
                .bind.to_text(),
            "127.0.0.1:80");
}

}  // namespace
}  // namespace fairlead::route
