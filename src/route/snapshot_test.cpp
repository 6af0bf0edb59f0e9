#include "route/snapshot.h"

#include <gtest/gtest.h>

#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

using namespace testing;

const std::string kTcp = "{name: tcp, port: 80, protocol: TCP}";
const std::string kBackend = backend("name: b", "nodeName: a");
const std::string kCloudBackend = backend("name: b", "cloud: {}");
const std::string kRef = backend_ref("name: b");

Site edge(std::string_view name, Labels labels = {}) { return Site::edge(NodeName::parse(name).value(), std::move(labels)); }

// "default/g tcp [::]:80 default/r; "
std::string listeners(const Snapshot& s) {
  std::string text;
  for (const TcpListener& l : s.tcp_listeners()) text += fmt::format("{} {} {} {}; ", l.gateway.to_text(), l.name, l.bind, l.route);
  return text;
}

// "Accepted=no/NoMatchingParent ResolvedRefs=yes/ResolvedRefs "
std::string show(const std::vector<Condition>& conditions) {
  std::string text;
  for (const Condition& c : conditions) {
    const char* status = c.status == Condition::Status::yes ? "yes" : c.status == Condition::Status::no ? "no" : "unknown";
    text += fmt::format("{}={}/{} ", c.type, status, c.reason);
  }
  return text;
}

std::string warnings(const Snapshot& s) { return to_text(s.warnings()); }

TEST(Snapshot, AGatewayOfTheCloudListensEverywhereUnlessItSaysWhere) {
  auto s = built(gateway("name: g", kTcp) + tcp_route("name: r", "{name: g}", kRef) + kBackend);
  EXPECT_EQ(listeners(*s), "default/g tcp [::]:80 default/r; ");
  EXPECT_EQ(warnings(*s), "");
  EXPECT_EQ(show(s->gateways().at(0).conditions), "Accepted=yes/Accepted Programmed=unknown/Pending ");
  EXPECT_EQ(show(s->gateways().at(0).listeners.at(0).conditions),
            "Accepted=yes/Accepted Conflicted=no/NoConflicts ResolvedRefs=yes/ResolvedRefs Programmed=unknown/Pending ");
  EXPECT_EQ(s->gateways()[0].listeners[0].attached_routes, 1u);
  EXPECT_EQ(show(s->routes().at(0).parents.at(0).conditions), "Accepted=yes/Accepted ResolvedRefs=yes/ResolvedRefs ");

  s = built(gateway("name: g", kTcp, "addresses: [{value: 192.0.2.1}, {value: '2001:db8::1'}]") + tcp_route("name: r", "{name: g}", kRef) +
            kBackend);
  EXPECT_EQ(listeners(*s), "default/g tcp 192.0.2.1:80 default/r; default/g tcp [2001:db8::1]:80 default/r; ");
}

TEST(Snapshot, AGatewayOfTheEdgeListensOnLoopbackUnlessItSaysWhere) {
  const std::string rest = tcp_route("name: r", "{name: g}", kRef) + kCloudBackend;
  EXPECT_EQ(listeners(*built(edge_gateway("name: g", kTcp) + rest, edge("a"))), "default/g tcp 127.0.0.1:80 default/r; ");
  EXPECT_EQ(listeners(*built(edge_gateway("name: g", kTcp, "addresses: [{value: 0.0.0.0}]") + rest, edge("a"))),
            "default/g tcp 0.0.0.0:80 default/r; ");
}

