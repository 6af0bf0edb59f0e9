// What limits a flow: the reader's window, the gate of bulk, packets that the path swallows.
#include <gtest/gtest.h>

#include <map>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "quic/black_hole.h"
#include "quic/bulk_gate.h"
#include "quic/receive_window.h"

namespace fairlead::quic {
namespace {

constexpr std::uint64_t kFirst = 128_KiB, kLargest = 8_MiB;

struct ReceiveWindowTest : testing::Test {
  ReceiveWindow window{kFirst};
  ReceiveWindow::Conditions conditions{.now = TimePoint(1s), .rtt = 50ms, .first = kFirst, .largest = kLargest, .tight = false};
  bool may_grow = true;
  std::uint64_t consume(std::uint64_t n) {
    return window.consumed(n, conditions, [&](std::uint64_t) { return may_grow; });
  }
  // A reader that takes `n` bytes in steps of `step`, one each `each`. Returns what the peer was given.
  std::uint64_t read(std::uint64_t n, std::uint64_t step, Duration each) {
    std::uint64_t credit = 0;
    for (; n >= step; n -= step) {
      credit += consume(step);
      conditions.now += each;
    }
    return credit;
  }
};

TEST_F(ReceiveWindowTest, GrowsToTheLargestForAReaderThatDrains) {
  read(64_MiB, 16_KiB, 1us);
  EXPECT_EQ(window.size(), kLargest);
}

TEST_F(ReceiveWindowTest, StaysForAReaderThatIsSlowerThanTheWindow) {
  read(4_MiB, 16_KiB, 200ms);  // a quarter takes more than three round trips
  EXPECT_EQ(window.size(), kFirst);
}

TEST_F(ReceiveWindowTest, GivesBackWhatWasConsumedAndTheGrowth) {
  const std::uint64_t credit = read(4_MiB, 16_KiB, 1us);
  EXPECT_GE(credit + kFirst / 4 + 16_KiB, 4_MiB + window.size() - kFirst);
  EXPECT_LE(credit, 4_MiB + window.size() - kFirst);
}

TEST_F(ReceiveWindowTest, ASmallReadIsNotWorthAFrame) {
  may_grow = false;
  EXPECT_EQ(consume(kFirst / 4), 0u);
  EXPECT_EQ(consume(1), kFirst / 4 + 1);
}

TEST_F(ReceiveWindowTest, DoesNotGrowPastTheBudget) {
  may_grow = false;
  read(8_MiB, 16_KiB, 1us);
  EXPECT_EQ(window.size(), kFirst);
}

TEST_F(ReceiveWindowTest, GivesItsGrowthBackWhileMemoryIsShortButNeverLessThanTheFirst) {
  read(64_MiB, 16_KiB, 1us);
  conditions.tight = true;
  const std::uint64_t credit = read(32_MiB, 16_KiB, 1us);
  EXPECT_EQ(window.size(), kFirst);
  EXPECT_GE(credit, 32_MiB - kLargest - kFirst);
  EXPECT_LE(credit, 32_MiB - kLargest + kFirst + kLargest / 2);  // what was pending came from before
}

TEST_F(ReceiveWindowTest, ALargestThatIsNoMultipleIsReachedAndNotPassed) {
  conditions.largest = 3 * kFirst;
  read(8_MiB, 16_KiB, 1us);
  EXPECT_EQ(window.size(), 3 * kFirst);
}

// A lost packet holds up a round trip or two of what came after it, and then all of that comes at once.
TEST_F(ReceiveWindowTest, GrowsForAReaderThatIsHeldUpByLosses) {
  for (int i = 0; i < 100; i++) {
    read(kFirst / 2, 16_KiB, 1us);
    conditions.now += 2 * conditions.rtt;
  }
  EXPECT_GE(window.size(), 4 * kFirst);
}

// A link of a given rate and base RTT whose queue is what is in flight beyond the bandwidth-delay product.
struct Link {
  double rate = 12.5e6;  // bytes a second
  Duration base = 50ms;
  Duration of_others{};  // delay that others make
  Duration rtt(std::uint64_t in_flight) const {
    return of_others + std::max(base, Duration(static_cast<std::int64_t>(static_cast<double>(in_flight) / rate * 1e9)));
  }
};

std::uint64_t settle(BulkGate& gate, const Link& link, std::uint64_t window, TimePoint& now, int rounds) {
  std::uint64_t in_flight = 0;
  for (int i = 0; i < rounds; i++) {
    in_flight = std::min(window, gate.cap());
    const Duration rtt = link.rtt(in_flight);
    // BBR drains the path now and then.
    for (int part = 0; part < 4; part++) {
      gate.update(
          now, {.latest_rtt = i % 100 == 0 ? link.of_others + link.base : rtt, .smoothed_rtt = rtt, .in_flight = in_flight, .received = 0});
      now += rtt / 4;
    }
  }
  return in_flight;
}

TEST(BulkGate, HoldsTheQueueNearItsTarget) {
  BulkGate gate(12ms);
  TimePoint now(1s);
  const Link link;
  const std::uint64_t in_flight = settle(gate, link, 1'300'000, now, 400);  // a window of two bandwidth-delay products
  EXPECT_NEAR(static_cast<double>((link.rtt(in_flight) - link.base).count()), 12e6, 4e6);
}

TEST(BulkGate, LeavesAPathWithoutAQueueAlone) {
  BulkGate gate(12ms);
  TimePoint now(1s);
  settle(gate, {}, 600'000, now, 400);  // less than the product
  EXPECT_TRUE(gate.open(UINT64_MAX - 1));
}

TEST(BulkGate, FollowsALinkThatBecomesFaster) {
  BulkGate gate(12ms);
  TimePoint now(1s);
  settle(gate, {}, 1'300'000, now, 400);
  const std::uint64_t before = gate.cap();
  settle(gate, {.rate = 50e6}, 5'200'000, now, 400);
  EXPECT_GT(gate.cap(), 3 * before);
}

TEST(BulkGate, FollowsAPathThatBecomesLonger) {
  BulkGate gate(12ms);
  TimePoint now(1s);
  settle(gate, {}, 1'300'000, now, 400);
  const Link longer{.rate = 12.5e6, .base = 200ms};
  const std::uint64_t in_flight = settle(gate, longer, 5'200'000, now, 800);
  EXPECT_GT(static_cast<double>(in_flight), 0.95 * 12.5e6 * 0.2);  // it fills the link: the old minimum is forgotten
}

TEST(BulkGate, OpensWithinSecondsOnAPathThatHasBecomeLonger) {
  BulkGate gate(12ms);
  TimePoint now(1s);
  settle(gate, {.base = 1ms}, 100'000, now, 400);
  const TimePoint changed = now;
  const std::uint64_t in_flight = settle(gate, {}, 1'300'000, now, 40);
  EXPECT_LT(now - changed, 4s);
  EXPECT_GT(static_cast<double>(in_flight), 0.95 * 12.5e6 * 0.05);
}

TEST(BulkGate, AQueueThatOthersMakeDoesNotStarveBulk) {
  BulkGate gate(12ms);
  TimePoint now(1s);
  settle(gate, {}, 1'300'000, now, 400);
  const Link shared{.of_others = 100ms};
  double sum = 0;
  constexpr int kTimes = 100;
  for (int i = 0; i < kTimes; i++) sum += static_cast<double>(settle(gate, shared, 1'300'000, now, 7));
  EXPECT_GT(sum / kTimes, 0.6 * 12.5e6 * 0.05);
  const std::uint64_t in_flight = settle(gate, {}, 1'300'000, now, 400);
  EXPECT_NEAR(static_cast<double>((Link{}.rtt(in_flight) - 50ms).count()), 12e6, 4e6)
      << "when the others have gone, its own queue is short";
}

// What is lost where a jitter is taken for a queue: by each round trip a part of the rest.
TEST(BulkGate, JitterOfThePathCostsBulkLittle) {
  for (const auto& [jitter, least] : std::map<Duration, double>{{5ms, 0.95}, {20ms, 0.95}, {80ms, 0.6}}) {
    SCOPED_TRACE(to_text(jitter));
    BulkGate gate(12ms);
    TimePoint now(1s);
    Random chance(1);
    const auto rounds = [&](std::uint64_t window, int count) {
      double sum = 0;
      for (int i = 0; i < count; i++) {
        for (int part = 0; part < 20; part++) {
          const std::uint64_t in_flight = std::min(window, gate.cap());
          sum += static_cast<double>(in_flight) / 20;
          gate.update(now,
                      {.latest_rtt = 50ms + Duration(static_cast<std::int64_t>(chance.below(static_cast<std::uint64_t>(jitter.count())))),
                       .smoothed_rtt = 50ms + jitter / 2,
                       .in_flight = in_flight,
                       .received = 0});
          now += (50ms + jitter / 2) / 20;
        }
      }
      return sum / count;
    };
    rounds(3'000, 4);
    EXPECT_GT(rounds(600'000, 1000), least * 600'000);
  }
}

TEST(BulkGate, DelayOfASessionThatIsIdleIsNotBulks) {
  BulkGate gate(12ms);
  TimePoint now(1s);
  for (int i = 0; i < 1000; i++) {
    gate.update(now, {.latest_rtt = i % 100 == 0 ? 50ms : 90ms, .smoothed_rtt = 85ms, .in_flight = 3000, .received = 0});
    now += 50ms;
  }
  EXPECT_TRUE(gate.open(UINT64_MAX - 1));
}

TEST(BulkGate, NeverClosesWhollyAndATargetOfZeroIsNone) {
  BulkGate gate(1ms);
  TimePoint now(1s);
  settle(gate, {.rate = 1e5, .base = 1ms}, 1'000'000, now, 200);
  EXPECT_TRUE(gate.open(60'000));
  BulkGate off(0ms);
  settle(off, {.rate = 1e5, .base = 1ms}, 1'000'000, now, 200);
  EXPECT_TRUE(off.open(1'000'000));
}

struct BlackHoleTest : testing::Test {
  BlackHole path;
  TimePoint now{100s};
  void SetUp() override { path.look(now, 0, 100ms); }
  // Everything in flight is lost for so long; looked at whenever a probe timeout fires.
  void silence(Duration time) {
    for (const TimePoint end = now + time; now < end; now += 100ms) path.look(now, 100'000, 100ms);
  }
};

TEST_F(BlackHoleTest, SilenceOfSomeProbeTimeoutsMakesPacketsSmall) {
  silence(1s);
  EXPECT_FALSE(path.narrow());
  silence(100ms);
  EXPECT_TRUE(path.narrow());
}

TEST_F(BlackHoleTest, ASlowPathIsGivenItsProbeTimeouts) {
  for (int i = 0; i < 30; i++, now += 100ms) path.look(now, 100'000, 1s);
  EXPECT_FALSE(path.narrow());
}

TEST_F(BlackHoleTest, NothingInFlightIsNoSilence) {
  for (int i = 0; i < 1000; i++, now += 1s) path.look(now, 0, 100ms);
  path.look(now, 0, 100ms);  // and what is sent now
  now += 900ms;
  path.look(now, 5000, 100ms);
  EXPECT_FALSE(path.narrow());
}

TEST_F(BlackHoleTest, AnOutageIsOverWhenSomethingIsAcknowledged) {
  silence(20s);
  EXPECT_TRUE(path.narrow());
  path.progress(now);
  EXPECT_FALSE(path.narrow());
}

TEST_F(BlackHoleTest, TwiceInARowItIsTheSizeAndStaysSoForAWhile) {
  silence(3s);
  path.progress(now);
  silence(3s);
  EXPECT_TRUE(path.narrow());
  path.progress(now);
  EXPECT_TRUE(path.narrow());
  now += BlackHole::kHold;
  path.progress(now);
  EXPECT_FALSE(path.narrow());
}

TEST_F(BlackHoleTest, AnotherPathIsAnotherMatter) {
  silence(3s);
  path.path_changed(now);
  EXPECT_FALSE(path.narrow());
}

}  // namespace
}  // namespace fairlead::quic
