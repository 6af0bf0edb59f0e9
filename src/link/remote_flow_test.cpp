// A flow that is used from another loop is as good as one that is not.
#include <gtest/gtest.h>

#include "link/flow_script.h"
#include "link/link_world.h"
#include "link/remote_peers.h"
#include "quic/chunk.h"

namespace fairlead::link {
namespace {

class RemoteFlows : public ::testing::Test {
 protected:
  RemoteFlows() : edge(world.edge("edge-a")), at_cloud(world.loop, ledger), at_edge(world.loop, ledger) {
    world.cloud->egresses.add(at_cloud);
    edge.egresses.add(at_edge);
    world.loop.run(edge.link->connected(), 10s);
    remote = std::make_unique<RemotePeers>(*world.cloud_link, world.loop);
  }
  FlowRecord& play(FlowScript script) {
    FlowRecord& record = ledger.add(script);
    flows.spawn(play_opener(world.loop, *remote, to_node("edge-a"), script, record, 1));
    return record;
  }
  std::unique_ptr<Flow> open() {
    wire::FlowOpen head{.plugin = "tcp", .target = "127.0.0.1:7"};
    return std::move(world.loop.run(remote->open(to_node("edge-a"), std::move(head)), 1s)).value();
  }
  std::uint64_t open_at_cloud() { return world.cloud_link->totals().flows_open; }
  std::uint64_t open_at_edge() { return edge.link->totals().flows_open; }
  void expect_all_over() {
    world.loop.run_for(1s);
    EXPECT_EQ(remote->carried(), 0u);
    EXPECT_EQ(open_at_cloud(), 0u);
    EXPECT_EQ(open_at_edge(), 0u);
    EXPECT_EQ(quic::chunks_in_use(), chunks_before);
  }

