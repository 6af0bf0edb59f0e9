#include <gtest/gtest.h>

#include "link/link_world.h"

namespace fairlead::link {
namespace {

Task<void> read_all(Flow& flow) {
  auto ready = co_await flow.reply();
  if (!ready) co_return;
  auto got = co_await read_pattern(flow);
  static_cast<void>(got);
}

TEST(Session, CarriesAFlowEachWay) {
  LinkWorld world({.rtt = 50ms});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  EXPECT_EQ(world.loop.run(echo(*world.cloud_link, to_node("edge-a"), 100'000), 10s).value(), 100'000u);
  EXPECT_EQ(world.loop.run(echo(*edge.link, Destination::cloud(), 100'000), 10s).value(), 100'000u);
  EXPECT_EQ(edge.echo.seen, std::vector<std::string>{"127.0.0.1:7"});
}

TEST(Session, OpenAndFirstBytesGoOutTogether) {
  LinkWorld world({.rtt = 100ms});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  world.loop.run_for(1s);
  const TimePoint before = world.loop.now();
  EXPECT_TRUE(world.loop.run(echo(*world.cloud_link, to_node("edge-a"), 100), 10s));
  EXPECT_LT(world.loop.now() - before, 130ms) << "one round trip for open, answer and echo";
}

TEST(Session, ARefusalArrivesWithCodeDeliveredAndSentence) {
  LinkWorld world({.rtt = 20ms});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  edge.echo.refuse_with = Refusal{FlowCode::forbidden, Delivered::no, "10.0.0.1:22 is not allowed here"};
  auto refused = world.loop.run(echo(*world.cloud_link, to_node("edge-a"), 100'000), 10s);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, FlowCode::forbidden);
  EXPECT_EQ(refused.error().delivered, Delivered::no);
  EXPECT_EQ(refused.error().message, "10.0.0.1:22 is not allowed here");
  world.loop.run_for(1s);
  EXPECT_EQ(world.cloud_link->find(NodeName::parse("edge-a").value())->tally().open, 0u);
}

TEST(Session, ANodeThatIsNotConnectedIsRefusedAtOnce) {
  LinkWorld world;
  auto refused = world.loop.run(echo(*world.cloud_link, to_node("nobody"), 10), 1s);
  EXPECT_EQ(refused.error().code, FlowCode::link_down);
}

TEST(Session, AnUnknownPluginIsRefusedBeforeItCrossesTheLink) {
  LinkWorld world;
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  auto flow = world.loop.run(world.cloud_link->open(to_node("edge-a"), wire::FlowOpen{.plugin = "mqtt"}), 1s);
  EXPECT_EQ(flow.error().code, FlowCode::unsupported);
}

TEST(Session, AHeadAtTheLimitArrivesAndOnePastItIsRefusedHere) {
  LinkWorld world({.rtt = 20ms});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  const std::string name(wire::kMaxName, 'n');
  wire::FlowOpen open{.plugin = "tcp", .backend = name, .target = name, .remaining = 10s, .traceparent = name, .source = name};
  open.head = std::string(wire::kMaxFlowHead, 'h');
  auto flow = world.loop.run(world.cloud_link->open(to_node("edge-a"), open), 1s);
  ASSERT_TRUE(flow);
  EXPECT_TRUE(world.loop.run((*flow)->reply(), 1s));
  open.head += 'h';
  flow = world.loop.run(world.cloud_link->open(to_node("edge-a"), open), 1s);
  ASSERT_FALSE(flow);
  EXPECT_EQ(flow.error().code, FlowCode::protocol);
  EXPECT_EQ(flow.error().delivered, Delivered::no);
}

TEST(Session, LabelsOfTheHelloAreKnown) {
  LinkWorld world({.rtt = 20ms});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  const NodeName node = NodeName::parse("edge-a").value();
  EXPECT_EQ(world.nodes->all().at(node).labels, (wire::Labels{{"site", "test"}}));
  EXPECT_EQ(world.cloud_link->find(node)->labels(), (wire::Labels{{"site", "test"}}));
}

TEST(Session, AKilledEdgeTakesOverFromItsOwnDeadSession) {
  LinkWorld world({.rtt = 50ms});
  TestEdge* edge = &world.edge("edge-a");
  world.loop.run(edge->link->connected(), 10s);
  auto flow = world.loop.run(world.cloud_link->open(to_node("edge-a"), wire::FlowOpen{.plugin = "tcp"}), 1s);
  ASSERT_TRUE(flow);
  world.kill(*edge);
  edge = &world.edge("edge-a");
  world.loop.run(edge->link->connected(), 5s);
  // The flow of the dead one ends now, not when a timer runs out.
  static_cast<void>(world.loop.run((*flow)->broken(), 1s));
  EXPECT_EQ(world.cloud_link->counters().superseded, 1u);
  EXPECT_TRUE(world.loop.run(echo(*world.cloud_link, to_node("edge-a"), 1000), 10s));
  EXPECT_EQ(world.nodes->connected(), 1u);
}

TEST(Session, AnEdgeIsBackWithinFiveSecondsOfTheCloudsRestart) {
  LinkWorld world({.rtt = 50ms});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  // In mid-traffic: something is in flight when the cloud dies.
  auto flow = world.loop.run(edge.link->open(Destination::cloud(), wire::FlowOpen{.plugin = "tcp"}), 1s);
  ASSERT_TRUE(flow);
  Scope traffic(world.loop);
  traffic.spawn(send_pattern(**flow, 1'000'000'000));
  traffic.spawn(read_all(**flow));
  world.loop.run_for(500ms);
  world.restart_cloud();
  static_cast<void>(world.loop.run((*flow)->broken(), 5s));
  world.loop.run(edge.link->connected(), 5s);
  EXPECT_TRUE(world.loop.run(echo(*world.cloud_link, to_node("edge-a"), 1000), 1s));
}

// Who only receives has nothing in flight that could go unanswered: that the sender died must be found all the same.
TEST(Session, APureReceiverKnowsWithinFiveSecondsThatItsSenderDied) {
  for (int at_ms = 500; at_ms < 600; at_ms += 7) {
    LinkWorld world({.rtt = 30ms, .rate = 20'000'000});
    TestEdge& edge = world.edge("edge-a");
    world.loop.run(edge.link->connected(), 10s);
    auto flow = world.loop.run(edge.link->open(Destination::cloud(), wire::FlowOpen{.plugin = "tcp"}), 1s);
    ASSERT_TRUE(flow);
    world.cloud->echo.swallow = true;
    Scope traffic(world.loop);
    traffic.spawn(send_pattern(**flow, 1'000'000'000));
    world.loop.run_for(std::chrono::milliseconds(at_ms));
    traffic.cancel_now();
    flow->reset();
    world.kill(edge);
    world.loop.run_for(5s);
    auto session = world.cloud_link->find(NodeName::parse("edge-a").value());
    EXPECT_TRUE(session == nullptr || session->state() == SessionState::suspect) << "killed after " << at_ms << " ms";
  }
}

TEST(Session, AnIdleEdgeFindsOutByItsKeepAlive) {
  LinkWorld world({.rtt = 50ms});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  world.loop.run_for(1min);
  world.restart_cloud();
  world.loop.run_for(world.quic.engine.keep_alive + 1s);
  EXPECT_EQ(world.nodes->connected(), 1u);
}

TEST(Session, SilenceMakesSuspectAndNewFlowsFailAtOnce) {
  LinkWorld world({.rtt = 50ms});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  auto flow = world.loop.run(world.cloud_link->open(to_node("edge-a"), wire::FlowOpen{.plugin = "tcp"}), 1s);
  ASSERT_TRUE(flow);
  ASSERT_TRUE(world.loop.run((*flow)->reply(), 1s));
  world.net.set_up(*world.cloud_host, *edge.host, false);
  ASSERT_TRUE(world.loop.run((*flow)->write(as_bytes("anybody there?")), 1s));
  const WallTime cut = world.loop.wall_now();
  world.loop.run_for(3s);
  EXPECT_EQ(world.cloud_link->find(NodeName::parse("edge-a").value())->state(), SessionState::suspect);
  const SessionStatus status = world.cloud_link->status().at(0);
  ASSERT_TRUE(status.silent_since);
  EXPECT_LE(std::chrono::abs(*status.silent_since - cut), 600ms);
  const TimePoint before = world.loop.now();
  auto refused = world.loop.run(echo(*world.cloud_link, to_node("edge-a"), 10), 1s);
  EXPECT_EQ(refused.error().code, FlowCode::link_down);
  EXPECT_EQ(world.loop.now(), before);

  world.net.set_up(*world.cloud_host, *edge.host, true);
  const auto session = world.cloud_link->find(NodeName::parse("edge-a").value());
  const TimePoint heard = session->carrier().last_heard();
  while (session->carrier().last_heard() == heard && world.loop.now() < before + 30s) world.loop.run_for(1ms);
  EXPECT_EQ(session->state(), SessionState::live) << "with the first packet";
  EXPECT_FALSE(session->silent_since());
  EXPECT_TRUE(world.loop.run(echo(*world.cloud_link, to_node("edge-a"), 10), 1s));
  auto echoed = world.loop.run((*flow)->peek(), 1s);
  ASSERT_TRUE(echoed);
  EXPECT_EQ(as_text(*echoed), "anybody there?");
}

TEST(Session, SilenceLongerThanSurviveEndsIt) {
  LinkWorld world({.rtt = 50ms});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  auto flow = world.loop.run(world.cloud_link->open(to_node("edge-a"), wire::FlowOpen{.plugin = "tcp"}), 1s);
  ASSERT_TRUE(flow);
  world.net.set_up(*world.cloud_host, *edge.host, false);
  ASSERT_TRUE(world.loop.run((*flow)->write(as_bytes("x")), 1s));
  world.loop.run_for(world.session.survive + 10s);
  EXPECT_EQ(world.nodes->connected(), 0u);
  world.net.set_up(*world.cloud_host, *edge.host, true);
  world.loop.run_for(30s);
  EXPECT_EQ(world.nodes->connected(), 1u);
}

TEST(Session, DrainTellsThePeerAndLetsFlowsEnd) {
  LinkWorld world({.rtt = 20ms});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  auto flow = world.loop.run(edge.link->open(Destination::cloud(), wire::FlowOpen{.plugin = "tcp"}), 1s);
  ASSERT_TRUE(flow);
  ASSERT_TRUE(world.loop.run((*flow)->reply(), 1s));
  Scope drain(world.loop);
  drain.spawn(world.cloud_link->drain(5s, "shutting down"));
  world.loop.run_for(100ms);
  auto refused = world.loop.run(echo(*edge.link, Destination::cloud(), 10), 1s);
  EXPECT_EQ(refused.error().code, FlowCode::draining);
  // The open flow still works until it ends by itself.
  ASSERT_TRUE(world.loop.run((*flow)->write(as_bytes("still here")), 1s));
  auto echoed = world.loop.run((*flow)->peek(), 1s);
  ASSERT_TRUE(echoed);
  EXPECT_EQ(as_text(*echoed), "still here");
  (*flow)->consume(echoed->size());
  static_cast<void>((*flow)->shut());
  auto end = world.loop.run((*flow)->peek(), 1s);
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->empty());
  flow->reset();
  const TimePoint before = world.loop.now();
  world.loop.run(drain.done(), 5s);
  EXPECT_LT(world.loop.now() - before, 1s) << "nothing is left to wait for";
}

TEST(Session, DrainEndsWhatDoesNotEndByItself) {
  LinkWorld world({.rtt = 20ms});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  auto flow = world.loop.run(edge.link->open(Destination::cloud(), wire::FlowOpen{.plugin = "tcp"}), 1s);
  ASSERT_TRUE(flow);
  ASSERT_TRUE(world.loop.run((*flow)->reply(), 1s));
  const TimePoint before = world.loop.now();
  world.loop.run(world.cloud_link->drain(2s, "shutting down"), 10s);
  EXPECT_GE(world.loop.now() - before, 2s);
  static_cast<void>(world.loop.run((*flow)->broken(), 1s));
  EXPECT_NE(edge.link->status().last_error.find("shutting down"), std::string::npos) << edge.link->status().last_error;
}

}  // namespace
}  // namespace fairlead::link