TEST(Snapshot, EachSiteHasTheGatewaysOfItsOwnClass) {
  const std::string all = gateway("name: c", kTcp) + edge_gateway("name: e", kTcp) + gateway("name: n", kTcp, "", "nginx") +
                          tcp_route("name: r", "{name: c}, {name: e}, {name: n}", kRef) + kBackend;
  auto cloud = built(all);
  EXPECT_EQ(listeners(*cloud), "default/c tcp [::]:80 default/r; ");
  EXPECT_EQ(cloud->gateways().size(), 1u);
  EXPECT_EQ(cloud->routes().at(0).parents.size(), 1u);
  EXPECT_NE(warnings(*cloud).find("a Gateway of class fairlead-edge belongs among the rules of the edge: it is ignored in the cloud"),
            std::string::npos);
  EXPECT_NE(warnings(*cloud).find("spec.gatewayClassName: \"nginx\" is not Fairlead's (fairlead, fairlead-edge): this Gateway is ignored"),
            std::string::npos);
  auto at_edge = built(all, edge("a"));
  EXPECT_EQ(listeners(*at_edge), "default/e tcp 127.0.0.1:80 default/r; ");
  EXPECT_NE(warnings(*at_edge).find("a Gateway of class fairlead belongs among the rules of the cloud"), std::string::npos);
  EXPECT_EQ(warnings(*built(all, Site::any_of(Site::Role::cloud))).find("belongs"), std::string::npos);
}

TEST(Snapshot, APlacementPicksTheNodes) {
  const std::string rest = tcp_route("name: r", "{name: g}", kRef) + kCloudBackend;
  const std::string g = edge_gateway("name: g", kTcp, "infrastructure: {parametersRef: {group: fairlead.dev, kind: Placement, name: p}}");
  const std::string by_label = g + placement("name: p", "nodeSelector: {site: x}") + rest;
  EXPECT_NE(listeners(*built(by_label, edge("a", {{"site", "x"}, {"more", "y"}}))), "");
  EXPECT_EQ(listeners(*built(by_label, edge("a", {{"site", "y"}}))), "");
  EXPECT_TRUE(built(by_label, edge("a"))->gateways().empty());
  EXPECT_NE(listeners(*built(by_label, Site::any_of(Site::Role::edge))), "");
  const std::string by_name = g + placement("name: p", "nodeName: a") + rest;
  EXPECT_NE(listeners(*built(by_name, edge("a"))), "");
  EXPECT_EQ(listeners(*built(by_name, edge("b"))), "");
}

TEST(Snapshot, ParametersThatAreNoPlacementAreRefused) {
  const std::string rest =
      tcp_route("name: r", "{name: g}", kRef) + kCloudBackend + placement("name: other, namespace: elsewhere", "nodeName: a");
  struct Case {
    std::string gateway;
    const char* warning;
    Site site = edge("a");
  };
  for (const Case& c : std::initializer_list<Case>{
           {edge_gateway("name: g", kTcp, "infrastructure: {parametersRef: {group: fairlead.dev, kind: Placement, name: other}}"),
            "the Placement default/other is not there"},
           {edge_gateway("name: g", kTcp, "infrastructure: {parametersRef: {group: '', kind: ConfigMap, name: other}}"),
            "/ConfigMap is no kind of parameters"},
           {gateway("name: g", kTcp, "infrastructure: {parametersRef: {group: fairlead.dev, kind: Placement, name: other}}"),
            "a Gateway of class fairlead has no parameters", Site::cloud()},
       }) {
    auto s = built(c.gateway + rest, c.site);
    EXPECT_EQ(listeners(*s), "");
    EXPECT_EQ(show(s->gateways().at(0).conditions), "Accepted=no/InvalidParameters Programmed=no/Invalid ");
    EXPECT_NE(warnings(*s).find(c.warning), std::string::npos) << warnings(*s);
    EXPECT_EQ(show(s->routes().at(0).parents.at(0).conditions).find("Accepted=no/NoMatchingParent"), 0u);
  }
}

TEST(Snapshot, AListenerOfAProtocolThatIsNotThereYetIsNotOpened) {
  auto s = built(gateway("name: g", kTcp + ", {name: web, port: 443, protocol: TLS}") + tcp_route("name: r", "{name: g}", kRef) + kBackend);
  EXPECT_EQ(listeners(*s), "default/g tcp [::]:80 default/r; ");
  EXPECT_EQ(show(s->gateways().at(0).conditions), "Accepted=yes/ListenersNotValid Programmed=unknown/Pending ");
  EXPECT_EQ(show(s->gateways()[0].listeners.at(1).conditions),
            "Accepted=no/UnsupportedProtocol Conflicted=no/NoConflicts ResolvedRefs=yes/ResolvedRefs Programmed=no/Invalid ");
  EXPECT_EQ(warnings(*s),
            "f.yaml:7:53: warning: spec.listeners[1]: the protocol TLS is not supported by this version: nothing listens at port 443\n");
}

