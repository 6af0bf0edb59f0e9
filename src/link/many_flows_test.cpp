// Many flows on one session: all complete, and those that nobody reads hold up no other.
#include <gtest/gtest.h>

#include "link/link_world.h"

namespace fairlead::link {
namespace {

Task<void> echo_and_count(LinkWorld& world, std::size_t size, std::size_t& whole) {
  auto got = co_await echo(*world.cloud_link, to_node("edge-a"), size);
  if (got && *got == size) whole++;
}

TEST(ManyFlows, TenThousandOnOneSessionAllComplete) {
  LinkWorld world({.seed = 3, .rtt = 20ms, .loss = 0.01});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  std::size_t whole = 0;
  Scope flows(world.loop);
  // Ten times as many as may be open at once are asked for in one moment; the rest waits for its turn.
  for (int i = 0; i < 10'000; i++) flows.spawn(echo_and_count(world, static_cast<std::size_t>(i % 1500), whole));
  world.loop.run(flows.done(), 60s);
  EXPECT_EQ(whole, 10'000u);
  world.loop.run_for(1s);
  EXPECT_EQ(world.cloud_link->find(NodeName::parse("edge-a").value())->tally().open, 0u);
  EXPECT_EQ(edge.link->session()->tally().open, 0u);
  // What is left is the connection's own, and goes with it.
  EXPECT_LT(world.cloud->process.used(), 512_KiB);
  EXPECT_LT(edge.process.used(), 512_KiB);
  world.loop.run(edge.link->drain(1s, "done"), 10s);
  world.loop.run_for(10s);
  EXPECT_EQ(world.cloud->process.used(), 0u) << "bytes that are still charged";
}

TEST(ManyFlows, AThousandStalledReadersDelayNoOtherFlow) {
  constexpr Duration kRtt = 40ms;
  LinkWorld world({.seed = 4, .rtt = kRtt});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);

  // The edge echoes all that is sent, and nobody reads the echo: both windows of each flow fill up.
  std::vector<std::unique_ptr<Flow>> stalled;
  Scope writers(world.loop);
  for (int i = 0; i < 1000; i++) {
    auto flow = world.loop.run(world.cloud_link->open(to_node("edge-a"), wire::FlowOpen{.plugin = "tcp"}), 10s);
    ASSERT_TRUE(flow) << flow.error().message;
    stalled.push_back(*std::move(flow));
    writers.spawn(send_pattern(*stalled.back(), 10'000'000));
  }
  world.loop.run_for(30s);
  // Bounded by the session's budget, whatever a thousand writers would like.
  EXPECT_LE(edge.process.used(), edge.process.limit());
  EXPECT_LE(world.cloud->process.used(), world.cloud->process.limit());

  for (int i = 0; i < 20; i++) {
    const TimePoint before = world.loop.now();
    auto lively = world.loop.run(echo(*world.cloud_link, to_node("edge-a"), 1000), 10s);
    ASSERT_TRUE(lively) << name(lively.error().code) << " " << lively.error().message;
    EXPECT_LE(world.loop.now() - before, 2 * kRtt) << "flow " << i;
  }
  writers.cancel_now();
  stalled.clear();
  world.loop.run_for(5s);
  EXPECT_LT(world.cloud->process.used(), 1_MiB);
  EXPECT_LT(edge.process.used(), 1_MiB);
}

}  // namespace
}  // namespace fairlead::link
