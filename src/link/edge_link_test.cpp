// How an edge comes back: when it tries again, whom it gives way to, and how it stays away.
#include <gtest/gtest.h>

#include "link/link_world.h"

namespace fairlead::link {
namespace {

// An edge that cannot even find its cloud: each try fails at once, so only the waits between them take time.
class Lost {
 public:
  explicit Lost(std::uint64_t seed)
      : loop(seed), net(loop), host(net.host("edge-a", ip("10.0.0.1"))), pki(pki::KeyKind::ed25519, loop.wall_now()) {
    tasks.spawn(link.run());
  }
  // When the first `count` tries began.
  std::vector<TimePoint> tries(std::size_t count) {
    std::vector<TimePoint> times;
    while (times.size() < count) {
      loop.settle();
      while (times.size() < std::min<std::size_t>(count, link.status().attempts)) times.push_back(loop.now());
      loop.run_for(1ms);
    }
    return times;
  }

  SimLoop loop;
  sim::Network net;
  sim::Host& host;
  pki::TestPki pki;
  Trust trust{pki.edge("edge-a"), std::make_shared<const pki::RevocationList>()};
  EgressTable egresses;
  EdgeLink link{loop,
                host,
                [](const net::SocketAddress&) -> Result<std::unique_ptr<quic::Endpoint>> { return fail(Code::io, "never asked for"); },
                trust,
                egresses,
                {.cloud = {"nowhere.example", 8443}, .node = NodeName::parse("edge-a").value(), .boot = BootId(1)}};
  Scope tasks{loop};
};

TEST(EdgeLink, TriesAgainAfterARandomTimeUpToABoundThatDoublesToItsCap) {
  CapturedLog log;
  constexpr std::size_t kTries = 10;
  constexpr std::uint64_t kSeeds = 200;
  std::vector<double> sums(kTries - 1), least(kTries - 1, 1), most(kTries - 1);
  for (std::uint64_t seed = 1; seed <= kSeeds; seed++) {
    Lost edge(seed);
    const std::vector<TimePoint> at = edge.tries(kTries);
    Duration bound = 100ms;
    for (std::size_t i = 0; i + 1 < kTries; i++, bound = std::min<Duration>(bound * 2, 5s)) {
      const double part = std::chrono::duration<double>(at[i + 1] - at[i]) / std::chrono::duration<double>(bound + 1ms);
      EXPECT_LE(part, 1.0) << "seed " << seed << " wait " << i;
      sums[i] += part;
      least[i] = std::min(least[i], part);
      most[i] = std::max(most[i], part);
    }
  }
  for (std::size_t i = 0; i + 1 < kTries; i++) {
    EXPECT_NEAR(sums[i] / kSeeds, 0.5, 0.08) << "wait " << i;
    EXPECT_LT(least[i], 0.05);
    EXPECT_GT(most[i], 0.95);
  }
}

TEST(EdgeLink, SaysWhyItCannotConnectOnce) {
  CapturedLog log;
  Lost edge(1);
  edge.tries(20);
  EXPECT_NE(edge.link.status().last_error.find("no such name"), std::string::npos) << edge.link.status().last_error;
  const std::size_t first = log.text().find("no such name");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(log.text().find("no such name", first + 1), std::string::npos);
  EXPECT_EQ(edge.link.status().state, EdgeState::waiting);
}

// Two machines with one name and key: each takes over from the other, and the more rarely the longer.
TEST(EdgeLink, TwinsDoNotPushEachOtherOutAllTheTime) {
  CapturedLog log;
  LinkWorld world({.rtt = 20ms});
  auto credentials = world.pki.edge("edge-a");
  world.edge("edge-a", credentials);
  world.edge("edge-a", credentials);
  world.loop.run_for(1min);
  EXPECT_GT(world.cloud_link->counters().superseded, 5u);
  EXPECT_LT(world.cloud_link->counters().superseded, 60u);
  EXPECT_TRUE(log.has("the node has started again, or runs twice"));
  EXPECT_EQ(world.nodes->connected(), 1u);
}

TEST(EdgeLink, AfterAGoodSessionItHurries) {
  CapturedLog log;
  for (std::uint64_t seed = 1; seed <= 20; seed++) {
    LinkWorld world({.seed = seed, .rtt = 20ms});
    TestEdge& edge = world.edge("edge-a");
    world.loop.run(edge.link->connected(), 10s);
    world.loop.run_for(6s);
    edge.link->session()->end(wire::SessionCode::draining, "come again");
    const TimePoint before = world.loop.now();
    world.loop.run_for(1ms);
    world.loop.run(edge.link->connected(), 10s);
    EXPECT_LT(world.loop.now() - before, 300ms);
  }
}

TEST(EdgeLink, DrainedWhileItDialsItStaysAway) {
  CapturedLog log;
  for (int ms = 0; ms <= 100; ms += 5) {
    LinkWorld world({.rtt = 40ms});
    TestEdge& edge = world.edge("edge-a");
    world.loop.run_for(std::chrono::milliseconds(ms));
    world.loop.run(edge.link->drain(1s, "going away"), 10s);
    world.loop.run_for(10s);
    EXPECT_EQ(edge.link->status().state, EdgeState::stopped) << ms;
    EXPECT_EQ(world.nodes->connected(), 0u) << ms;
    EXPECT_EQ(world.endpoint->connections(), 0u) << ms;
    EXPECT_EQ(edge.tasks.size(), 0u) << ms;
    world.loop.run(edge.link->connected(), 1ms);  // and nobody waits for it in vain
  }
}

TEST(EdgeLink, OpensNothingWithoutASessionAndSaysWhy) {
  CapturedLog log;
  Lost edge(1);
  edge.tries(1);
  auto flow = edge.loop.run(edge.link.open(Destination::cloud(), wire::FlowOpen{.plugin = "tcp"}), 1ms);
  ASSERT_FALSE(flow);
  EXPECT_EQ(flow.error().code, FlowCode::link_down);
  EXPECT_NE(flow.error().message.find("nowhere.example"), std::string::npos) << flow.error().message;
  flow = edge.loop.run(edge.link.open(Destination::to(NodeName::parse("edge-b").value()), wire::FlowOpen{.plugin = "tcp"}), 1ms);
  EXPECT_EQ(flow.error().code, FlowCode::no_route);
}

}  // namespace
}  // namespace fairlead::link