TEST(Snapshot, InOneGatewayAllListenersOfAConflictAreOut) {
  auto s = built(gateway("name: g",
                         "{name: a, port: 80, protocol: TCP}, {name: b, port: 80, protocol: TCP}, {name: c, port: 81, protocol: TCP}, "
                         "{name: u, port: 81, protocol: UDP}") +
                 tcp_route("name: r", "{name: g}", kRef) + kBackend);
  EXPECT_EQ(listeners(*s), "default/g c [::]:81 default/r; ");
  for (std::size_t i : {0u, 1u})
    EXPECT_EQ(show(s->gateways().at(0).listeners.at(i).conditions),
              "Accepted=no/PortUnavailable Conflicted=yes/ProtocolConflict ResolvedRefs=yes/ResolvedRefs Programmed=no/Invalid ");
  EXPECT_NE(warnings(*s).find("spec.listeners[1]: port 80 is taken by listener \"a\" of Gateway default/g"), std::string::npos)
      << warnings(*s);
}

TEST(Snapshot, HostNamesTellHttpListenersOfOnePortApart) {
  auto conflicted = [](std::string_view a, std::string_view b) {
    auto s = built(gateway("name: g", fmt::format("{{name: a, port: 80, {}}}, {{name: b, port: 80, {}}}", a, b)));
    return std::string(find(s->gateways().at(0).listeners.at(0).conditions, "Conflicted")->reason);
  };
  EXPECT_EQ(conflicted("protocol: HTTP, hostname: x", "protocol: HTTP, hostname: y"), "NoConflicts");
  EXPECT_EQ(conflicted("protocol: HTTPS, hostname: x", "protocol: TLS"), "NoConflicts");
  EXPECT_EQ(conflicted("protocol: HTTP, hostname: x", "protocol: HTTP, hostname: x"), "HostnameConflict");
  EXPECT_EQ(conflicted("protocol: HTTP, hostname: x", "protocol: HTTPS, hostname: y"), "ProtocolConflict");
  EXPECT_EQ(conflicted("protocol: HTTP", "protocol: TCP"), "ProtocolConflict");
  EXPECT_EQ(conflicted("protocol: HTTP", "protocol: UDP"), "NoConflicts");
}

TEST(Snapshot, OfTwoGatewaysTheOlderOneThenTheFirstByNameHasThePort) {
  const std::string routes = tcp_route("name: a", "{name: a}", kRef) + tcp_route("name: b", "{name: b}", kRef) + kBackend;
  EXPECT_EQ(listeners(*built(gateway("name: b", kTcp) + gateway("name: a", kTcp) + routes)), "default/a tcp [::]:80 default/a; ");
  auto s = built(gateway("name: a", kTcp) + gateway("name: b, creationTimestamp: '2024-01-01T00:00:00Z'", kTcp) + routes);
  EXPECT_EQ(listeners(*s), "default/b tcp [::]:80 default/b; ");
  EXPECT_NE(warnings(*s).find("port 80 is taken by listener \"tcp\" of Gateway default/b"), std::string::npos);
  EXPECT_EQ(show(s->gateways().at(1).conditions), "Accepted=no/ListenersNotValid Programmed=no/Invalid ");
}

