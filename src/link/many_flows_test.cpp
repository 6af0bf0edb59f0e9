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

Task<void> open_and_note(LinkWorld& world, Duration limit, int number, std::vector<int>& order, std::vector<std::unique_ptr<Flow>>& open,
                         std::vector<FlowCode>& refused) {
  wire::FlowOpen head{.plugin = "tcp", .remaining = limit};
  auto flow = co_await world.cloud_link->open(to_node("edge-a"), std::move(head));
  if (!flow) {
    refused.push_back(flow.error().code);
    co_return;
  }
  order.push_back(number);
  open.push_back(*std::move(flow));
}

class FewStreams : public ::testing::Test {
 protected:
  static constexpr std::size_t kStreams = 4;
  static WorldOptions options() {
    WorldOptions few{.link = {.rtt = 20ms}};
    few.quic.engine.max_streams = few.h2.engine.max_streams = kStreams;
    return few;
  }
  FewStreams() { world.loop.run(edge.link->connected(), 10s); }
  void ask(int count, Duration limit) {
    for (int i = 0; i < count; i++) waiting.spawn(open_and_note(world, limit, i, order, open, refused));
  }

  CapturedLog log;
  LinkWorld world{options()};
  TestEdge& edge = world.edge("edge-a");
  std::vector<int> order;
  std::vector<std::unique_ptr<Flow>> open;
  std::vector<FlowCode> refused;
  Scope waiting{world.loop};
};

TEST_F(FewStreams, OpensBeyondTheLimitWaitAndGetTheirTurnInOrder) {
  ask(50, 1min);
  world.loop.run_for(1s);
  EXPECT_EQ(order.size(), kStreams);
  while (order.size() < 50) {
    ASSERT_FALSE(open.empty());
    open.erase(open.begin());
    const std::size_t before = order.size();
    world.loop.run_for(500ms);
    ASSERT_EQ(order.size(), before + 1) << "one ends, one begins";
  }
  EXPECT_TRUE(std::ranges::is_sorted(order));
  EXPECT_TRUE(refused.empty());
}

TEST_F(FewStreams, WhoWaitsLongerThanItsDeadlineIsOverloaded) {
  ask(kStreams + 1, 2s);
  world.loop.run_for(1900ms);
  EXPECT_TRUE(refused.empty());
  world.loop.run_for(200ms);
  EXPECT_EQ(refused, std::vector<FlowCode>{FlowCode::overloaded});
  EXPECT_EQ(open.size(), kStreams);
}

TEST_F(FewStreams, WhoWaitsWhenTheSessionEndsIsToldThatTheLinkIsDown) {
  ask(kStreams + 3, 1min);
  world.loop.run_for(1s);
  edge.link->session()->end(wire::SessionCode::ok, "enough");
  world.loop.run_for(1s);
  EXPECT_EQ(refused, std::vector<FlowCode>(3, FlowCode::link_down));
}

TEST_F(FewStreams, WhoGivesUpWaitingLeavesTheTurnToTheNext) {
  ask(kStreams, 1min);
  world.loop.run_for(100ms);
  {
    Scope impatient(world.loop);
    impatient.spawn(open_and_note(world, 1min, 100, order, open, refused));
    world.loop.run_for(100ms);
    waiting.spawn(open_and_note(world, 1min, 101, order, open, refused));
    world.loop.run_for(100ms);
  }
  open.erase(open.begin());
  world.loop.run_for(1s);
  EXPECT_EQ(order.back(), 101);
}

// Stalled flows of every ordinary class have taken all the memory that they may have.
TEST(ManyFlows, TheReserveIsThereForManagementWhenStalledReadersHoldTheRest) {
  constexpr Duration kRtt = 40ms;
  LinkWorld world(WorldOptions{.link = {.seed = 5, .rtt = kRtt}, .session_memory = 4_MiB});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  std::vector<std::unique_ptr<Flow>> stalled;
  Scope writers(world.loop);
  for (int i = 0; i < 300; i++) {
    const auto some = static_cast<wire::TrafficClass>(2 + i % 3);
    auto flow = world.loop.run(world.cloud_link->open(to_node("edge-a"), wire::FlowOpen{.plugin = "tcp", .traffic_class = some}), 10s);
    ASSERT_TRUE(flow) << flow.error().message;
    stalled.push_back(*std::move(flow));
    writers.spawn(send_pattern(*stalled.back(), 1'000'000));
  }
  world.loop.run_for(10s);
  EXPECT_LE(world.cloud->process.used(), 4_MiB);
  EXPECT_LE(edge.process.used(), 4_MiB);
  EXPECT_GT(edge.process.used(), 2_MiB) << "nothing is short";
  for (int i = 0; i < 10; i++) {
    wire::FlowOpen head{.plugin = "tcp", .traffic_class = wire::TrafficClass::management};
    const TimePoint before = world.loop.now();
    auto flow = world.loop.run(world.cloud_link->open(to_node("edge-a"), std::move(head)), 1s);
    ASSERT_TRUE(flow) << flow.error().message;
    writers.spawn(send_pattern(**flow, 100'000));
    auto reply = world.loop.run((*flow)->reply(), 1s);
    ASSERT_TRUE(reply);
    EXPECT_LE(world.loop.now() - before, 2 * kRtt);
    auto got = world.loop.run(read_pattern(**flow), 10s);
    EXPECT_TRUE(got && *got == 100'000u);
  }
}

}  // namespace
}  // namespace fairlead::link
