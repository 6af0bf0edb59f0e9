#include "route/manifests.h"

#include <gtest/gtest.h>

#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

using namespace testing;

std::string problems_of(std::string_view text, Format format = Format::yaml) {
  Problems problems("f");
  decode_manifests(text, format, problems);
  return to_text(problems.take());
}

TEST(Manifests, AGatewayIsReadWithItsDefaults) {
  Manifests m = decoded(gateway(
      "name: front", "{name: web, port: 80, protocol: TCP}, {name: mq, port: 1883, protocol: fairlead.dev/MQTT, hostname: '*.example.com'}",
      "addresses: [{value: 192.0.2.1}, {type: IPAddress, value: '::1'}]"));
  ASSERT_EQ(m.gateways.size(), 1u);
  const Gateway& g = m.gateways[0];
  EXPECT_EQ(g.meta.key, (ObjectKey{"default", "front"}));
  EXPECT_EQ(*g.meta.source.file, "f.yaml");
  EXPECT_EQ(g.meta.source.at, (Position{2, 1}));
  EXPECT_EQ(g.class_name, "fairlead");
  EXPECT_EQ(g.listeners[0].port, Port(80));
  EXPECT_EQ(g.listeners[0].protocol, Protocol::tcp);
  EXPECT_FALSE(g.listeners[0].from_all_namespaces);
  EXPECT_EQ(g.listeners[1].protocol, Protocol::mqtt);
  EXPECT_EQ(g.listeners[1].hostname, "*.example.com");
  EXPECT_EQ(g.addresses.size(), 2u);
}

TEST(Manifests, ATcpRouteIsReadWithItsDefaults) {
  Manifests m = decoded(tcp_route("name: r, namespace: shop", "{name: front}, {name: back, namespace: infra, sectionName: web, port: 80}",
                                  "{name: svc, port: 80}, {group: fairlead.dev, kind: Backend, name: b, weight: 0}"));
  const TcpRoute& r = m.tcp_routes.at(0);
  EXPECT_EQ(r.parents[0].gateway, (ObjectKey{"shop", "front"}));
  EXPECT_FALSE(r.parents[0].section);
  EXPECT_EQ(r.parents[1].gateway, (ObjectKey{"infra", "back"}));
  EXPECT_EQ(r.parents[1].section, "web");
  EXPECT_EQ(r.parents[1].port, Port(80));
  EXPECT_EQ(r.backends[0].kind.kind, "Service");
  EXPECT_EQ(r.backends[0].kind.group, "");
  EXPECT_EQ(r.backends[0].weight, 1u);
  EXPECT_EQ(r.backends[1].kind.kind, "Backend");
  EXPECT_EQ(r.backends[1].weight, 0u);
}

TEST(Manifests, ABackendIsOnANodeOnNodesOrInTheCloud) {
  Manifests m = decoded(backend("name: a", "nodeName: edge-a") + backend("name: b", "nodeSelector: {site: berlin}") +
                        backend("name: c", "cloud: {}", "{address: '::1', port: 1}, {address: db.example.com, port: 65535}"));
  EXPECT_EQ(std::get<NodeName>(std::get<NodeChoice>(m.backends[0].location).by).value(), "edge-a");
  EXPECT_EQ(std::get<Labels>(std::get<NodeChoice>(m.backends[1].location).by), (Labels{{"site", "berlin"}}));
  EXPECT_TRUE(std::holds_alternative<Backend::Cloud>(m.backends[2].location));
  EXPECT_EQ(m.backends[2].targets[0].to_text(), "[::1]:1");
  EXPECT_EQ(m.backends[2].targets[1].to_text(), "db.example.com:65535");
}

TEST(Manifests, JsonAndListsAreRead) {
  Problems problems("f.json");
  Manifests m = decode_manifests(
      R"({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": [
          {"apiVersion": "fairlead.dev/v1alpha1", "kind": "Backend",
           "metadata": {"name": "a", "uid": "x", "generation": 3, "creationTimestamp": "2024-02-29T23:59:59Z", "managedFields": []},
           "spec": {"location": {"cloud": {}}, "targets": [{"address": "127.0.0.1", "port": 80}]}, "status": {"anything": 1}}]})",
      Format::json, problems);
  EXPECT_EQ(to_text(problems.take()), "");
  ASSERT_EQ(m.backends.size(), 1u);
  EXPECT_EQ(m.backends[0].meta.generation, 3);
  EXPECT_EQ(to_rfc3339(m.backends[0].meta.created.value()), "2024-02-29T23:59:59.000Z");
}