TEST(Snapshot, OnlyAddressesThatOverlapConflict) {
  auto count = [](std::string_view a, std::string_view b) {
    return built(gateway("name: a", kTcp, fmt::format("addresses: [{{value: '{}'}}]", a)) +
                 gateway("name: b", kTcp, fmt::format("addresses: [{{value: '{}'}}]", b)) + tcp_route("name: a", "{name: a}", kRef) +
                 tcp_route("name: b", "{name: b}", kRef) + kBackend)
        ->tcp_listeners()
        .size();
  };
  EXPECT_EQ(count("192.0.2.1", "192.0.2.2"), 2u);
  EXPECT_EQ(count("192.0.2.1", "192.0.2.1"), 1u);
  EXPECT_EQ(count("192.0.2.1", "0.0.0.0"), 1u);
  EXPECT_EQ(count("192.0.2.1", "::"), 1u);  // takes IPv4 too
  EXPECT_EQ(count("0.0.0.0", "2001:db8::1"), 2u);
  EXPECT_EQ(count("::ffff:192.0.2.1", "192.0.2.1"), 1u);
}

TEST(Snapshot, AtValidationGatewaysOfDifferentPlacementsDoNotMeet) {
  auto on = [](std::string_view name, std::string_view p) {
    return edge_gateway(fmt::format("name: {}", name), kTcp,
                        fmt::format("infrastructure: {{parametersRef: {{group: fairlead.dev, kind: Placement, name: {}}}}}", p));
  };
  const std::string placements = placement("name: p", "nodeName: p") + placement("name: q", "nodeName: q");
  EXPECT_EQ(warnings(*built(on("a", "p") + on("b", "q") + placements, Site::any_of(Site::Role::edge))), "");
  EXPECT_NE(warnings(*built(on("a", "p") + on("b", "p") + placements, Site::any_of(Site::Role::edge))), "");
}

TEST(Snapshot, OneTcpRouteServesAListener) {
  auto s = built(gateway("name: g", kTcp + ", {name: more, port: 81, protocol: TCP}") + tcp_route("name: b", "{name: g}", kRef) +
                 tcp_route("name: a", "{name: g, sectionName: tcp}", kRef) + tcp_route("name: c", "{name: g, port: 80}", kRef) + kBackend);
  EXPECT_EQ(listeners(*s), "default/g tcp [::]:80 default/a; default/g more [::]:81 default/b; ");
  EXPECT_EQ(show(s->routes().at(0).parents.at(0).conditions), "Accepted=yes/Accepted ResolvedRefs=yes/ResolvedRefs ");
  EXPECT_EQ(show(s->routes().at(1).parents.at(0).conditions), "Accepted=yes/Accepted ResolvedRefs=yes/ResolvedRefs ");
  EXPECT_EQ(show(s->routes().at(2).parents.at(0).conditions), "Accepted=no/Conflicted ResolvedRefs=yes/ResolvedRefs ");
  EXPECT_NE(warnings(*s).find(
                "spec.parentRefs[0]: listener \"tcp\" of Gateway default/g is served by TCPRoute default/a, which comes before this one"),
            std::string::npos)
      << warnings(*s);
}

TEST(Snapshot, AListenerWithTwoReferencesFromOneRouteIsOpenedOnce) {
  auto s = built(gateway("name: g", kTcp) + tcp_route("name: r", "{name: g}, {name: g, port: 80}", kRef) + kBackend);
  EXPECT_EQ(s->tcp_listeners().size(), 1u);
  EXPECT_EQ(warnings(*s), "");
}