  const std::size_t chunks_before = quic::chunks_in_use();
  CapturedLog log;
  FlowLedger ledger;
  LinkWorld world{sim::LinkOptions{.rtt = 20ms}};
  TestEdge& edge;
  ScriptEgress at_cloud, at_edge;
  std::unique_ptr<RemotePeers> remote;
  Scope flows{world.loop};
};

TEST_F(RemoteFlows, EveryConversationEndsAsItWouldWithoutALoopBetween) {
  using Order = FlowScript::Order;
  using Ending = FlowScript::Ending;
  std::uint32_t id = 0;
  for (const std::uint32_t up : {0u, 1u, 10'000u, 700'000u})
    for (const std::uint32_t down : {0u, 1u, 10'000u, 700'000u})
      for (const Order order : {Order::together, Order::opener_first, Order::acceptor_first})
        for (const Ending ending :
             {Ending::whole, Ending::opener_aborts, Ending::acceptor_aborts, Ending::opener_drops, Ending::acceptor_drops, Ending::refused})
          for (const bool slow : {false, true}) {
            FlowScript script{.id = ++id, .up = up, .down = down, .order = order, .ending = ending};
            if (slow) script.opener_rest_ms = script.acceptor_rest_ms = 3;
            if (script.opener_breaks()) script.cut = up / 2;
            if (script.acceptor_breaks()) script.cut = down / 2;
            play(script);
          }
  world.loop.run(flows.done(), 2min);
  world.loop.run_for(5s);
  std::string wrong;
  for (const auto& [number, record] : ledger.flows()) wrong += judge(record, false);
  EXPECT_EQ(wrong, "");
  expect_all_over();
}

TEST_F(RemoteFlows, AnEndedSessionIsNoticedByWhoWaitsAndByWhoDoesNot) {
  FlowScript waits{.id = 1, .up = 10, .down = 10, .answer_after_ms = 60'000};
  FlowRecord& waiting = play(waits);
  // Another one has had the peer's end and has still to say something itself.
  std::unique_ptr<Flow> half = open();
  ASSERT_TRUE(world.loop.run(half->reply(), 1s));
  world.loop.run_for(100ms);
  Scope broken(world.loop);
  std::optional<Error> why;
  broken.spawn([](Flow& flow, std::optional<Error>& into) -> Task<void> { into = co_await flow.broken(); }(*half, why));
  world.loop.run_for(100ms);
  EXPECT_FALSE(why);
  edge.link->session()->end(wire::SessionCode::ok, "enough");
  world.loop.run_for(1s);
  EXPECT_TRUE(waiting.opener.over);
  EXPECT_EQ(waiting.opener.code, FlowCode::link_down);
  EXPECT_TRUE(why);
  EXPECT_EQ(half->peer_code(), FlowCode::link_down);
  EXPECT_FALSE(world.loop.run(half->prepare(), 1s));
  EXPECT_FALSE(half->shut());
  half.reset();
  expect_all_over();
}

// The far side wants nothing more, and its own half goes on: seen at once by who only watches, with its code.
TEST_F(RemoteFlows, APeerThatReadsNoMoreIsSeenWhileItsOwnHalfGoesOn) {
  class Deaf final : public Egress {
   public:
    std::string_view plugin() const override { return "deaf"; }
    Task<void> serve(std::unique_ptr<Flow> flow) override {
      auto accepted = co_await flow->accept("x");
      static_cast<void>(accepted);
      static_cast<void>(flow->shut());
    }
  } deaf;
  edge.egresses.add(deaf);
  // It said hello without that plug-in.
  edge.link->session()->end(wire::SessionCode::ok, "again");
  world.loop.run_for(1s);
  world.loop.run(edge.link->connected(), 10s);
  wire::FlowOpen head{.plugin = "deaf"};
  std::unique_ptr<Flow> flow = std::move(world.loop.run(remote->open(to_node("edge-a"), std::move(head)), 1s)).value();
  ASSERT_TRUE(world.loop.run(flow->reply(), 1s));
  auto end = world.loop.run(flow->peek(), 1s);
  EXPECT_TRUE(end && end->empty());
  Scope writing(world.loop);
  writing.spawn(send_pattern(*flow, 10'000'000));
  static_cast<void>(world.loop.run(flow->broken(), 1s));
  world.loop.run(writing.done(), 1s);
  EXPECT_EQ(flow->peer_code(), FlowCode::cancelled);
  flow.reset();
  expect_all_over();
}

TEST_F(RemoteFlows, AHandleThatIsDroppedEndsTheFlowAtAnyMoment) {
  enum class Step : std::uint8_t { opened, answered, written, blocked, shut, shut_and_read };
  for (const Step step : {Step::opened, Step::answered, Step::written, Step::blocked, Step::shut, Step::shut_and_read})
    for (const bool abort : {false, true}) {
      SCOPED_TRACE(fmt::format("step {}{}", static_cast<int>(step), abort ? " aborts" : ""));
      std::unique_ptr<Flow> flow = open();
      Scope writing(world.loop);
      if (step >= Step::answered) {
        ASSERT_TRUE(world.loop.run(flow->reply(), 1s));
      }
      // Nobody reads what comes back, so at some time nothing goes out either.
      if (step == Step::blocked) writing.spawn(send_pattern(*flow, 100'000'000));
      if (step >= Step::written && step != Step::blocked) {
        ASSERT_TRUE(world.loop.run(flow->write(as_bytes("hello")), 1s));
      }
      world.loop.run_for(step == Step::blocked ? 2s : 0s);
      if (step >= Step::shut) {
        EXPECT_TRUE(flow->shut());
      }
      if (step == Step::shut_and_read) {
        EXPECT_TRUE(world.loop.run(read_pattern(*flow), 1s).error().code() == Code::internal) << "it is not the pattern";
      }
      writing.cancel_now();
      if (abort) flow->abort(FlowCode::reset);
      flow.reset();
      expect_all_over();
    }
}

// An idle service: it has answered and says nothing. The user has shut its half and goes.
TEST_F(RemoteFlows, AHandleThatWasShutAndDroppedIsNotWaitedFor) {
  FlowScript script{.id = 1, .down = 10, .answer_after_ms = 3'600'000};
  ledger.add(script);
  wire::FlowOpen head{.plugin = "script", .head = script.to_head()};
  std::unique_ptr<Flow> flow = std::move(world.loop.run(remote->open(to_node("edge-a"), std::move(head)), 1s)).value();
  EXPECT_TRUE(flow->shut());
  world.loop.run_for(1s);
  flow.reset();
  world.loop.run_for(1s);
  EXPECT_EQ(remote->carried(), 0u);
  EXPECT_EQ(open_at_cloud(), 0u);
}

// Back-pressure both ways: what nobody takes is not taken from anybody.
TEST_F(RemoteFlows, AStalledUserHoldsNoMoreThanItsCredit) {
  // What a stalled flow holds without a loop between.
  const auto fill = [&](Peers& peers) {
    FlowScript script{.id = 1000 + static_cast<std::uint32_t>(ledger.flows().size()), .down = 100'000'000};
    FlowRecord& record = ledger.add(script);
    wire::FlowOpen head{.plugin = "script", .head = script.to_head()};
    std::unique_ptr<Flow> flow = std::move(world.loop.run(peers.open(to_node("edge-a"), std::move(head)), 1s)).value();
    world.loop.run_for(5s);
    const std::uint64_t sent = record.acceptor.sent;
    flow.reset();
    world.loop.run_for(1s);
    return sent;
  };
  const std::uint64_t direct = fill(*world.cloud_link), over = fill(*remote);
  EXPECT_GT(over, RemoteFlow::kCredit);
  constexpr std::size_t kGrown = 896_KiB + 64_KiB;  // the stream's window, drained of the credit and doubled three times at that; a chunk
  EXPECT_LE(over, direct + RemoteFlow::kCredit + kGrown);
  expect_all_over();
}

TEST_F(RemoteFlows, AStalledServiceStopsTheUser) {
  FlowScript script{.id = 1, .up = 1, .answer_after_ms = 3'600'000};
  ledger.add(script);
  wire::FlowOpen head{.plugin = "script", .head = script.to_head()};
  std::unique_ptr<Flow> flow = std::move(world.loop.run(remote->open(to_node("edge-a"), std::move(head)), 1s)).value();
  Scope writing(world.loop);
  writing.spawn(send_pattern(*flow, 100'000'000));
  world.loop.run_for(5s);
  EXPECT_FALSE(flow->has_room());
  EXPECT_LT(flow->bytes_out(), RemoteFlow::kCredit + 2 * 256_KiB + 128_KiB + RemoteFlow::kBuffer)
      << "the queue, the send buffer, the window";
  writing.cancel_now();
  flow.reset();
  world.loop.run_for(1s);
  EXPECT_EQ(remote->carried(), 0u);
}

TEST_F(RemoteFlows, NothingIsWrittenAfterTheEnd) {
  std::unique_ptr<Flow> flow = open();
  EXPECT_TRUE(flow->shut());
  auto room = world.loop.run(flow->prepare(), 1s);
  ASSERT_FALSE(room);
  EXPECT_EQ(room.error().code(), Code::invalid);
  EXPECT_FALSE(flow->has_room());
  EXPECT_TRUE(flow->shut()) << "as often as one likes";
}

}  // namespace
}  // namespace fairlead::link
