// Going away in good order: what is open ends by itself, what is on its way arrives, what is new is refused.
#include <gtest/gtest.h>

#include "link/flow_script.h"
#include "link/link_world.h"

namespace fairlead::link {
namespace {

class Drain : public ::testing::Test {
 protected:
  Drain() : world({.rtt = 20ms, .rate = 2'000'000}), edge(world.edge("edge-a")), at_cloud(world.loop, ledger), at_edge(world.loop, ledger) {
    world.cloud->egresses.add(at_cloud);
    edge.egresses.add(at_edge);
    world.loop.run(edge.link->connected(), 10s);
  }
  // `script` with its opener at the cloud.
  FlowRecord& play(FlowScript script) {
    FlowRecord& record = ledger.add(script);
    flows.spawn(play_opener(world.loop, *world.cloud_link, to_node("edge-a"), script, record, 1));
    return record;
  }

  CapturedLog log;
  FlowLedger ledger;
  LinkWorld world;
  TestEdge& edge;
  ScriptEgress at_cloud, at_edge;
  Scope flows{world.loop}, drains{world.loop};
};

// The egress is done with its flow as soon as the last byte is in the send buffer; a slow link has most of it still to carry.
TEST_F(Drain, WhatAFlowThatIsOverHadToSendStillArrives) {
  FlowRecord& record = play({.id = 1, .down = 200'000});
  while (!record.acceptor.over) world.loop.run_for(1ms);
  ASSERT_LT(record.opener.received, 100'000u) << "nothing is on its way";
  drains.spawn(edge.link->drain(10s, "going away"));
  world.loop.run(drains.done(), 10s);
  world.loop.run_for(1s);
  EXPECT_EQ(judge(record, false), "");
}

TEST_F(Drain, TheSameFromTheOtherSide) {
  FlowRecord& record = play({.id = 1, .up = 200'000});
  while (record.opener.sent < 200'000) world.loop.run_for(1ms);
  ASSERT_LT(record.acceptor.received, 100'000u);
  drains.spawn(world.cloud_link->drain(10s, "going away"));
  world.loop.run(drains.done(), 10s);
  EXPECT_EQ(judge(record, false), "");
}

TEST_F(Drain, WithNothingOpenItTakesNoTime) {
  const TimePoint before = world.loop.now();
  world.loop.run(edge.link->drain(10s, "going away"), 10s);
  EXPECT_LT(world.loop.now() - before, 100ms);
}

TEST_F(Drain, WithoutTimeItEndsAtOnceAndStillSaysWhy) {
  FlowRecord& record = play({.id = 1, .down = 200'000});
  world.loop.run_for(200ms);
  const TimePoint before = world.loop.now();
  world.loop.run(edge.link->drain(0s, "in a hurry"), 10s);
  EXPECT_EQ(world.loop.now(), before);
  world.loop.run_for(3s);
  EXPECT_EQ(judge(record, true), "");
  EXPECT_TRUE(record.opener.over);
  EXPECT_TRUE(log.has("in a hurry"));
  EXPECT_EQ(world.nodes->connected(), 0u);
}

// Power lost at the other side, then SIGTERM here: not all the time is waited for somebody who is not there.
TEST_F(Drain, ASilentPeerIsNotWaitedForOnceNothingIsOpen) {
  FlowRecord& record = play({.id = 1, .down = 200'000});
  while (!record.acceptor.over) world.loop.run_for(1ms);
  world.cloud_host->crash();
  world.loop.run_for(3s);
  ASSERT_EQ(edge.link->session()->state(), SessionState::suspect);
  const TimePoint before = world.loop.now();
  world.loop.run(edge.link->drain(1min, "going away"), 2min);
  EXPECT_LT(world.loop.now() - before, 1s);
}

TEST_F(Drain, FlowsThatComeMeanwhileAreRefusedWithTheReason) {
  FlowRecord& open = play({.id = 1, .down = 400'000});
  world.loop.run_for(200ms);
  drains.spawn(edge.link->drain(10s, "going away"));
  // The cloud does not know yet.
  FlowRecord& late = play({.id = 2, .down = 10});
  world.loop.run_for(1s);
  EXPECT_TRUE(late.opener.over);
  EXPECT_EQ(late.opener.code, FlowCode::draining);
  EXPECT_FALSE(late.acceptor.begun);
  world.loop.run(drains.done(), 10s);
  EXPECT_EQ(judge(open, false), "");
}

// A cloud that goes away takes no new edges, and tells those who come.
TEST_F(Drain, AnEdgeThatComesMeanwhileIsSentAway) {
  FlowRecord& open = play({.id = 1, .up = 400'000});
  world.loop.run_for(200ms);
  drains.spawn(world.cloud_link->drain(10s, "restarting"));
  TestEdge& late = world.edge("edge-b");
  world.loop.run(drains.done(), 10s);
  world.loop.run_for(1s);
  EXPECT_EQ(judge(open, false), "");
  EXPECT_EQ(late.link->session(), nullptr);
  EXPECT_FALSE(late.link->status().last_error.empty());
}

}  // namespace
}  // namespace fairlead::link