TEST(Snapshot, ARouteIsToldWhyItIsNotAccepted) {
  struct Case {
    std::string gateway;
    std::string parent;
    const char* reason;
    const char* warning;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"", "{name: g}", "NoMatchingParent", "Gateway default/g is not there"},
           {gateway("name: g", kTcp), "{name: g, sectionName: x}", "NoMatchingParent", "Gateway default/g has no listener \"x\""},
           {gateway("name: g", kTcp), "{name: g, port: 81}", "NoMatchingParent", "Gateway default/g has no listener of port 81"},
           {gateway("name: g, namespace: infra", kTcp), "{name: g, namespace: infra}", "NotAllowedByListeners",
            "no listener of Gateway infra/g takes a TCPRoute of namespace default"},
           {gateway("name: g", "{name: web, port: 80, protocol: HTTP}"), "{name: g}", "NotAllowedByListeners",
            "no listener of Gateway default/g takes a TCPRoute"},
           {gateway("name: g", "{name: tcp, port: 80, protocol: TCP, allowedRoutes: {kinds: [{kind: UDPRoute}]}}"), "{name: g}",
            "NotAllowedByListeners", "\"UDPRoute\" cannot be served by a listener of protocol TCP"},
           {gateway("name: g", kTcp + ", {name: b, port: 80, protocol: TCP}"), "{name: g}", "NoMatchingParent",
            "does not listen: port 80 is taken"},
       }) {
    auto s = built(c.gateway + tcp_route("name: r", c.parent, kRef) + kBackend);
    EXPECT_EQ(listeners(*s), "");
    EXPECT_EQ(find(s->routes().at(0).parents.at(0).conditions, "Accepted")->reason, c.reason);
    EXPECT_NE(warnings(*s).find(c.warning), std::string::npos) << warnings(*s);
  }
  auto s = built(gateway("name: g, namespace: infra", "{name: tcp, port: 80, protocol: TCP, allowedRoutes: {namespaces: {from: All}}}") +
                 tcp_route("name: r", "{name: g, namespace: infra}", kRef) + kBackend);
  EXPECT_EQ(listeners(*s), "infra/g tcp [::]:80 default/r; ");
}

TEST(Snapshot, AReferenceThatIsNoGoodIsToldAndKeepsItsShare) {
  const std::string g = gateway("name: g", kTcp);
  struct Case {
    std::string ref;
    const char* reason;
    const char* warning;
  };
  for (const Case& c : std::initializer_list<Case>{
           {backend_ref("name: x"), "BackendNotFound",
            "f.yaml:16:19: warning: spec.rules[0].backendRefs[0]: Backend default/x is not there"},
           {backend_ref("name: b, port: 9"), "BackendNotFound", "Backend default/b has no target of port 9"},
           {backend_ref("name: b, namespace: other"), "RefNotPermitted", "Backend other/b is in another namespace"},
           {"{name: b, port: 80}", "InvalidKind",
            "a Service is not supported by this version; for the Backend \"b\" write group: fairlead.dev, kind: Backend"},
           {"{name: b, kind: Backend}", "InvalidKind", "/Backend is not a kind of backend; Backend of fairlead.dev is"},
           {backend_ref("name: c"), "UnsupportedLocation", "Backend default/c is in the cloud, where this Gateway is"},
       }) {
    auto s = built(g + tcp_route("name: r", "{name: g}", c.ref + ", " + kRef) + kBackend + backend("name: c", "cloud: {}") +
                   backend("name: b, namespace: other", "nodeName: a"));
    EXPECT_EQ(show(s->routes().at(0).parents.at(0).conditions), fmt::format("Accepted=yes/Accepted ResolvedRefs=no/{} ", c.reason));
    EXPECT_NE(warnings(*s).find(c.warning), std::string::npos) << warnings(*s);
    ASSERT_EQ(s->tcp_listeners().size(), 1u);
    EXPECT_FALSE(s->tcp_listeners()[0].backends[0].backend);
    EXPECT_TRUE(s->tcp_listeners()[0].backends[1].backend);
  }
  auto s = built(edge_gateway("name: g", kTcp) + tcp_route("name: r", "{name: g}", kRef) + kBackend, edge("a"));
  EXPECT_NE(warnings(*s).find("Backend default/b is on a node: from an edge only backends in the cloud are reached by this version"),
            std::string::npos);
}

TEST(Snapshot, TwoObjectsOfOneNameAreAnError) {
  std::vector<Problem> found = find_duplicates(
      decoded(kBackend + tcp_route("name: b", "{name: g}", kRef) + backend("name: b, namespace: other", "cloud: {}") + kBackend));
  EXPECT_EQ(to_text(found), "f.yaml:24:1: Backend default/b is also in f.yaml:2\n");
}

}  // namespace
}  // namespace fairlead::route
