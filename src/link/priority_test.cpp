// Who goes first on a busy link: small conversations pass transfers, and a transfer is known by what it does.
#include <gtest/gtest.h>

#include "link/flow_script.h"
#include "link/link_world.h"

namespace fairlead::link {
namespace {

constexpr Duration kRtt = 50ms;

class BusyLink : public ::testing::Test {
 protected:
  explicit BusyLink(std::uint64_t rate = 100'000'000, Duration bulk_queue_target = quic::EngineSettings{}.bulk_queue_target)
      : world(options(rate, bulk_queue_target)), edge(world.edge("edge-a")), at_cloud(world.loop, ledger), at_edge(world.loop, ledger) {
    world.cloud->egresses.add(at_cloud);
    edge.egresses.add(at_edge);
    world.loop.run(edge.link->connected(), 10s);
  }
  static WorldOptions options(std::uint64_t rate, Duration bulk_queue_target) {
    WorldOptions busy{.link = {.rtt = kRtt, .rate = rate, .queue = 2000}};
    busy.quic.engine.bulk_queue_target = bulk_queue_target;
    return busy;
  }
  // `bytes` from the edge, for somebody in the cloud.
  FlowRecord& download(std::uint32_t bytes, TrafficClass traffic_class = TrafficClass::interactive) {
    FlowScript script{.id = ++flows_, .down = bytes, .traffic_class = traffic_class};
    FlowRecord& record = ledger.add(script);
    flows.spawn(play_opener(world.loop, *world.cloud_link, to_node("edge-a"), script, record));
    return record;
  }
  Duration time_of_echo(std::size_t size = 200) {
    const TimePoint before = world.loop.now();
    EXPECT_TRUE(world.loop.run(echo(*world.cloud_link, to_node("edge-a"), size), 60s));
    return world.loop.now() - before;
  }

  CapturedLog log;
  FlowLedger ledger;
  LinkWorld world;
  TestEdge& edge;
  ScriptEgress at_cloud, at_edge;
  Scope flows{world.loop};
  std::uint32_t flows_ = 0;
};

TEST_F(BusyLink, ASmallEchoNextToADownloadTakesLessThanTwoRoundTrips) {
  // Nobody said that it is one: its class is interactive.
  FlowRecord& bulk = download(200'000'000);
  world.loop.run_for(1s);
  Duration worst{};
  for (int i = 0; i < 60; i++) {
    worst = std::max(worst, time_of_echo());
    world.loop.run_for(37ms);
  }
  EXPECT_LT(worst, 2 * kRtt) << to_text(worst);
  EXPECT_GT(bulk.opener.received, 30'000'000u) << "at 100 Mbit/s the link had room for 60 MB";
  flows.cancel_now();
}

TEST_F(BusyLink, TheSameNextToAnUploadAndTenDownloads) {
  for (int i = 0; i < 10; i++) download(50'000'000);
  FlowScript up{.id = ++flows_, .up = 200'000'000};
  flows.spawn(play_opener(world.loop, *world.cloud_link, to_node("edge-a"), up, ledger.add(up)));
  world.loop.run_for(2s);
  Duration worst{};
  for (int i = 0; i < 40; i++) {
    worst = std::max(worst, time_of_echo());
    world.loop.run_for(37ms);
  }
  EXPECT_LT(worst, 2 * kRtt) << to_text(worst);
  flows.cancel_now();
}

class WeighedLink : public BusyLink {
 protected:
  WeighedLink() : BusyLink(20'000'000, 0ms) {}
  // One after the other, each too small to be taken for a transfer.
  Task<void> keep_downloading(TrafficClass traffic_class, std::uint64_t& received) {
    for (;;) {
      FlowScript script{.id = ++flows_, .down = 100'000, .traffic_class = traffic_class};
      FlowRecord& record = ledger.add(script);
      auto playing = play_opener(world.loop, *world.cloud_link, to_node("edge-a"), script, record);
      co_await playing;
      received += record.opener.received;
    }
  }
};

TEST_F(WeighedLink, ClassesThatAllWantMoreShareEightFourTwoOne) {
  constexpr std::array kClasses = {TrafficClass::management, TrafficClass::interactive, TrafficClass::bulk, TrafficClass::background};
  std::array<std::uint64_t, 4> received{};
  for (int i = 0; i < 20; i++)
    for (std::size_t c = 0; c < kClasses.size(); c++) flows.spawn(keep_downloading(kClasses[c], received[c]));
  world.loop.run_for(10s);
  received = {};
  world.loop.run_for(60s);
  const auto unit = static_cast<double>(received[3]);
  EXPECT_NEAR(static_cast<double>(received[0]) / unit, 8, 1.6);
  EXPECT_NEAR(static_cast<double>(received[1]) / unit, 4, 0.8);
  EXPECT_NEAR(static_cast<double>(received[2]) / unit, 2, 0.4);
  flows.cancel_now();
}

// ---- how a flow is classified

// Notes its priority, and pretends to have sent or not.
class FakeStream final : public net::MuxStream {
 public:
  explicit FakeStream(std::optional<net::Priority>& priority, std::size_t& unsent) : priority_(priority), unsent_(unsent) {}
  Task<Result<Bytes>> peek() override { co_return Bytes(); }
  void consume(std::size_t) override {}
  Task<Result<MutableBytes>> prepare() override { co_return MutableBytes(room_); }
  void commit(std::size_t) override {}
  Task<Result<void>> write(Bytes) override { co_return Result<void>{}; }
  Result<void> shut() override { return {}; }
  void abort(std::uint64_t) override {}
  std::optional<std::uint64_t> peer_code() const override { return std::nullopt; }
  void set_priority(net::Priority priority) override { priority_ = priority; }
  std::uint64_t id() const override { return 0; }
  Task<Error> broken() override { co_return Error(Code::closed, ""); }
  bool has_room() const override { return true; }
  std::size_t unsent() const override { return unsent_; }
  std::size_t undelivered() const override { return 0; }

