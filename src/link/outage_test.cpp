// A link that is silent and returns, with flows on it: they go on at once, or end with an error when it was silent for too long.
#include <gtest/gtest.h>

#include "link/flow_script.h"
#include "link/link_world.h"

namespace fairlead::link {
namespace {

struct Case {
  Duration out;
  bool down;  // bytes go from the edge to the cloud, where the flow was opened
  double loss;
};

class LinkOutage : public testing::TestWithParam<Case> {
 protected:
  static sim::LinkOptions link() { return {.seed = 3, .rtt = 50ms, .loss = GetParam().loss, .rate = 100'000'000, .queue = 400}; }

  std::uint64_t moved() {
    const FlowRecord& record = ledger_.at(1);
    return GetParam().down ? record.opener.received : record.acceptor.received;
  }
  // From now on.
  template <class F>
  Duration until(F done, Duration limit = 30s) {
    const TimePoint start = world_.loop.now();
    while (!done() && world_.loop.now() - start < limit) world_.loop.run_for(10ms);
    return world_.loop.now() - start;
  }
  Task<void> play(FlowScript script) {
    FlowRecord& record = ledger_.add(script);
    Destination to = to_node("edge-a");
    auto playing = play_opener(world_.loop, *world_.cloud_link, std::move(to), script, record);
    co_await playing;
  }

  LinkWorld world_{link()};
  FlowLedger ledger_;
  ScriptEgress at_edge_{world_.loop, ledger_};
  Scope flows_{world_.loop};
};

TEST_P(LinkOutage, FlowsGoOnAtOnceAndNewOnesAreAnswered) {
  TestEdge& edge = world_.edge("edge-a");
  edge.egresses.add(at_edge_);
  world_.loop.run(edge.link->connected(), 30s);
  const std::uint32_t size = 50'000'000;
  flows_.spawn(play({.id = 1, .up = GetParam().down ? 100 : size, .down = GetParam().down ? size : 100}));
  until([&] { return ledger_.has(1) && moved() > 10'000'000; });
  ASSERT_LT(moved(), 40'000'000u);

  world_.net.set_up(*world_.cloud_host, *edge.host, false);
  world_.loop.run_for(GetParam().out);
  world_.net.set_up(*world_.cloud_host, *edge.host, true);
  const std::uint64_t before = moved();
  const TimePoint back = world_.loop.now();
  flows_.spawn(play({.id = 2, .up = 200, .down = 1000}));  // tried each 200 ms until there is somebody
  EXPECT_LT(until([&] { return moved() > before; }), 500ms);
  until([&] { return ledger_.at(2).opener.over; });
  EXPECT_LT(world_.loop.now() - back, 800ms);
  until([&] { return ledger_.unfinished() == 0; });
  EXPECT_LT(world_.loop.now() - back, 10s) << "40 MB";
  for (const auto& [id, record] : ledger_.flows()) EXPECT_EQ(judge(record, false), "");
  EXPECT_EQ(world_.cloud_link->counters().accepted, 1u);
}

INSTANTIATE_TEST_SUITE_P(Lengths, LinkOutage,
                         testing::Values(Case{10s, true, 0}, Case{10s, false, 0}, Case{60s, true, 0}, Case{60s, false, 0.01},
                                         Case{110s, true, 0.01}, Case{110s, false, 0}),
                         [](const auto& each) {
                           return std::to_string(each.param.out / 1s) + (each.param.down ? "s_down" : "s_up") +
                                  (each.param.loss > 0 ? "_with_loss" : "");
                         });

TEST(LinkOutageOver, FlowsEndWithAnErrorOnBothSidesWhenItWasSilentForTooLong) {
  LinkWorld world({.rtt = 50ms, .rate = 100'000'000});
  FlowLedger ledger;
  ScriptEgress at_edge(world.loop, ledger);
  TestEdge& edge = world.edge("edge-a");
  edge.egresses.add(at_edge);
  world.loop.run(edge.link->connected(), 30s);
  Scope flows(world.loop);
  const FlowScript script{.id = 1, .up = 50'000'000, .down = 50'000'000};
  FlowRecord& record = ledger.add(script);
  Destination to = to_node("edge-a");
  flows.spawn(play_opener(world.loop, *world.cloud_link, std::move(to), script, record));
  world.loop.run_for(1s);
  world.net.set_up(*world.cloud_host, *edge.host, false);
  world.loop.run_for(world.session.survive + 5s);
  EXPECT_TRUE(record.opener.over && record.acceptor.over);
  EXPECT_EQ(judge(record, true), "");
  EXPECT_FALSE(record.opener.whole);
  world.net.set_up(*world.cloud_host, *edge.host, true);
  world.loop.run(edge.link->connected(), 10s);
  flows.cancel_now();
  world.loop.run_for(10s);
  EXPECT_EQ(world.cloud->process.used(), 0u);
  EXPECT_EQ(edge.process.used(), 0u);
}

}  // namespace
}  // namespace fairlead::link
