#include "route/balancer.h"

#include <gtest/gtest.h>

#include "route/balancer_world.h"

namespace fairlead::route {
namespace {

using namespace testing;
using Seen = std::map<std::string, int>;

const std::string kSites = backend("name: b", "nodeSelector: {site: x}", "{address: 127.0.0.1, port: 1}, {address: 127.0.0.1, port: 2}");

TEST(Balancer, TakesNodesInTurnAndThenTheNextTarget) {
  BalancerWorld world(kSites);
  for (const char* n : {"b", "a"}) world.nodes.connect(n, {{"site", "x"}});
  world.nodes.connect("c", {{"site", "y"}});
  world.share("b");
  EXPECT_EQ(world.sequence(5), "a 127.0.0.1:1; b 127.0.0.1:1; a 127.0.0.1:2; b 127.0.0.1:2; a 127.0.0.1:1; ");
  EXPECT_EQ(world.nodes.asked, 1);
}

TEST(Balancer, FollowsNodesThatComeAndGo) {
  BalancerWorld world(backend("name: b", "nodeSelector: {site: x}"));
  world.share("b");
  EXPECT_EQ(show(world.pick()), "unreachable");
  world.nodes.connect("a", {{"site", "x"}});
  EXPECT_EQ(show(world.pick()), "a 127.0.0.1:8080");
  world.nodes.connect("a", {{"site", "y"}});
  EXPECT_EQ(show(world.pick()), "unreachable");
}

TEST(Balancer, WeightsDivideTheRequests) {
  BalancerWorld world(backend("name: a", "nodeName: a") + backend("name: b", "nodeName: b") + backend("name: c", "nodeName: a"));
  for (const char* n : {"a", "b"}) world.nodes.connect(n);
  world.share("a", 9);
  world.share("b");
  world.share("c", 0);
  Seen seen = world.picks(10'000);
  EXPECT_NEAR(seen["a 127.0.0.1:8080"], 9000, 200);
  EXPECT_EQ(seen["a 127.0.0.1:8080"] + seen["b 127.0.0.1:8080"], 10'000);
}

TEST(Balancer, ABackendWithoutAnEndpointThatIsWellLeavesItsShareToTheOthers) {
  BalancerWorld world(backend("name: a", "nodeName: a") + backend("name: b", "nodeName: b"));
  world.nodes.connect("b");
  world.share("a", 9);
  world.share("b");
  EXPECT_EQ(world.picks(100), (Seen{{"b 127.0.0.1:8080", 100}}));
  world.nodes.connect("a");
  const EndpointName name{NodeName::parse("a").value(), "127.0.0.1:8080"};
  const auto state = world.states->backend(world.backend("a"))->endpoints({&name, 1}, true).at(0);
  state->set_health(false, "no");
  EXPECT_EQ(world.picks(100), (Seen{{"b 127.0.0.1:8080", 100}}));
  world.nodes.leave("b");
  EXPECT_EQ(world.picks(100), (Seen{{"a 127.0.0.1:8080", 100}})) << "better a try than a sure failure";
}

TEST(Balancer, AReferenceThatIsNoGoodKeepsItsShareAndIsRefused) {
  BalancerWorld world(backend("name: a", "nodeName: a"));
  world.nodes.connect("a");
  world.share("a");
  world.share("");
  Seen seen = world.picks(1000);
  EXPECT_NEAR(seen["not_found"], 500, 60);
  EXPECT_EQ(seen["not_found"] + seen["a 127.0.0.1:8080"], 1000);
  // A request that was with a service once is not refused for that.
  world.tried.push_back({NodeName::parse("a").value(), &world.backend("a"), &world.backend("a").targets[0]});
  EXPECT_EQ(world.picks(100), (Seen{{"a 127.0.0.1:8080", 100}}));
}

TEST(Balancer, ARuleThatSendsNothingAnywhereIsRefused) {
  BalancerWorld world(backend("name: a", "nodeName: a"));
  world.nodes.connect("a");
  EXPECT_EQ(show(world.pick()), "not_found");
  world.share("a", 0);
  EXPECT_EQ(show(world.pick()), "not_found");
  world.rule.backends.clear();
  world.share("");
  EXPECT_EQ(show(world.pick()), "not_found");
}

TEST(Balancer, APortOfTheReferenceNarrowsTheTargetsAndEachHasItsTurn) {
  BalancerWorld world(kSites);
  for (const char* n : {"a", "b"}) world.nodes.connect(n, {{"site", "x"}});
  world.share("b");
  world.rule.backends[0].targets = {1};
  const HttpRule other = std::exchange(world.rule, HttpRule{.route = RouteId("default/s")});
  world.share("b");
  world.rule.backends[0].targets = {0};
  std::string seen;
  for (int i = 0; i < 4; i++) {
    seen += show(world.pick()) + "; ";
    const RequestToMatch request{"", "/", "", "GET", world.fields};
    seen += show(world.balancer.pick({other, request, world.client, {}, {}}, world.now, world.random)) + "; ";
  }
  EXPECT_EQ(seen,
            "a 127.0.0.1:1; a 127.0.0.1:2; b 127.0.0.1:1; b 127.0.0.1:2; a 127.0.0.1:1; a 127.0.0.1:2; b 127.0.0.1:1; b 127.0.0.1:2; ");
}

TEST(Balancer, WhatWasTriedIsNotTriedAgainUnlessThereIsNoOther) {
  BalancerWorld world(backend("name: b", "nodeSelector: {}", BalancerWorld::kTarget));
  for (const char* n : {"a", "b", "c"}) world.nodes.connect(n);
  world.share("b");
  Seen seen;
  for (int i = 0; i < 3; i++) {
    Result<Pick> p = world.pick();
    seen[show(p)]++;
    world.tried.push_back(p->endpoint);
  }
  EXPECT_EQ(seen, (Seen{{"a 127.0.0.1:1", 1}, {"b 127.0.0.1:1", 1}, {"c 127.0.0.1:1", 1}}));
  EXPECT_EQ(world.picks(6), (Seen{{"a 127.0.0.1:1", 2}, {"b 127.0.0.1:1", 2}, {"c 127.0.0.1:1", 2}}));
}

TEST(Balancer, WhatIsNotWellGoesBeforeWhatThisRequestSawFail) {
  BalancerWorld world(backend("name: b", "nodeSelector: {}", BalancerWorld::kTarget));
  for (const char* n : {"a", "b"}) world.nodes.connect(n);
  world.share("b");
  const Result<Pick> p = world.pick();
  ASSERT_EQ(show(p), "a 127.0.0.1:1");
  const EndpointName name{NodeName::parse("b").value(), "127.0.0.1:1"};
  world.states->backend(world.backend("b"))->endpoints({&name, 1}, false).at(0)->set_health(false, "no");
  EXPECT_EQ(world.picks(3), (Seen{{"a 127.0.0.1:1", 3}}));
  world.tried.push_back(p->endpoint);
  EXPECT_EQ(world.picks(3), (Seen{{"b 127.0.0.1:1", 3}}));
}

TEST(Balancer, AnOldEndpointOfTheClientIsTakenAgainOnEveryLoop) {
  auto states = std::make_shared<BackendStates>();
  const std::string yaml = backend("name: b", "nodeSelector: {}", BalancerWorld::kTarget) + backend("name: c", "nodeName: a");
  BalancerWorld one(yaml, states), other(yaml, states), restarted(yaml), foreign(yaml, std::make_shared<BackendStates>(HashKey{7, 7}));
  for (BalancerWorld* world : {&one, &other, &restarted, &foreign}) {
    world->rule.persistence.emplace();
    world->share("b", 9);
    world->share("c");
    for (const char* n : {"a", "b", "c", "d"}) world->nodes.connect(n);
  }
  for (int i = 0; i < 20; i++) {
    const Result<Pick> p = one.pick();
    ASSERT_EQ(p->persistence.size(), 11u);
    for (BalancerWorld* world : {&one, &other, &restarted}) {
      world->persistence = p->persistence;
      EXPECT_EQ(world->picks(10), (Seen{{show(p), 10}}));
      EXPECT_EQ(world->pick()->persistence, p->persistence);
      world->persistence.clear();
    }
    foreign.persistence = p->persistence;
    EXPECT_GT(foreign.picks(10).size(), 1u);
  }
}

TEST(Balancer, ATokenThatFitsNoMoreIsIgnored) {
  BalancerWorld world(backend("name: b", "nodeSelector: {}", BalancerWorld::kTarget));
  for (const char* n : {"a", "b"}) world.nodes.connect(n);
  world.share("b");
  EXPECT_EQ(world.pick()->persistence, "");
  world.rule.persistence.emplace();
  const Result<Pick> p = world.pick();
  for (const std::string& made_up : {std::string("x"), std::string(11, '_'), std::string(11, '='), p->persistence + "A"}) {
    world.persistence = made_up;
    EXPECT_EQ(world.picks(4).size(), 2u) << made_up;
  }
  world.persistence = p->persistence;
  EXPECT_EQ(world.picks(4).size(), 1u);
  world.tried.push_back(p->endpoint);
  EXPECT_FALSE(world.picks(4).contains(show(p)));
  world.tried.clear();
  world.nodes.leave(p->endpoint.node->value());
  EXPECT_EQ(world.picks(4).size(), 1u);
  EXPECT_NE(world.pick()->persistence, p->persistence);
  world.rule.backends[0].weight = 0;
  EXPECT_EQ(show(world.pick()), "not_found");
}

TEST(Balancer, PreferredNodesAreTakenWhileOneOfThemIsWell) {
  BalancerWorld world(backend_with("b", "nodeSelector: {}", "  balancing: {preferred: {nodeSelector: {tier: near}}}\n"));
  world.nodes.connect("far");
  world.nodes.connect("near1", {{"tier", "near"}});
  world.nodes.connect("near2", {{"tier", "near"}});
  world.share("b");
  EXPECT_EQ(world.picks(10), (Seen{{"near1 127.0.0.1:1", 5}, {"near2 127.0.0.1:1", 5}}));
  world.nodes.leave("near1");
  EXPECT_EQ(world.picks(10), (Seen{{"near2 127.0.0.1:1", 10}}));
  const EndpointName near{NodeName::parse("near2").value(), "127.0.0.1:1"};
  const auto state = world.states->backend(world.backend("b"))->endpoints({&near, 1}, false).at(0);
  state->set_health(false, "no");
  EXPECT_EQ(world.picks(10), (Seen{{"far 127.0.0.1:1", 10}})) << "fail-over";
  world.nodes.leave("far");
  EXPECT_EQ(world.picks(10), (Seen{{"near2 127.0.0.1:1", 10}}));
  world.nodes.connect("far");
  state->set_health(true, "");
  EXPECT_EQ(world.picks(10), (Seen{{"near2 127.0.0.1:1", 10}})) << "fail-back";
  world.nodes.leave("near2");
  EXPECT_EQ(world.picks(10), (Seen{{"far 127.0.0.1:1", 10}}));
}

TEST(Balancer, TheNodeMayComeFromTheRequest) {
  const std::string yaml = backend_with("any", "nodeFrom: {pathSegment: 2}", "") +
                           backend_with("some", "nodeSelector: {site: x}, nodeFrom: {hostLabel: 1}", "") +
                           backend_with("head", "nodeFrom: {header: X-Node}", "");
  struct Case {
    const char *backend, *host, *path, *header, *seen;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"any", "h", "/nodes/a/x", "", "a 127.0.0.1:1"},
           {"any", "h", "/nodes/b", "", "b 127.0.0.1:1"},
           {"any", "h", "/nodes/c.example/", "", "c.example 127.0.0.1:1"},
           {"any", "h", "/nodes/gone/x", "", "unreachable"},
           {"any", "h", "/nodes/A/x", "", "invalid"},
           {"any", "h", "/nodes//x", "", "invalid"},
           {"any", "h", "/nodes/", "", "invalid"},
           {"any", "h", "/nodes", "", "invalid"},
           {"any", "h", "/", "", "invalid"},
           {"any", "h", "*", "", "invalid"},
           {"any", "h", "/nodes/..%2f/x", "", "invalid"},
           {"some", "a.apps.example", "/", "", "a 127.0.0.1:1"},
           {"some", "b.apps.example", "/", "", "invalid"},
           {"some", "gone.apps.example", "/", "", "unreachable"},
           {"some", "", "/", "", "invalid"},
           {"head", "h", "/", "c.example", "c.example 127.0.0.1:1"},
           {"head", "h", "/", "", "invalid"},
           {"head", "h", "/", "a b", "invalid"},
       }) {
    BalancerWorld world(yaml);
    world.nodes.connect("a", {{"site", "x"}});
    world.nodes.connect("b", {{"site", "y"}});
    world.nodes.connect("c.example");
    world.share(c.backend);
    world.host = c.host;
    world.path = c.path;
    if (*c.header != 0) world.fields.add("x-node", c.header);
    EXPECT_EQ(world.picks(3), (Seen{{c.seen, 3}})) << c.backend << " " << c.host << c.path << " " << c.header;
  }
}

TEST(Balancer, ANodeOfTheRequestIsFoundWhenItComesAndNotWhenItIsGone) {
  BalancerWorld world(backend_with("any", "nodeSelector: {site: x}, nodeFrom: {pathSegment: 1}", ""));
  world.share("any");
  world.path = "/a/x";
  EXPECT_EQ(show(world.pick()), "unreachable");
  world.nodes.connect("a", {{"site", "x"}});
  EXPECT_EQ(show(world.pick()), "a 127.0.0.1:1");
  world.nodes.connect("a", {{"site", "y"}});
  EXPECT_EQ(show(world.pick()), "invalid");
  world.nodes.leave("a");
  EXPECT_EQ(show(world.pick()), "unreachable");
}

TEST(Balancer, AMirrorGetsAnEndpointThatIsWell) {
  BalancerWorld world(backend("name: b", "nodeName: a") + backend_with("from", "nodeFrom: {pathSegment: 1}", ""));
  MirrorFilter mirror;
  EXPECT_FALSE(world.balancer.pick_mirror(mirror, world.now, world.random));
  mirror.to = {.backend = world.id("b"), .targets = {0}};
  EXPECT_FALSE(world.balancer.pick_mirror(mirror, world.now, world.random));
  world.nodes.connect("a");
  const auto pick = world.balancer.pick_mirror(mirror, world.now, world.random);
  EXPECT_EQ(show(pick->endpoint), "a 127.0.0.1:8080");
  EXPECT_EQ(pick->share, nullptr);
  mirror.to.backend = world.id("from");
  EXPECT_FALSE(world.balancer.pick_mirror(mirror, world.now, world.random)) << "there is no request that names a node";
}

TEST(Balancer, TheCloudIsReachedWithoutNodes) {
  BalancerWorld world(backend("name: c", "cloud: {}", "{address: x, port: 1}, {address: y, port: 1}"));
  world.share("c");
  EXPECT_EQ(world.sequence(3), "cloud x:1; cloud y:1; cloud x:1; ");
}

}  // namespace
}  // namespace fairlead::route