TEST(Manifests, WhatThisVersionDoesNotHaveIsSaidInASentence) {
  struct Case {
    const char* head;
    const char* problem;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute", "f:1:1: GRPCRoute is not supported by this version of Fairlead"},
           {"apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: TLSRoute", "TLSRoute is not supported by this version of Fairlead"},
           {"apiVersion: fairlead.dev/v1alpha1\nkind: MessageRoute", "MessageRoute is not supported by this version of Fairlead"},
           {"apiVersion: v1\nkind: Service", "Service is not supported by this version of Fairlead"},
           {"apiVersion: gateway.networking.k8s.io/v1beta1\nkind: TCPRoute",
            "TCPRoute of \"gateway.networking.k8s.io/v1beta1\" is not known: its apiVersion is \"gateway.networking.k8s.io/v1\" or "
            "\"gateway.networking.k8s.io/v1alpha2\""},
           {"apiVersion: fairlead.dev/v1\nkind: Backend", "its apiVersion is \"fairlead.dev/v1alpha1\""},
           {"apiVersion: gateway.networking.k8s.io/\nkind: Gateway", "its apiVersion is \"gateway.networking.k8s.io/v1\""},
           {"apiVersion: apps/v1\nkind: Deployment", "unknown kind \"Deployment\" of \"apps/v1\""},
           {"apiVersion: gateway.networking.k8s.io/v1\nkind: gateway",
            "unknown kind \"gateway\" of \"gateway.networking.k8s.io/v1\"; did you mean \"Gateway\"?"},
           {"kind: Gateway", "f:1:1: \"apiVersion\" is missing"},
           {"apiVersion: v1", "f:1:1: \"kind\" is missing"},
       }) {
    std::string said = problems_of(std::string(c.head) + "\nmetadata: {name: x}\nspec: {}\n");
    EXPECT_NE(said.find(c.problem), std::string::npos) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  }
  EXPECT_EQ(problems_of("[]"), "f:1:1: a mapping is needed, not a list\n");
  EXPECT_EQ(problems_of(""), "");
}

TEST(Manifests, AMistakeIsToldWithLineAndField) {
  const std::string tcp = "{name: tcp, port: 80, protocol: TCP}";
  const std::string ref = backend_ref("name: b");
  struct Case {
    std::string text;
    const char* problem;
  };
  for (const Case& c : std::initializer_list<Case>{
           {gateway("name: g", "{name: t, port: 70000, protocol: TCP}"), "f:7:31: spec.listeners[0].port: 70000 is not a port (1-65535)"},
           {gateway("name: g", "{name: t, port: '80', protocol: TCP}"), "spec.listeners[0].port: \"80\" in quotes is text"},
           {gateway("name: g", "{name: t, port: 80, protokol: TCP}"),
            "spec.listeners[0]: unknown key \"protokol\"; did you mean \"protocol\"?"},
           {gateway("name: g", "{name: t, port: 80, protocol: tcp}"),
            "spec.listeners[0].protocol: \"tcp\" is none of HTTP, HTTPS, TLS, TCP, UDP, fairlead.dev/MQTT; did you mean \"TCP\"?"},
           {gateway("name: g", "{name: t, port: 80, protocol: TLS, tls: {mode: Passthrough}}"),
            "spec.listeners[0].tls: not supported by this version"},
           {gateway("name: g", "{name: t, port: 80, protocol: HTTP, hostname: 1.2.3.4}"), "\"1.2.3.4\" is an IP address, not a host name"},
           {gateway("name: g", "{name: t, port: 80, protocol: TCP, allowedRoutes: {namespaces: {from: Selector}}}"),
            "from: \"Selector\" is none of Same, All"},
           {gateway("name: g", tcp + ", " + tcp), "spec.listeners: two listeners have the name \"tcp\""},
           {gateway("name: g", ""), "spec.listeners: at least 1 needed, 0 here"},
           {gateway("name: g", tcp, "addresses: [{type: Hostname, value: x}]"), "spec.addresses[0].type: \"Hostname\" is not IPAddress"},
           {gateway("name: g", tcp, "addresses: [{value: x}]"), "spec.addresses[0].value: \"x\" is not an IP address"},
           {gateway("name: g", tcp, "infrastructure: {labels: {a: b}}"), "spec.infrastructure.labels: not supported by this version"},
           {gateway("name: g", tcp, "infrastructure: {parametersRef: {kind: Placement}}"),
            "spec.infrastructure.parametersRef: \"name\" is missing"},
           {gateway("name: G", tcp), "metadata.name: \"G\" is not a name"},
           {gateway("nam: g", tcp), "metadata: \"name\" is missing"},
           {gateway("name: g, namespace: a.b", tcp), "metadata.namespace: \"a.b\" is not a name"},
           {gateway("name: g, labels: {a: 1}", tcp), "metadata.labels.a: 1 is a number here"},
           {gateway("name: g, creationTimestamp: yesterday", tcp), "metadata.creationTimestamp: \"yesterday\" is not a time"},
           {gateway("name: g, creationTimestamp: '2023-02-29T00:00:00Z'", tcp), "is not a time"},
           {tcp_route("name: r", "", ref), "spec.parentRefs: at least 1 needed"},
           {tcp_route("name: r", "{name: g}", ""), "spec.rules[0].backendRefs: at least 1 needed"},
           {tcp_route("name: r", "{name: g}", backend_ref("name: b, weight: 1000001")), "weight: 1000001 is not from 0 to 1000000"},
           {tcp_route("name: r", "{name: g}", backend_ref("name: b, weight: -1")), "weight: -1 is not from 0 to 1000000"},
           {tcp_route("name: r", "{name: g, section: x}", ref), "spec.parentRefs[0]: unknown key \"section\""},
           {tcp_route("name: r", "{name: g}", ref) + "  - backendRefs: [" + ref + "]\n", "spec.rules: at most 1 allowed, 2 here"},
           {backend("name: b", ""), "spec.location: one of nodeName, nodeSelector, nodeFrom and cloud: {} is needed"},
           {backend("name: b", "nodeName: a, cloud: {}"), "spec.location: one of nodeName, nodeSelector, nodeFrom and cloud: {} is needed"},
           {backend("name: b", "nodeName: a, nodeSelector: {}"), "spec.location: nodeName and nodeSelector: only one of them"},
           {backend("name: b", "nodeName: A"), "spec.location.nodeName: node name \"A\""},
           {backend("name: b", "node: a"), "spec.location: unknown key \"node\""},
           {backend("name: b", "cloud: true"), "spec.location.cloud: a mapping is needed"},
           {backend("name: b", "cloud: {}", ""), "spec.targets: at least 1 needed"},
           {backend("name: b", "cloud: {}", "{address: a_b, port: 1}"),
            "spec.targets[0].address: \"a_b\" is neither an IP address nor a DNS name"},
           {backend("name: b", "cloud: {}", "{address: 127.1, port: 1}"), "spec.targets[0].address: 127.1 is a number here"},
           {backend("name: b", "cloud: {}", "{address: 1.2.3, port: 1}"), "\"1.2.3\" is neither an IP address nor a DNS name"},
           {backend("name: b", "cloud: {}", "{address: a.0x7f, port: 1}"), "\"a.0x7f\" is neither"},
           {backend("name: b", "cloud: {}", "{address: '127.0.0.1:80', port: 1}"), "is neither an IP address nor a DNS name"},
           {backend("name: b", "cloud: {}") + "  healthCheck: {}\n", "spec.healthCheck: active or passive is missing"},
           {backend("name: b", "cloud: {}") + "  protocol: TCP\n", "spec.protocol: \"TCP\" is not HTTP"},
           {placement("name: p", ""), "nodeName or nodeSelector is missing"},
           {placement("name: p", "nodeName: a, nodeSelector: {}"), "only one of them"},
       }) {
    std::string said = problems_of(c.text);
    EXPECT_NE(said.find(c.problem), std::string::npos) << c.text << "\n" << said;
    EXPECT_EQ(said.find(": warning: "), std::string::npos) << said;
  }
}

