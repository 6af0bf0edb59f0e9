// What associations do on a good network.
#include "plugins/udp/udp_world.h"

namespace fairlead::udp {
namespace {

using UdpTest = UdpWorld;

TEST_F(UdpTest, CarriesDatagramsBothWays) {
  apply();
  auto server = service();
  auto one = client();
  one->send(front, "ping");
  run(50ms);
  EXPECT_EQ(server->take(), "ping");
  server->answer("pong");
  server->answer("pong again");
  run(50ms);
  EXPECT_EQ(one->take(), "pong");
  EXPECT_EQ(one->last_from, front) << "answers come from where the client spoke to";
  EXPECT_EQ(one->take(), "pong again");
  EXPECT_EQ(ingress->associations(), 1u);
  EXPECT_EQ(counters().datagrams_in, 1u);
  EXPECT_EQ(counters().datagrams_out, 2u);
  EXPECT_EQ(counters().bytes_in, 4u);
  EXPECT_EQ(counters().bytes_out, 14u);
  EXPECT_EQ(egresses.at("edge-a")->counters().open, 1u);
}

TEST_F(UdpTest, TheFirstDatagramTakesNoMoreThanTheWayThere) {
  apply();
  auto server = service();
  auto one = client();
  const TimePoint sent = world.loop.now();
  one->send(front, "first");
  run(50ms);
  ASSERT_EQ(server->got.size(), 1u);
  EXPECT_LT(server->got.front().at - sent, 12ms) << "half of the round trip: with the request for the flow, not behind its answer";
}

TEST_F(UdpTest, EachClientHasAnAssociationOfItsOwnAndTheServiceTellsThemApart) {
  apply();
  auto server = service();
  std::vector<std::unique_ptr<Party>> clients;
  for (int i = 0; i < 20; i++) clients.push_back(client());
  for (int i = 0; i < 20; i++) clients[static_cast<std::size_t>(i)]->send(front, fmt::format("from {}", i));
  run(50ms);
  ASSERT_EQ(server->got.size(), 20u);
  while (!server->got.empty()) {
    const std::string text = server->take();
    server->answer("to " + text.substr(5));
  }
  run(50ms);
  for (int i = 0; i < 20; i++) EXPECT_EQ(clients[static_cast<std::size_t>(i)]->take(), fmt::format("to {}", i));
  EXPECT_EQ(ingress->associations(), 20u);
}

TEST_F(UdpTest, AnEmptyDatagramIsOneToo) {
  apply();
  auto server = service();
  auto one = client();
  one->send(front, "");
  one->send(front, "x");
  run(50ms);
  ASSERT_EQ(server->got.size(), 2u);
  EXPECT_EQ(server->take(), "");
  server->answer("");
  run(50ms);
  EXPECT_EQ(one->got.size(), 1u);
}

TEST_F(UdpTest, OfAnySizeAndInBurstsOfMixedSizes) {
  apply();
  auto server = service();
  server->echoes = true;
  auto one = client();
  std::multiset<std::string> sent, back;
  for (const std::size_t size : {1u, 1400u, 1400u, 700u, 1u, 1100u, 5000u, 64u, 64u, 64u, 65'000u, 3u}) {
    std::string text(size, static_cast<char>('a' + sent.size()));
    one->send(front, text);
    sent.insert(std::move(text));
  }
  run(1s);
  for (const Party::Got& got : one->got) back.insert(got.text);
  EXPECT_EQ(back == sent, true) << back.size();
}

TEST_F(UdpTest, TooLargeWithoutTheRuleIsDroppedAndCountedAtEitherSide) {
  apply(to_edges("largeDatagrams: Drop"));
  auto server = service();
  auto one = client();
  one->send(front, std::string(5000, 'x'));
  one->send(front, "small");
  run(50ms);
  EXPECT_EQ(server->take(), "small");
  server->answer(std::string(5000, 'y'));
  server->answer("ok");
  run(50ms);
  EXPECT_EQ(one->take(), "ok");
  EXPECT_EQ(one->got.size(), 0u);
  EXPECT_EQ(counters().too_large, 1u);
  EXPECT_EQ(egresses.at("edge-a")->counters().dropped, 1u);
}

TEST_F(UdpTest, IdleItEndsAndTheNextDatagramBeginsAnother) {
  apply(to_edges("idleTimeout: 5s"));
  auto server = service();
  auto one = client();
  one->send(front, "a");
  run(50ms);
  const net::SocketAddress first = server->got.front().from;
  for (int i = 0; i < 4; i++) {  // either side keeps it
    run(4s);
    one->send(front, "b");
    run(4s);
    server->last_from = first;
    server->answer("c");
  }
  run(4'900ms);
  EXPECT_EQ(ingress->associations(), 1u);
  EXPECT_EQ(server->got.size(), 5u);
  run(300ms);
  EXPECT_EQ(ingress->associations(), 0u);
  EXPECT_EQ(egresses.at("edge-a")->counters().open, 0u);
  one->send(front, "d");
  run(50ms);
  EXPECT_NE(server->got.back().from, first);
  EXPECT_EQ(counters().associations, 2u);
}

TEST_F(UdpTest, AnsweredItEndsIfTheRuleSaysSo) {
  apply(to_edges("answers: 1"));
  auto server = service();
  auto one = client();
  for (int i = 0; i < 3; i++) {  // a resolver's socket that is used again
    one->send(front, "question");
    run(50ms);
    EXPECT_EQ(server->take(), "question");
    server->answer("answer");
    run(50ms);
    EXPECT_EQ(one->take(), "answer");
    EXPECT_EQ(ingress->associations(), 0u);
  }
  // Two questions at once have two answers.
  one->send(front, "q1");
  one->send(front, "q2");
  run(50ms);
  server->take(), server->take();
  server->answer("a1");
  run(50ms);
  EXPECT_EQ(ingress->associations(), 1u);
  server->answer("a2");
  run(50ms);
  EXPECT_EQ(one->take() + one->take(), "a1a2");
  EXPECT_EQ(ingress->associations(), 0u);
  EXPECT_EQ(egresses.at("edge-a")->counters().open, 0u);
}

TEST_F(UdpTest, WhereNobodyIsTheAssociationIsRefusedAndTheClientsNextTryIsServed) {
  apply();
  auto one = client();
  one->send(front, "anybody?");
  run(50ms);
  EXPECT_EQ(counters().refused, 1u);
  one->send(front, "still?");
  run(50ms);
  EXPECT_EQ(counters().associations, 1u) << "no flow for each datagram of somebody who keeps asking";
  EXPECT_EQ(counters().unserved, 2u);
  run(2s);
  EXPECT_EQ(ingress->associations(), 0u);
  auto server = service();
  one->send(front, "now?");
  run(50ms);
  EXPECT_EQ(server->take(), "now?");
}

TEST_F(UdpTest, AServiceThatGoesAwayBreaksItsAssociations) {
  apply();
  auto server = service();
  auto one = client();
  one->send(front, "a");
  run(500ms);
  ASSERT_EQ(ingress->associations(), 1u);
  server.reset();
  one->send(front, "b");
  run(50ms);
  EXPECT_EQ(ingress->associations(), 0u);
  EXPECT_EQ(counters().refused, 0u) << "it was served, and then it broke";
  EXPECT_EQ(egresses.at("edge-a")->counters().open, 0u);
  server = service();
  one->send(front, "c");
  run(50ms);
  EXPECT_EQ(server->take(), "c");
}

TEST_F(UdpTest, AnotherNodeIsTriedWithWhatTheFirstDidNotTake) {
  add_edge("edge-b");
  apply();
  auto here = service("edge-a");
  // Clients of many addresses: for some of them the balancer begins with the node where nobody is.
  std::vector<std::unique_ptr<Party>> clients;
  for (int i = 0; i < 20; i++) {
    sim::Host& host = add_user("user-" + std::to_string(i), fmt::format("192.0.2.{}", 100 + i));
    clients.push_back(client(&host));
    clients.back()->send(front, "1");
    clients.back()->send(front, "2");
  }
  run(1s);
  EXPECT_EQ(here->got.size(), 40u);
  EXPECT_GT(counters().retries, 3u);
  EXPECT_EQ(counters().refused, 0u);
}

TEST_F(UdpTest, AClientStaysAtItsNodeWhateverItsPort) {
  add_edge("edge-b");
  add_edge("edge-c");
  apply();
  std::map<std::string, std::unique_ptr<Party>> services;
  for (const char* node : {"edge-a", "edge-b", "edge-c"}) services[node] = service(node);
  std::vector<std::unique_ptr<Party>> clients;
  for (int i = 0; i < 10; i++) {
    clients.push_back(client());
    clients.back()->send(front, "x");
  }
  run(100ms);
  std::vector<std::size_t> counts;
  for (auto& [node, server] : services) counts.push_back(server->got.size());
  std::ranges::sort(counts);
  EXPECT_EQ(counts, (std::vector<std::size_t>{0, 0, 10}));
}

TEST_F(UdpTest, WhatTheEdgeDoesNotAllowIsNeverSentTo) {
  sim::Host& victim = world.net.host("victim", ip("192.0.2.77"));
  Party target(world.loop, victim.bind({ip("192.0.2.77"), 7000}).value());
  apply(to_edges("", "{address: 192.0.2.77, port: 7000}"));
  auto one = client();
  one->send(front, "x");
  run(1s);
  EXPECT_TRUE(target.got.empty());
  EXPECT_EQ(counters().refused, 1u);
}

TEST_F(UdpTest, WithoutANodeItIsRefused) {
  apply();
  world.kill(*world.edges.front());
  run(world.session.survive + 10s);
  auto one = client();
  one->send(front, "x");
  run(50ms);
  EXPECT_EQ(counters().refused, 1u);
  EXPECT_EQ(counters().unserved, 1u);
}

TEST_F(UdpTest, AtTheLimitOfAllAndOnePastIt) {
  apply(to_edges("associations: 5, idleTimeout: 2s"));
  auto server = service();
  std::vector<std::unique_ptr<Party>> clients;
  for (int i = 0; i < 6; i++) {
    clients.push_back(client());
    clients.back()->send(front, "x");
  }
  run(50ms);
  EXPECT_EQ(server->got.size(), 5u);
  EXPECT_EQ(ingress->associations(), 5u);
  EXPECT_EQ(counters().over_limit, 1u);
  for (auto& c : clients) c->send(front, "y");
  run(50ms);
  EXPECT_EQ(server->got.size(), 10u) << "those that are in are served";
  run(3s);
  clients.back()->send(front, "z");
  run(50ms);
  EXPECT_EQ(server->got.size(), 11u) << "there is room again";
}

TEST_F(UdpTest, AtTheLimitOfASourceAndOnePastIt) {
  apply(to_edges("associationsPerSource: 3"));
  auto server = service();
  sim::Host& other = add_user("other", "192.0.2.51");
  std::vector<std::unique_ptr<Party>> clients;
  for (int i = 0; i < 4; i++) {
    clients.push_back(client());
    clients.back()->send(front, "x");
  }
  clients.push_back(client(&other));
  clients.back()->send(front, "other");
  run(50ms);
  EXPECT_EQ(server->got.size(), 4u);
  EXPECT_EQ(server->got.back().text, "other") << "another address has limits of its own";
  EXPECT_EQ(counters().over_source_limit, 1u);
}

TEST_F(UdpTest, WithANewTargetAnswersStillComeAndTheNextDatagramGoesThere) {
  apply();
  auto server = service();
  auto other = service("edge-a", 7001);
  auto one = client();
  one->send(front, "question");
  run(50ms);
  EXPECT_EQ(server->take(), "question");
  apply(to_edges("", "{address: 127.0.0.1, port: 7001}"));
  server->answer("late answer");
  run(50ms);
  EXPECT_EQ(one->take(), "late answer");
  one->send(front, "next");
  run(50ms);
  EXPECT_EQ(other->take(), "next");
  EXPECT_TRUE(server->got.empty());
  run(2s);
  EXPECT_EQ(ingress->associations(), 1u) << "the earlier one has ended";
}

TEST_F(UdpTest, RulesThatSayTheSameChangeNothing) {
  apply();
  auto server = service();
  auto one = client();
  one->send(front, "a");
  run(50ms);
  const net::SocketAddress from = server->got.front().from;
  apply(to_edges("idleTimeout: 100s"));
  run(10s);
  one->send(front, "b");
  run(50ms);
  EXPECT_EQ(server->got.back().from, from);
  EXPECT_EQ(counters().associations, 1u);
}

TEST_F(UdpTest, AListenerThatIsRemovedDrains) {
  apply();
  auto server = service();
  auto one = client();
  one->send(front, "a");
  run(50ms);
  ASSERT_TRUE(ingress->apply(route::Snapshot::build({}, route::Site::cloud())).empty());
  EXPECT_EQ(ingress->listeners(), 0u);
  run(3s);
  one->send(front, "b");
  auto late = client();
  late->send(front, "too late");
  run(50ms);
  EXPECT_EQ(server->take() + server->take(), "ab");
  EXPECT_TRUE(server->got.empty());
  server->answer("c");
  run(50ms);
  EXPECT_EQ(one->take(), "c");
  run(3s);
  EXPECT_EQ(ingress->associations(), 0u);
  EXPECT_TRUE(world.cloud_host->bind({ip("0.0.0.0"), 5000})) << "the port is free";
}

TEST_F(UdpTest, AListenerThatComesBackWhileItDrainsServesOn) {
  apply();
  auto server = service();
  auto one = client();
  one->send(front, "a");
  run(50ms);
  ASSERT_TRUE(ingress->apply(route::Snapshot::build({}, route::Site::cloud())).empty());
  run(1s);
  apply();
  EXPECT_EQ(ingress->listeners(), 1u);
  run(10s);
  one->send(front, "b");
  auto late = client();
  late->send(front, "c");
  run(50ms);
  EXPECT_EQ(server->got.size(), 3u);
}

TEST_F(UdpTest, WithoutClientsAListenersPortIsFreeAtOnce) {
  apply();
  ASSERT_TRUE(ingress->apply(route::Snapshot::build({}, route::Site::cloud())).empty());
  EXPECT_TRUE(world.cloud_host->bind({ip("0.0.0.0"), 5000}));
}

TEST_F(UdpTest, WhenTheProcessEndsTheBusyGoOnAndTheIdleEnd) {
  apply();
  auto server = service();
  auto busy = client();
  auto idle = client();
  busy->send(front, "x");
  idle->send(front, "x");
  run(50ms);
  ingress->stop_listening();
  for (int i = 0; i < 8; i++) {
    run(500ms);
    busy->send(front, "y");
  }
  run(50ms);
  EXPECT_EQ(server->got.size(), 10u);
  EXPECT_EQ(ingress->associations(), 1u);
  auto late = client();
  late->send(front, "z");
  run(2s);
  EXPECT_EQ(server->got.size(), 10u);
  EXPECT_EQ(ingress->associations(), 0u);
}

TEST_F(UdpTest, ThePortOfTheLinkAndOneThatIsTakenAreToldAndTheRestIsServed) {
  ingress->reserve(8443);
  auto squatter = world.cloud_host->bind({ip("0.0.0.0"), 5001}).value();
  std::string three = to_edges();
  three.replace(three.find("listeners: ["), 12,
                "listeners: [{name: link, port: 8443, protocol: UDP}, {name: taken, port: 5001, protocol: UDP}, ");
  const std::vector<net::Listeners::Failure> failed = ingress->apply(rules(three));
  ASSERT_EQ(failed.size(), 2u);
  for (const net::Listeners::Failure& f : failed) {
    EXPECT_TRUE(f.udp);
    EXPECT_NE(f.error.describe().find("Gateway default/front listener "), std::string::npos) << f.error.describe();
  }
  auto server = service();
  auto one = client();
  one->send(front, "x");
  run(50ms);
  EXPECT_EQ(server->take(), "x");
}

TEST_F(UdpTest, WhatAnEgressCannotReadIsRefused) {
  for (const bool datagrams : {true, false}) {
    wire::FlowOpen open{.plugin = "udp", .target = "127.0.0.1:7000", .head = datagrams ? "\x08" : "", .datagrams = datagrams};
    auto flow = world.loop.run(world.cloud_link->open(link::to_node("edge-a"), std::move(open)), 1s);
    ASSERT_TRUE(flow);
    auto reply = world.loop.run((*flow)->reply(), 1s);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().delivered, link::Delivered::no);
  }
  EXPECT_EQ(egresses.at("edge-a")->counters().refused, 2u);
}

}  // namespace
}  // namespace fairlead::udp
