// UDPRoute and DatagramPolicy: what they say, which listeners they serve, and where a client goes.
#include <gtest/gtest.h>

#include <cmath>

#include "route/balancer_world.h"

namespace fairlead::route {
namespace {

using namespace testing;

std::string udp_route(std::string_view metadata, std::string_view parents, std::string_view backends) {
  std::string text = tcp_route(metadata, parents, backends);
  return text.replace(text.find("TCPRoute"), 8, "UDPRoute");
}
std::string datagram_policy(std::string_view spec, std::string_view target = "{group: gateway.networking.k8s.io, kind: UDPRoute, name: r}",
                            std::string_view metadata = "name: p") {
  return policy("DatagramPolicy", metadata, fmt::format("targetRefs: [{}]{}{}", target, spec.empty() ? "" : ", ", spec));
}
std::string problems_of(std::string_view text) {
  Problems problems("f");
  decode_manifests(text, Format::yaml, problems);
  return to_text(problems.take());
}

const std::string kGateway = gateway("name: g", "{name: dns, port: 53, protocol: UDP}");
const std::string kBackend = backend("name: b", "nodeSelector: {}", "{address: 127.0.0.1, port: 53}");
const std::string kRoute = udp_route("name: r", "{name: g}", backend_ref("name: b"));

TEST(UdpRoute, ServesAListenerOfItsProtocol) {
  auto s = built(kGateway + kRoute + kBackend);
  ASSERT_EQ(s->udp_listeners().size(), 1u);
  const UdpListener& l = s->udp_listeners()[0];
  EXPECT_EQ(l.bind.to_text(), "[::]:53");
  EXPECT_EQ(l.route.value(), "default/r");
  EXPECT_TRUE(l.backends.at(0).backend);
  EXPECT_EQ(l.policy, DatagramPolicy());
  EXPECT_TRUE(s->tcp_listeners().empty());
  EXPECT_EQ(s->routes().at(0).kind, "UDPRoute");
  EXPECT_EQ(s->gateways().at(0).listeners.at(0).supported_kinds.at(0).kind, "UDPRoute");
  EXPECT_EQ(to_text(s->warnings()), "");
}

TEST(UdpRoute, ATcpAndAUdpListenerShareAPort) {
  auto s = built(gateway("name: g", "{name: t, port: 53, protocol: TCP}, {name: u, port: 53, protocol: UDP}") +
                 tcp_route("name: r", "{name: g}", backend_ref("name: b")) + kRoute + kBackend);
  EXPECT_EQ(s->tcp_listeners().size(), 1u);
  EXPECT_EQ(s->udp_listeners().size(), 1u);
  EXPECT_EQ(to_text(s->warnings()), "");
}

TEST(UdpRoute, IsNotForAListenerOfTcp) {
  auto s = built(gateway("name: g", "{name: t, port: 53, protocol: TCP}") + kRoute + kBackend);
  EXPECT_TRUE(s->udp_listeners().empty());
  EXPECT_NE(to_text(s->warnings()).find("no listener of Gateway default/g takes a UDPRoute"), std::string::npos) << to_text(s->warnings());
}

TEST(UdpRoute, TheOlderOneHasTheListener) {
  auto s = built(kGateway + kRoute + udp_route("name: a", "{name: g}", backend_ref("name: b")) + kBackend);
  EXPECT_EQ(s->udp_listeners().at(0).route.value(), "default/a");
  EXPECT_NE(to_text(s->warnings()).find("is served by UDPRoute default/a, which comes before this one"), std::string::npos);
}

TEST(UdpRoute, ANodeFromTheRequestIsNothingForIt) {
  auto s = built(kGateway + kRoute + backend("name: b", "nodeFrom: {header: X-Node}"));
  EXPECT_FALSE(s->udp_listeners().at(0).backends.at(0).backend);
  EXPECT_NE(to_text(s->warnings()).find("and a datagram names none"), std::string::npos) << to_text(s->warnings());
}

TEST(UdpRoute, OfAnEdgeReachesTheCloud) {
  auto s = built(edge_gateway("name: g", "{name: dns, port: 53, protocol: UDP}") + kRoute + backend("name: b", "cloud: {}"),
                 Site::edge(NodeName::parse("a").value(), {}));
  ASSERT_EQ(s->udp_listeners().size(), 1u);
  EXPECT_EQ(s->udp_listeners()[0].bind.to_text(), "127.0.0.1:53");
}

TEST(UdpRoute, TwoOfOneNameAreAnError) {
  EXPECT_EQ(find_duplicates(decoded(kRoute + kRoute)).size(), 1u);
  EXPECT_EQ(find_duplicates(decoded(datagram_policy("") + datagram_policy(""))).size(), 1u);
}

TEST(DatagramPolicy, HoldsForItsRoute) {
  auto s =
      built(kGateway + kRoute + kBackend +
            datagram_policy("idleTimeout: 5s, answers: 1, associations: 10, associationsPerSource: 2, largeDatagrams: Drop, class: Bulk"));
  const DatagramPolicy wanted{
      .idle = 5s, .answers = 1, .associations = 10, .per_source = 2, .large_in_stream = false, .traffic_class = wire::TrafficClass::bulk};
  EXPECT_EQ(s->udp_listeners().at(0).policy, wanted);
  EXPECT_EQ(to_text(s->warnings()), "");
}

TEST(DatagramPolicy, TheFirstByNameIsInForceAndTheOtherIsTold) {
  auto s = built(kGateway + kRoute + kBackend +
                 datagram_policy("idleTimeout: 5s", "{group: gateway.networking.k8s.io, kind: UDPRoute, name: r}", "name: z") +
                 datagram_policy("idleTimeout: 7s", "{group: gateway.networking.k8s.io, kind: UDPRoute, name: r}", "name: a"));
  EXPECT_EQ(s->udp_listeners().at(0).policy.idle, 7s);
  EXPECT_NE(to_text(s->warnings()).find("not in force for UDPRoute default/r: DatagramPolicy default/a comes before it"),
            std::string::npos);
}

TEST(DatagramPolicy, ATargetThatIsNoneIsTold) {
  const auto told = [&](std::string_view target, std::string_view what) {
    const std::string warnings = to_text(built(kGateway + kRoute + kBackend + datagram_policy("", target))->warnings());
    EXPECT_NE(warnings.find(what), std::string::npos) << warnings;
  };
  told("{kind: Gateway, name: g}", "is no UDPRoute: ignored");
  told("{group: gateway.networking.k8s.io, kind: UDPRoute, name: x}", "UDPRoute default/x is not there");
  told("{group: gateway.networking.k8s.io, kind: UDPRoute, name: r, sectionName: s}", "has one rule and no sections");
}

TEST(DatagramPolicy, IsCheckedAtTheLimitsAndOnePastThem) {
  for (const char* good : {"idleTimeout: 100ms", "idleTimeout: 24h", "answers: 1000", "associations: 1000000", "associationsPerSource: 1"})
    EXPECT_EQ(problems_of(datagram_policy(good)), "") << good;
  for (const char* bad : {"idleTimeout: 99ms", "answers: 1001", "associations: 0", "associations: 1000001", "associationsPerSource: 0",
                          "largeDatagrams: Fragment", "class: Urgent", "idle: 5s"})
    EXPECT_NE(problems_of(datagram_policy(bad)), "") << bad;
}

// ---- where a client goes

struct ClientWorld : BalancerWorld {
  using BalancerWorld::BalancerWorld;
  std::string at(std::uint32_t client_ip, std::span<const Endpoint> tried_ones = {}) {
    std::vector<WeightedBackend> shares(rule.backends.begin(), rule.backends.end());
    const net::SocketAddress from{net::IpAddress::v4(client_ip), static_cast<std::uint16_t>(random.below(60'000))};
    return show(balancer.pick(PickForClient{rule.route, shares, from, tried_ones}, now, random));
  }
};

std::string three_nodes() { return backend_with("b", "nodeSelector: {}", ""); }

TEST(ClientHash, AClientStaysWhereItIsWhateverItsPort) {
  ClientWorld world(three_nodes());
  for (const char* n : {"a", "b", "c"}) world.nodes.connect(n);
  world.share("b");
  std::map<std::string, int> seen;
  for (std::uint32_t ip = 0; ip < 300; ip++) {
    const std::string first = world.at(ip);
    seen[first]++;
    for (int i = 0; i < 3; i++) EXPECT_EQ(world.at(ip), first);
  }
  EXPECT_EQ(seen.size(), 3u);
  for (const auto& [where, n] : seen) EXPECT_NEAR(n, 100, 30) << where;
}

TEST(ClientHash, WhenANodeGoesOnlyItsClientsMoveAndTheyComeBack) {
  ClientWorld world(three_nodes());
  for (const char* n : {"a", "b", "c"}) world.nodes.connect(n);
  world.share("b");
  std::map<std::uint32_t, std::string> before;
  for (std::uint32_t ip = 0; ip < 300; ip++) before[ip] = world.at(ip);
  world.nodes.leave("b");
  for (const auto& [ip, where] : before) {
    if (where.starts_with("b "))
      EXPECT_FALSE(world.at(ip).starts_with("b "));
    else
      EXPECT_EQ(world.at(ip), where);
  }
  world.nodes.connect("b");
  for (const auto& [ip, where] : before) EXPECT_EQ(world.at(ip), where);
}

TEST(ClientHash, SharesOfBackendsAreByWeightAndAClientKeepsItsOwn) {
  ClientWorld world(backend("name: x", "nodeName: a") + backend("name: y", "nodeName: b"));
  for (const char* n : {"a", "b"}) world.nodes.connect(n);
  world.share("x", 3);
  world.share("y", 1);
  world.share("x", 0);
  int at_x = 0;
  for (std::uint32_t ip = 0; ip < 1000; ip++) {
    const std::string where = world.at(ip);
    EXPECT_EQ(world.at(ip), where);
    at_x += where.starts_with("a ");
  }
  EXPECT_NEAR(at_x, 750, 50);
}

TEST(ClientHash, WhatWasTriedIsNotTriedAgain) {
  ClientWorld world(three_nodes());
  for (const char* n : {"a", "b"}) world.nodes.connect(n);
  world.share("b");
  const Backend& b = world.backend("b");
  std::vector<Endpoint> tried{{NodeName::parse("a").value(), &b, &b.targets[0]}};
  for (std::uint32_t ip = 0; ip < 20; ip++) EXPECT_TRUE(world.at(ip, tried).starts_with("b "));
  tried.push_back({NodeName::parse("b").value(), &b, &b.targets[0]});
  EXPECT_EQ(world.at(1, tried), name(Code::unreachable));
}

TEST(ClientHash, AReferenceThatIsNoGoodKeepsItsShare) {
  ClientWorld world(three_nodes());
  world.nodes.connect("a");
  world.share("b");
  world.share("");
  int refused = 0;
  for (std::uint32_t ip = 0; ip < 1000; ip++) refused += world.at(ip) == name(Code::not_found);
  EXPECT_NEAR(refused, 500, 60);
}

TEST(ClientHash, NoNodeIsSaidSo) {
  ClientWorld world(three_nodes());
  world.share("b");
  EXPECT_EQ(world.at(1), name(Code::unreachable));
}

}  // namespace
}  // namespace fairlead::route
