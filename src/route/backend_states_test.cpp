#include "route/backend_states.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/log.h"
#include "route/balancer_world.h"

namespace fairlead::route {
namespace {

using namespace testing;
using Seen = std::map<std::string, int>;

std::string passive(std::string_view more = "failures: 3, eject: 10s") {
  return backend_with("b", "nodeSelector: {}", fmt::format("  healthCheck: {{passive: {{{}}}}}\n", more));
}

bool is_out(BalancerWorld& world, std::string_view node) { return !world.picks(20).contains(fmt::format("{} 127.0.0.1:1", node)); }

// How long `node` is out when it has failed often enough once more.
Duration ejection(BalancerWorld& world, std::string_view node) {
  world.fail_at(node, 3);
  if (!is_out(world, node)) return {};
  const TimePoint begin = world.now;
  while (is_out(world, node)) world.now += 1s;
  return world.now - begin;
}

TEST(Ejection, ComesAfterSoManyFailuresInARow) {
  BalancerWorld world(passive());
  for (const char* n : {"a", "b"}) world.nodes.connect(n);
  world.share("b");
  world.fail_at("a", 2);
  EXPECT_FALSE(is_out(world, "a"));
  for (int i = 0; i < 2; i++) world.pick()->lease.report(Outcome::success);
  world.fail_at("a", 2);
  EXPECT_FALSE(is_out(world, "a")) << "one success between them";
  world.fail_at("a", 1);
  EXPECT_TRUE(is_out(world, "a"));
  EXPECT_TRUE(world.states->report(world.now).at(0).ejected);
  EXPECT_EQ(world.states->report(world.now).at(0).last_error, "3 requests failed in a row");
  world.now += 10s - 1ns;
  EXPECT_TRUE(is_out(world, "a"));
  world.now += 1ns;
  EXPECT_FALSE(is_out(world, "a"));
  EXPECT_FALSE(world.states->report(world.now).at(0).ejected);
}

TEST(Ejection, CancelledRequestsSayNothing) {
  BalancerWorld world(passive());
  for (const char* n : {"a", "b"}) world.nodes.connect(n);
  world.share("b");
  for (int i = 0; i < 20; i++) world.pick()->lease.report(Outcome::cancelled);
  EXPECT_EQ(world.picks(20).size(), 2u);
  for (int i = 0; i < 6; i++) {
    world.fail_at("a", i < 3 ? 1 : 0);
    for (int k = 0; k < 2; k++) world.pick()->lease.report(Outcome::cancelled);
  }
  EXPECT_TRUE(is_out(world, "a"));
}

TEST(Ejection, GrowsEachTimeUpToTenTimesAndIsForgivenInTime) {
  BalancerWorld world(passive());
  for (const char* n : {"a", "b"}) world.nodes.connect(n);
  world.share("b");
  for (int i = 1; i <= 12; i++) EXPECT_EQ(ejection(world, "a"), 10s * std::min(i, 10)) << i;
  world.now += 40s;
  EXPECT_EQ(ejection(world, "a"), 70s);
  world.now += 1000s;
  EXPECT_EQ(ejection(world, "a"), 10s);
}

TEST(Ejection, NeverLeavesABackendWithoutAnEndpointThatIsWell) {
  BalancerWorld world(passive());
  for (const char* n : {"a", "b"}) world.nodes.connect(n);
  world.share("b");
  world.fail_at("a", 3);
  EXPECT_TRUE(is_out(world, "a"));
  world.fail_at("b", 30);
  EXPECT_EQ(world.picks(20), (Seen{{"b 127.0.0.1:1", 20}}));
}

TEST(Ejection, WhatWasUnderWayBeforeItSaysNothingNew) {
  BalancerWorld world(passive());
  for (const char* n : {"a", "b"}) world.nodes.connect(n);
  world.share("b");
  std::vector<Pick> under_way;
  for (int i = 0; i < 40; i++) under_way.push_back(world.pick().value());
  world.now += 1s;
  world.fail_at("a", 3);
  EXPECT_TRUE(is_out(world, "a"));
  for (Pick& p : under_way) p.lease.report(p.endpoint.node->value() == "a" ? Outcome::failure : Outcome::success);
  world.now += 10s;
  EXPECT_FALSE(is_out(world, "a"));
}

TEST(Ejection, OutlivesAChangeOfRulesAndEndsWithTheCheck) {
  auto states = std::make_shared<BackendStates>();
  auto make = [&](const std::string& yaml) {
    auto world = std::make_unique<BalancerWorld>(yaml, states);
    for (const char* n : {"a", "b"}) world->nodes.connect(n);
    world->share("b");
    return world;
  };
  auto world = make(passive());
  world->fail_at("a", 3);
  EXPECT_TRUE(is_out(*world, "a"));
  world = make(passive("failures: 4"));
  EXPECT_TRUE(is_out(*world, "a"));
  world = make(backend_with("b", "nodeSelector: {}", ""));
  EXPECT_FALSE(is_out(*world, "a"));
  world->fail_at("a", 100);
  EXPECT_FALSE(is_out(*world, "a")) << "nothing is counted";
}

TEST(Limits, OneRequestMoreThanTheBackendMayHaveIsRefused) {
  auto states = std::make_shared<BackendStates>();
  const std::string yaml = backend_with("b", "nodeSelector: {}", "  limits: {requests: 3}\n");
  BalancerWorld one(yaml, states), other(yaml, states);
  for (BalancerWorld* w : {&one, &other}) {
    w->nodes.connect("a");
    w->share("b");
  }
  std::vector<Pick> running;
  for (BalancerWorld* w : {&one, &other, &one}) running.push_back(w->pick().value());
  for (BalancerWorld* w : {&one, &other}) EXPECT_EQ(show(w->pick()), "overloaded");
  EXPECT_EQ(states->report(one.now).at(0).outstanding, 3u);
  running[1].lease.report(Outcome::failure);
  running[1].lease.report(Outcome::failure);
  running.push_back(other.pick().value());
  EXPECT_EQ(show(one.pick()), "overloaded");
  running.clear();
  EXPECT_EQ(states->report(one.now).at(0).outstanding, 0u);
  EXPECT_EQ(show(one.pick()), "a 127.0.0.1:1");
}

TEST(RetryBudget, IsAFifthOfWhatRunsAndThreeAtLeast) {
  BalancerWorld world(backend_with("b", "nodeSelector: {}", "") + backend_with("c", "nodeSelector: {}", ""));
  for (const char* n : {"a", "b"}) world.nodes.connect(n);
  world.share("b");
  const Backend& b = world.backend("b");
  std::vector<Pick> first, again;
  EXPECT_TRUE(world.balancer.may_retry(b));
  first.push_back(world.pick().value());
  world.tried.push_back(first[0].endpoint);
  for (int i = 0; i < 3; i++) {
    EXPECT_TRUE(world.balancer.may_retry(b));
    again.push_back(world.pick().value());
  }
  EXPECT_FALSE(world.balancer.may_retry(b));
  EXPECT_TRUE(world.balancer.may_retry(world.backend("c")));
  world.tried.clear();
  for (int i = 0; i < 16; i++) first.push_back(world.pick().value());
  EXPECT_TRUE(world.balancer.may_retry(b)) << "20 run, 3 of them are retries";
  world.tried.push_back(first[0].endpoint);
  again.push_back(world.pick().value());
  EXPECT_FALSE(world.balancer.may_retry(b)) << "21 and 4";
  again.pop_back();
  EXPECT_TRUE(world.balancer.may_retry(b));
  EXPECT_FALSE(world.balancer.may_retry(Backend{})) << "no Backend of these rules";
}

TEST(BackendStates, ForgetsBackendsThatAreGone) {
  auto states = std::make_shared<BackendStates>();
  auto world = std::make_unique<BalancerWorld>(backend("name: a", "nodeName: n") + backend("name: b", "nodeName: n"), states);
  world->nodes.connect("n");
  for (const char* b : {"a", "b"}) {
    world->rule.backends.clear();
    world->share(b);
    world->picks(1);
  }
  EXPECT_EQ(states->report({}).size(), 2u);
  const std::weak_ptr<BackendState> old = states->backend(world->backend("b"));
  Pick running = world->pick().value();
  world = std::make_unique<BalancerWorld>(backend("name: a", "nodeName: n"), states);
  ASSERT_EQ(states->report({}).size(), 1u);
  EXPECT_EQ(states->report({}).at(0).backend, "default/a");
  EXPECT_TRUE(old.expired());
  running.lease.report(Outcome::failure);  // the lease keeps what it needs
}

TEST(BackendStates, ReportsTheNodesThatAreThere) {
  BalancerWorld world(backend("name: b", "nodeSelector: {}", "{address: y, port: 2}, {address: x, port: 1}"));
  world.share("b");
  for (const char* n : {"b", "a"}) world.nodes.connect(n);
  world.picks(1);
  std::string seen;
  for (const EndpointReport& r : world.states->report(world.now)) seen += fmt::format("{} {} {}; ", r.backend, r.node->value(), r.target);
  EXPECT_EQ(seen, "default/b a x:1; default/b a y:2; default/b b x:1; default/b b y:2; ");
  world.nodes.leave("a");
  world.picks(1);
  EXPECT_EQ(world.states->report(world.now).size(), 2u);
}

TEST(BackendStates, TwoListsOfOneEndpointAreOneState) {
  BackendStates states;
  Backend backend{.meta = {.key = {"default", "b"}}};
  const auto state = states.backend(backend);
  const EndpointName a{NodeName::parse("a").value(), "x:1"}, b{NodeName::parse("b").value(), "x:1"};
  const auto held = state->endpoints({&a, 1}, true);
  state->endpoints({&b, 1}, true);  // another loop has not heard of `a` yet
  EXPECT_EQ(state->endpoints({&a, 1}, true), held);
  EXPECT_NE(held[0]->token, state->endpoints({&b, 1}, false)[0]->token);
}

// For ThreadSanitizer, too.
TEST(BackendStates, AreSharedByLoopsThatChangeTheirRules) {
  log::capture([](log::Level, std::string_view, std::string_view) {});
  auto states = std::make_shared<BackendStates>();
  const std::string yaml = passive("failures: 2, eject: 1ms") + backend("name: c", "nodeName: n1");
  std::vector<std::thread> loops;
  std::atomic<int> failed{0};
  for (unsigned loop = 0; loop < 4; loop++)
    loops.emplace_back([&, loop] {
      for (int change = 0; change < 10; change++) {
        BalancerWorld world(change % 2 == 0 ? yaml : passive("failures: 3"), states);
        world.random = Random(loop + 1);
        for (int n = 0; n < 5; n++) world.nodes.connect(fmt::format("n{}", n));
        world.share("b");
        if (change % 2 == 0) world.share("c");
        world.rule.persistence.emplace();
        for (int i = 0; i < 300; i++) {
          world.now += 10us;
          Result<Pick> p = world.pick();
          if (!p) continue;
          const bool bad = p->endpoint.node->value() == "n2";
          failed += bad;
          p->lease.report(bad ? Outcome::failure : Outcome::success);
          if (i % 100 == 0) states->report(world.now);
        }
      }
    });
  for (std::thread& t : loops) t.join();
  log::capture(nullptr);
  EXPECT_GT(failed, 0);
  for (const EndpointReport& r : states->report({})) EXPECT_EQ(r.outstanding, 0u) << r.target;
}

}  // namespace
}  // namespace fairlead::route
