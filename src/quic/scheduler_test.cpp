#include "quic/scheduler.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>

namespace fairlead::quic {
namespace {

using net::Priority;
constexpr std::size_t kPacket = 1400;

struct Sender : Scheduler::Entry {
  explicit Sender(Priority p, bool first = false) : Entry(p, first) {}
  std::uint64_t bytes = 0;
};

// Everybody always has something to send.
void serve(Scheduler& scheduler, std::size_t packets, bool bulk = true) {
  for (std::size_t i = 0; i < packets; i++) {
    Scheduler::Entry* next = scheduler.next(bulk);
    if (next == nullptr) return;
    static_cast<Sender*>(next)->bytes += kPacket;
    scheduler.sent(*next, kPacket);
  }
}

TEST(Scheduler, ControlGoesFirstWhateverElseWaits) {
  Scheduler s;
  Sender bulk(Priority::bulk), management(Priority::management), control(Priority::control);
  s.ready(bulk);
  s.ready(management);
  serve(s, 3);
  s.ready(control);
  for (int i = 0; i < 1000; i++) {
    ASSERT_EQ(s.next(true), &control);
    s.sent(control, kPacket);
  }
}

TEST(Scheduler, ClassesShareByWeight) {
  Scheduler s;
  std::deque<Sender> senders;
  for (Priority p : {Priority::management, Priority::interactive, Priority::bulk, Priority::background}) s.ready(senders.emplace_back(p));
  serve(s, 150'000);
  const double unit = static_cast<double>(senders[3].bytes);
  EXPECT_NEAR(static_cast<double>(senders[0].bytes) / unit, 8, 0.05);
  EXPECT_NEAR(static_cast<double>(senders[1].bytes) / unit, 4, 0.05);
  EXPECT_NEAR(static_cast<double>(senders[2].bytes) / unit, 2, 0.05);
}

TEST(Scheduler, AClassDoesNotGainByHavingManySenders) {
  Scheduler s;
  Sender interactive(Priority::interactive);
  std::deque<Sender> bulk;
  s.ready(interactive);
  for (int i = 0; i < 100; i++) s.ready(bulk.emplace_back(Priority::bulk));
  serve(s, 60'000);
  std::uint64_t sum = 0;
  for (const Sender& b : bulk) sum += b.bytes;
  EXPECT_NEAR(static_cast<double>(interactive.bytes) / static_cast<double>(sum), 2, 0.05);
}

TEST(Scheduler, SendersOfAClassGetTheSame) {
  Scheduler s;
  std::deque<Sender> senders;
  for (int i = 0; i < 50; i++) s.ready(senders.emplace_back(Priority::interactive));
  serve(s, 60'000);
  for (const Sender& each : senders)
    EXPECT_NEAR(static_cast<double>(each.bytes), static_cast<double>(senders[0].bytes), 2.0 * Scheduler::kTurn);
}

TEST(Scheduler, ASmallAnswerLeavesInOnePiece) {
  Scheduler s;
  Sender a(Priority::interactive), b(Priority::interactive);
  s.ready(a);
  s.ready(b);
  for (std::size_t sent = 0; sent + kPacket < static_cast<std::size_t>(Scheduler::kTurn); sent += kPacket) {
    ASSERT_EQ(s.next(true), &a);
    s.sent(a, kPacket);
  }
  s.sent(*s.next(true), kPacket);
  EXPECT_EQ(s.next(true), &b);
}

TEST(Scheduler, OneClassAloneHasEverything) {
  Scheduler s;
  Sender background(Priority::background);
  s.ready(background);
  serve(s, 100);
  EXPECT_EQ(background.bytes, 100 * kPacket);
}

TEST(Scheduler, BulkThatIsHeldBackLetsOthersPassAndLosesNothing) {
  Scheduler s;
  Sender bulk(Priority::bulk), background(Priority::background), interactive(Priority::interactive);
  s.ready(bulk);
  s.ready(background);
  EXPECT_EQ(s.next(false), nullptr);
  s.ready(interactive);
  serve(s, 100, false);
  EXPECT_EQ(interactive.bytes, 100 * kPacket);
  EXPECT_EQ(bulk.bytes + background.bytes, 0u);
  Scheduler::idle(interactive);
  EXPECT_EQ(s.next(false), nullptr);
  serve(s, 300);
  EXPECT_NEAR(static_cast<double>(bulk.bytes) / static_cast<double>(background.bytes), 2, 0.1);
}

TEST(Scheduler, ASenderThatWasIdleSavedNothingUp) {
  Scheduler s;
  Sender interactive(Priority::interactive), bulk(Priority::bulk);
  s.ready(bulk);
  serve(s, 10'000);
  s.ready(interactive);
  serve(s, 60);
  // About two thirds of the next 60 packets, not all of them.
  EXPECT_NEAR(static_cast<double>(interactive.bytes), 40 * kPacket, 6 * kPacket);
}

TEST(Scheduler, AnotherPriorityCountsAtOnce) {
  Scheduler s;
  Sender a(Priority::bulk), b(Priority::interactive);
  s.ready(a);
  s.ready(b);
  serve(s, 10);
  s.set_priority(a, Priority::control);
  EXPECT_EQ(s.next(true), &a);
  s.set_priority(a, Priority::background);
  Scheduler::idle(b);
  EXPECT_EQ(s.next(true), &a);
  Scheduler::idle(a);
  EXPECT_EQ(s.next(true), nullptr);
  s.set_priority(a, Priority::control);  // who is not in line stays out
  EXPECT_EQ(s.next(true), nullptr);
}

TEST(Scheduler, DatagramsGoBeforeTheStreamsOfTheirClassAndDoNotStarveThem) {
  Scheduler s;
  Sender stream(Priority::interactive), lane(Priority::interactive, true);
  s.ready(stream);
  s.ready(lane);
  EXPECT_EQ(s.next(true), &lane);
  serve(s, 10'000);
  EXPECT_NEAR(static_cast<double>(stream.bytes), static_cast<double>(lane.bytes), 2.0 * Scheduler::kTurn);
}

TEST(Scheduler, ASenderMayBeDestroyedInLine) {
  Scheduler s;
  Sender a(Priority::bulk);
  s.ready(a);
  {
    Sender b(Priority::bulk);
    s.ready(b);
    serve(s, 3);
  }
  serve(s, 100);
  EXPECT_EQ(s.next(true), &a);
}

TEST(Scheduler, MoreBytesThanAQuantumAtOnceAreMadeUpFor) {
  Scheduler s;
  Sender a(Priority::background), b(Priority::management);
  s.ready(a);
  s.ready(b);
  std::map<Scheduler::Entry*, double> sent;
  for (int i = 0; i < 10'000; i++) {
    Scheduler::Entry* next = s.next(true);
    sent[next] += 50'000;
    s.sent(*next, 50'000);
  }
  EXPECT_NEAR(sent[&b] / sent[&a], 8, 0.1);
}

}  // namespace
}  // namespace fairlead::quic
