// The policies of a Backend's balancing.
#include <gtest/gtest.h>

#include <deque>

#include "route/balancer_world.h"

namespace fairlead::route {
namespace {

using namespace testing;
using Seen = std::map<std::string, int>;

std::string with(std::string_view balancing) {
  return backend_with("b", "nodeSelector: {}", fmt::format("  balancing: {{{}}}\n", balancing));
}

TEST(RoundRobin, NodeWeightsAreExactOverACycleAndSpreadInIt) {
  BalancerWorld world(with("nodeWeights: {a: 5, c: 0}"));
  for (const char* n : {"a", "b", "c", "d"}) world.nodes.connect(n);
  world.share("b");
  for (int cycle = 0; cycle < 3; cycle++) {
    const std::string sequence = world.sequence(7);
    std::string nodes;
    for (std::size_t i = 0; i < sequence.size(); i += std::string_view("a 127.0.0.1:1; ").size()) nodes += sequence[i];
    EXPECT_EQ(nodes, "aabadaa");
  }
  world.nodes.leave("a");
  EXPECT_EQ(world.picks(10), (Seen{{"b 127.0.0.1:1", 5}, {"d 127.0.0.1:1", 5}}));
}

TEST(RoundRobin, TheTurnGoesOnWhenNodesComeAndGo) {
  BalancerWorld world(with("nodeWeights: {a: 9}"));
  for (const char* n : {"a", "b"}) world.nodes.connect(n);
  world.share("b");
  Seen seen;
  for (int i = 0; i < 100; i++) {
    world.nodes.connect(fmt::format("x{}", i), {});
    world.nodes.leave(fmt::format("x{}", i));
    seen[show(world.pick())]++;
  }
  EXPECT_EQ(seen, (Seen{{"a 127.0.0.1:1", 90}, {"b 127.0.0.1:1", 10}}));
}

// Each request at a slow node lasts ten times as long as at the others.
Seen requests_at_once(BalancerWorld& world, std::string_view slow) {
  Seen seen;
  std::deque<std::pair<int, Pick>> running;
  for (int time = 0; time < 5000; time++) {
    std::erase_if(running, [&](const auto& r) { return r.first <= time; });
    Result<Pick> p = world.pick();
    seen[p->endpoint.node->value()]++;
    running.emplace_back(time + (p->endpoint.node->value() == slow ? 100 : 10), *std::move(p));
  }
  return seen;
}

TEST(LeastRequest, ASlowNodeGetsLess) {
  BalancerWorld world(with("policy: LeastRequest"));
  for (const char* n : {"a", "b", "c", "slow"}) world.nodes.connect(n);
  world.share("b");
  Seen seen = requests_at_once(world, "slow");
  EXPECT_LT(seen["slow"], 500);
  EXPECT_GT(seen["slow"], 50);
  EXPECT_NEAR(seen["a"], seen["b"], 300);
}

TEST(LeastRequest, WeightsCount) {
  BalancerWorld world(with("policy: LeastRequest, nodeWeights: {a: 4, c: 0}"));
  for (const char* n : {"a", "b", "c"}) world.nodes.connect(n);
  world.share("b");
  std::vector<Pick> running;
  Seen seen;
  for (int i = 0; i < 100; i++) {
    running.push_back(world.pick().value());
    seen[running.back().endpoint.node->value()]++;
  }
  EXPECT_NEAR(seen["a"], 80, 2);
  EXPECT_FALSE(seen.contains("c"));
}

TEST(LeastRequest, WhatIsNotWellIsLeftOutEvenly) {
  BalancerWorld world(with("policy: LeastRequest"));
  for (const char* n : {"a", "b", "c", "d"}) world.nodes.connect(n);
  world.share("b");
  world.picks(1);
  for (const char* n : {"b", "c"}) {
    const EndpointName name{NodeName::parse(n).value(), "127.0.0.1:1"};
    world.states->backend(world.backend("b"))->endpoints({&name, 1}, false).at(0)->set_health(false, "no");
  }
  Seen seen = world.picks(1000);
  EXPECT_NEAR(seen["a 127.0.0.1:1"], 500, 80);
  EXPECT_EQ(seen["a 127.0.0.1:1"] + seen["d 127.0.0.1:1"], 1000);
}

std::vector<std::string> homes_of(BalancerWorld& world, int clients) {
  std::vector<std::string> homes;
  for (int i = 0; i < clients; i++) {
    world.client.ip = net::IpAddress::v4(0x0a000000u + static_cast<std::uint32_t>(i));
    world.client.port = static_cast<std::uint16_t>(i * 7);
    const std::string home = show(world.pick());
    EXPECT_EQ(show(world.pick()), home);
    homes.push_back(home);
  }
  return homes;
}

TEST(Hash, OnlyTheRequestsOfANodeThatGoesMove) {
  auto states = std::make_shared<BackendStates>();
  BalancerWorld world(with("policy: Hash, hashOn: Source"), states), loop(with("policy: Hash, hashOn: Source"), states);
  for (const char* n : {"a", "b", "c", "d", "e"})
    for (BalancerWorld* w : {&world, &loop}) w->nodes.connect(n);
  for (BalancerWorld* w : {&world, &loop}) w->share("b");
  const std::vector<std::string> before = homes_of(world, 1000);
  Seen shares;
  for (const std::string& home : before) shares[home]++;
  ASSERT_EQ(shares.size(), 5u);
  for (const auto& [home, n] : shares) EXPECT_NEAR(n, 200, 50) << home;
  EXPECT_EQ(homes_of(loop, 1000), before) << "another loop leads to the same";

  world.nodes.leave("c");
  const std::vector<std::string> without = homes_of(world, 1000);
  for (std::size_t i = 0; i < 1000; i++)
    if (before[i] != "c 127.0.0.1:1") EXPECT_EQ(without[i], before[i]);
  world.nodes.connect("c");
  EXPECT_EQ(homes_of(world, 1000), before);
  world.nodes.connect("f");
  const std::vector<std::string> with_f = homes_of(world, 1000);
  int moved = 0;
  for (std::size_t i = 0; i < 1000; i++) {
    if (with_f[i] == before[i]) continue;
    EXPECT_EQ(with_f[i], "f 127.0.0.1:1");
    moved++;
  }
  EXPECT_NEAR(moved, 167, 50);
}

TEST(Hash, WhatIsNotWellLosesItsRequestsToTheOthersAndGetsThemBack) {
  BalancerWorld world(with("policy: Hash, hashOn: Source"));
  for (const char* n : {"a", "b", "c"}) world.nodes.connect(n);
  world.share("b");
  const std::vector<std::string> before = homes_of(world, 100);
  const EndpointName name{NodeName::parse("a").value(), "127.0.0.1:1"};
  const auto state = world.states->backend(world.backend("b"))->endpoints({&name, 1}, false).at(0);
  state->set_health(false, "no");
  const std::vector<std::string> without = homes_of(world, 100);
  for (std::size_t i = 0; i < 100; i++) EXPECT_TRUE(before[i] == "a 127.0.0.1:1" ? without[i] != before[i] : without[i] == before[i]);
  state->set_health(true, "");
  EXPECT_EQ(homes_of(world, 100), before);
}

TEST(Hash, WeightsShareTheKeys) {
  BalancerWorld world(with("policy: Hash, hashOn: Source, nodeWeights: {a: 3, c: 0}"));
  for (const char* n : {"a", "b", "c"}) world.nodes.connect(n);
  world.share("b");
  Seen seen;
  for (const std::string& home : homes_of(world, 2000)) seen[home]++;
  EXPECT_NEAR(seen["a 127.0.0.1:1"], 1500, 80);
  EXPECT_EQ(seen["a 127.0.0.1:1"] + seen["b 127.0.0.1:1"], 2000);
}

TEST(Hash, TheKeyIsWhatTheBackendSays) {
  for (const char* on : {"hashOn: Header, name: X-User", "hashOn: Cookie, name: user", "hashOn: Path"}) {
    BalancerWorld world(with(fmt::format("policy: Hash, {}", on)));
    for (const char* n : {"a", "b", "c", "d"}) world.nodes.connect(n);
    world.share("b");
    Seen homes;
    for (int user = 0; user < 50; user++) {
      world.fields.clear();
      const std::string name = fmt::format("u{}", user), cookie = fmt::format("x=1; user=u{}", user);
      world.fields.add("x-user", name);
      world.fields.add("cookie", cookie);
      world.path = "/" + name;
      const Seen seen = world.picks(4);
      ASSERT_EQ(seen.size(), 1u) << on;
      homes.insert(*seen.begin());
    }
    EXPECT_EQ(homes.size(), 4u) << on;
    world.fields.clear();
    world.path = "";
    EXPECT_EQ(world.picks(4).size(), 4u) << on << ": without a key they take turns";
  }
}

}  // namespace
}  // namespace fairlead::route