 private:
  std::array<std::byte, 100> room_{};
  std::optional<net::Priority>& priority_;
  std::size_t& unsent_;
};

class Classified : public ::testing::Test {
 protected:
  std::unique_ptr<Flow> flow(TrafficClass traffic_class) {
    auto stream = std::make_unique<FakeStream>(priority, unsent);
    wire::FlowOpen open{.plugin = "tcp", .traffic_class = traffic_class};
    return std::make_unique<Flow>(loop, std::move(stream), std::move(open), FlowId(1), std::make_shared<FlowTally>());
  }
  SimLoop loop{1};
  std::optional<net::Priority> priority;  // set last
  std::size_t unsent = 0;
};

TEST_F(Classified, AFlowThatSendsMoreThanItsShareWithoutAPauseIsATransfer) {
  for (const TrafficClass own : {TrafficClass::interactive, TrafficClass::management, TrafficClass::unspecified}) {
    priority.reset();
    auto it = flow(own);
    loop.run_for(1s);
    it->commit(Flow::kBulkAfter);
    EXPECT_EQ(priority, std::nullopt);
    it->commit(1);
    EXPECT_EQ(priority, net::Priority::bulk);
  }
}

TEST_F(Classified, AfterAPauseItHasItsOwnClassAgain) {
  auto it = flow(TrafficClass::management);
  it->commit(Flow::kBulkAfter + 1);
  ASSERT_EQ(priority, net::Priority::bulk);
  loop.run_for(Flow::kPause);
  it->commit(1);
  EXPECT_EQ(priority, net::Priority::bulk) << "not yet a pause";
  loop.run_for(Flow::kPause + 1ms);
  it->commit(1);
  EXPECT_EQ(priority, net::Priority::management);
  it->commit(Flow::kBulkAfter - 1);
  EXPECT_EQ(priority, net::Priority::management) << "and all of its share";
  it->commit(1);
  EXPECT_EQ(priority, net::Priority::bulk);
}

TEST_F(Classified, WaitingForTheLinkIsNoPause) {
  auto it = flow(TrafficClass::interactive);
  it->commit(Flow::kBulkAfter + 1);
  unsent = 1;
  loop.run_for(10s);
  it->commit(1);
  EXPECT_EQ(priority, net::Priority::bulk);
}

TEST_F(Classified, WhatIsBulkOrBackgroundAnywayStaysSo) {
  for (const TrafficClass own : {TrafficClass::bulk, TrafficClass::background}) {
    auto it = flow(own);
    it->commit(100 * Flow::kBulkAfter);
    loop.run_for(1s);
    it->commit(1);
    EXPECT_EQ(priority, std::nullopt);
  }
}

}  // namespace
}  // namespace fairlead::link