TEST(Manifests, AllMistakesOfAllDocumentsAreTold) {
  std::string said = problems_of(gateway("name: G", "{name: t, port: 0, protocol: X}") + backend("name: b", "cloud: {}, nodeName: X") +
                                 "---\nkind: Nope\napiVersion: v1\n");
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 6) << said;
}

TEST(Manifests, ALimitIsHeldAtTheLimitAndOnePastIt) {
  auto listeners = [](int n) {
    std::string text;
    for (int i = 0; i < n; i++) text += fmt::format("{}{{name: t{}, port: {}, protocol: TCP}}", i > 0 ? ", " : "", i, 1000 + i);
    return gateway("name: g", text);
  };
  EXPECT_EQ(problems_of(listeners(64)), "");
  EXPECT_NE(problems_of(listeners(65)).find("at most 64 allowed, 65 here"), std::string::npos);
  auto many = [](std::string_view one, int n) {
    std::string text;
    for (int i = 0; i < n; i++) text += (i > 0 ? ", " : "") + std::string(one);
    return text;
  };
  EXPECT_EQ(problems_of(tcp_route("name: r", many("{name: g}", 32), many(backend_ref("name: b"), 16))), "");
  EXPECT_NE(problems_of(tcp_route("name: r", many("{name: g}", 33), backend_ref("name: b"))).find("at most 32"), std::string::npos);
  EXPECT_NE(problems_of(tcp_route("name: r", "{name: g}", many(backend_ref("name: b"), 17))).find("at most 16"), std::string::npos);
  EXPECT_EQ(problems_of(backend("name: b", "cloud: {}", many("{address: a, port: 1}", 64))), "");
  EXPECT_NE(problems_of(backend("name: b", "cloud: {}", many("{address: a, port: 1}", 65))).find("at most 64"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::route
