#include "sim/path.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

namespace fairlead::sim {
namespace {

net::SocketAddress address(std::uint16_t port) { return {net::IpAddress::v4(0xc0000201), port}; }

// A path of its own, and what came out of it.
struct Bench final : PacketSink {
  struct Arrival {
    TimePoint at;
    std::size_t number;
    net::Ecn ecn;
    std::vector<std::byte> payload;
    friend bool operator==(const Arrival&, const Arrival&) = default;
  };
  explicit Bench(const LinkOptions& options) : loop(1), schedule(loop), path(schedule, *this, options, options.seed) {}

  void arrive(Packet packet) override { arrivals.push_back({loop.now(), packet.from.port, packet.ecn, std::move(packet.payload)}); }
  // Sent as number `sent`, which is told by its port; `size` with headers.
  void send(std::size_t size = 100, net::Ecn ecn = net::Ecn::not_ect) {
    const std::size_t header = Packet::header_size(address(0).ip);
    path.carry({address(static_cast<std::uint16_t>(sent++)), address(1), ecn, std::vector<std::byte>(size - header)});
  }
  void send_many(std::size_t count, Duration pause = 0ns) {
    for (std::size_t i = 0; i < count; i++) {
      send();
      if (pause > 0ns) loop.run_for(pause);
    }
    loop.run_for(1min);
  }
  bool in_order() const { return std::ranges::is_sorted(arrivals, {}, &Arrival::number); }
  const PathCounters& counters() const { return path.counters(); }

  SimLoop loop;
  Schedule schedule;
  Path path;
  std::size_t sent = 0;
  std::vector<Arrival> arrivals;
};

TEST(Path, APacketTakesHalfTheRtt) {
  Bench bench({.rtt = 50ms});
  bench.send();
  bench.loop.run_for(1s);
  ASSERT_EQ(bench.arrivals.size(), 1u);
  EXPECT_EQ(bench.arrivals[0].at, TimePoint(25ms));
}

TEST(Path, JitterIsBoundedAndKeepsTheOrder) {
  Bench bench({.rtt = 50ms, .jitter = 20ms});
  bench.send_many(1000);
  ASSERT_EQ(bench.arrivals.size(), 1000u);
  EXPECT_TRUE(bench.in_order());
  EXPECT_GE(bench.arrivals.front().at, TimePoint(25ms));
  EXPECT_GT(bench.arrivals.back().at, TimePoint(40ms));
  EXPECT_LE(bench.arrivals.back().at, TimePoint(45ms));
}

TEST(Path, LosesTheShareThatWasAsked) {
  Bench bench({.loss = 0.1});
  bench.send_many(20'000);
  EXPECT_NEAR(static_cast<double>(bench.counters().lost), 2000, 150);
  EXPECT_EQ(bench.counters().lost + bench.counters().delivered, 20'000u);
  EXPECT_EQ(bench.arrivals.size(), bench.counters().delivered);
}

TEST(Path, BurstLossComesInRunsOfTheMeanLengthThatWasAsked) {
  Bench bench({.burst = {.enter = 0.01, .leave = 0.2, .loss = 1}});
  bench.send_many(50'000);
  std::size_t runs = 0;
  for (std::size_t i = 1; i < bench.arrivals.size(); i++) runs += bench.arrivals[i].number != bench.arrivals[i - 1].number + 1 ? 1 : 0;
  ASSERT_GT(runs, 100u);
  EXPECT_NEAR(static_cast<double>(bench.counters().lost) / static_cast<double>(runs), 5, 0.7);
}

TEST(Path, TheRateSpacesPackets) {
  Bench bench({.rtt = 20ms, .rate = 10'000'000});
  for (int i = 0; i < 100; i++) bench.send(1250);  // 1 ms each
  bench.loop.run_for(1s);
  ASSERT_EQ(bench.arrivals.size(), 100u);
  for (std::size_t i = 0; i < 100; i++) EXPECT_EQ(bench.arrivals[i].at, TimePoint(10ms + 1ms * (i + 1)));
}

TEST(Path, TheQueueTakesItsLimitAndDropsTheNext) {
  Bench bench({.rate = 10'000'000, .queue = 10});
  for (int i = 0; i < 11; i++) bench.send(1250);  // one on the wire, ten wait
  EXPECT_EQ(bench.counters().queue_full, 0u);
  bench.send(1250);
  EXPECT_EQ(bench.counters().queue_full, 1u);
  EXPECT_EQ(bench.counters().longest_queue, 11u);
  bench.loop.run_for(1ms);
  bench.send(1250);
  EXPECT_EQ(bench.counters().queue_full, 1u) << "one has left";
}

TEST(Path, TheQueueMayBeLimitedInBytes) {
  Bench bench({.rate = 10'000'000, .queue_bytes = 3000});
  bench.send(1500);
  bench.send(1500);
  EXPECT_EQ(bench.counters().queue_full, 0u);
  bench.send(100);
  EXPECT_EQ(bench.counters().queue_full, 1u);
}

TEST(Path, ALongQueueMarksThoseThatAreCapable) {
  Bench bench({.rate = 10'000'000, .mark_at = 5});
  for (int i = 0; i < 10; i++) bench.send(1250, i % 2 == 0 ? net::Ecn::ect0 : net::Ecn::not_ect);
  bench.loop.run_for(1s);
  ASSERT_EQ(bench.arrivals.size(), 10u);
  for (std::size_t i = 0; i < 10; i++) {
    const net::Ecn expected = i % 2 == 1 ? net::Ecn::not_ect : i < 5 ? net::Ecn::ect0 : net::Ecn::ce;
    EXPECT_EQ(bench.arrivals[i].ecn, expected) << i;
  }
  EXPECT_EQ(bench.counters().marked, 2u);
}

TEST(Path, TheMtuHoldsAtTheLimitAndMayChangeWhileItRuns) {
  Bench bench({.mtu = 1500});
  bench.send(1500);
  bench.send(1501);
  EXPECT_EQ(bench.counters().too_large, 1u);
  bench.path.options().mtu = 1280;
  bench.send(1281);
  bench.send(1280);
  EXPECT_EQ(bench.counters().too_large, 2u);
  bench.loop.run_for(1s);
  EXPECT_EQ(bench.arrivals.size(), 2u);
}

TEST(Path, ReorderedPacketsComeLaterThanTheirSuccessors) {
  Bench bench({.rtt = 20ms, .reorder = 0.1, .reorder_delay = 5ms});
  bench.send_many(1000, 1ms);
  EXPECT_EQ(bench.arrivals.size(), 1000u);
  EXPECT_NEAR(static_cast<double>(bench.counters().reordered), 100, 40);
  EXPECT_FALSE(bench.in_order());
}

TEST(Path, DuplicatesComeTwice) {
  Bench bench({.duplicate = 0.5});
  bench.send_many(1000);
  EXPECT_EQ(bench.arrivals.size(), 1000 + bench.counters().duplicated);
  EXPECT_NEAR(static_cast<double>(bench.counters().duplicated), 500, 80);
}

TEST(Path, CorruptionFlipsOneBit) {
  Bench bench({.corrupt = 1});
  bench.send(100);
  bench.loop.run_for(1s);
  ASSERT_EQ(bench.arrivals.size(), 1u);
  int bits = 0;
  for (std::byte b : bench.arrivals[0].payload) bits += std::popcount(std::to_integer<unsigned>(b));
  EXPECT_EQ(bits, 1);
}

TEST(Path, WhileItIsDownPacketsAreLostAndThoseOnTheirWayArrive) {
  Bench bench({.rtt = 20ms});
  bench.send();
  bench.path.set_up(false);
  bench.send();
  bench.path.set_up(true);
  bench.send();
  bench.loop.run_for(1s);
  ASSERT_EQ(bench.arrivals.size(), 2u);
  EXPECT_EQ(bench.arrivals[1].number, 2u);
  EXPECT_EQ(bench.counters().cut, 1u);
}

TEST(Path, AFilterDropsWhatItWillNotPass) {
  Bench bench({});
  bench.path.set_filter([](const net::Datagram& d) { return d.from.port != 3; });
  bench.send_many(5);
  EXPECT_EQ(bench.arrivals.size(), 4u);
  EXPECT_EQ(bench.counters().filtered, 1u);
  bench.path.set_filter(nullptr);
  bench.send_many(5);
  EXPECT_EQ(bench.arrivals.size(), 9u);
}

TEST(Path, TheSameSeedIsTheSameRunAndAnotherIsNot) {
  const LinkOptions harsh{
      .rtt = 50ms, .jitter = 10ms, .loss = 0.05, .burst = {.enter = 0.01}, .reorder = 0.05, .duplicate = 0.02, .corrupt = 0.01};
  auto run = [&](std::uint64_t seed) {
    LinkOptions options = harsh;
    options.seed = seed;
    Bench bench(options);
    bench.send_many(2000, 1ms);
    return bench.arrivals;
  };
  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));
}

}  // namespace
}  // namespace fairlead::sim
