#include "quic/silence.h"

#include <gtest/gtest.h>

namespace fairlead::quic {
namespace {

constexpr TimePoint at(Duration after) { return TimePoint{} + 1h + after; }
constexpr Silence::Path flying(std::uint64_t in_flight = 1000) { return {.in_flight = in_flight, .window = 100'000, .pto = 100ms}; }
constexpr Silence::Path idle() { return flying(0); }

using Do = Silence::Do;

TEST(Silence, BeginsWhenNothingIsHeardWhileAnAnswerIsDue) {
  Silence s(true, at(0s));
  EXPECT_EQ(s.look(at(10s), idle()), Do::nothing);
  s.sent(at(10s));
  EXPECT_EQ(s.deadline(), at(10s + Silence::kAfter));
  EXPECT_EQ(s.look(at(10s + Silence::kAfter - 1ms), flying()), Do::nothing);
  EXPECT_FALSE(s.silent());
  EXPECT_EQ(s.look(at(10s + Silence::kAfter), flying()), Do::hold);
  EXPECT_TRUE(s.silent());
  EXPECT_EQ(s.look(at(10s + Silence::kAfter), flying()), Do::nothing);
  s.heard(at(12s));
  EXPECT_FALSE(s.silent());
  EXPECT_EQ(s.lasted(), 2s);
}

TEST(Silence, IsLongerOnALongPath) {
  Silence s(true, at(0s));
  const Silence::Path satellite{.in_flight = 1000, .window = 100'000, .pto = 750ms};
  s.sent(at(0s));
  EXPECT_EQ(s.look(at(1499ms), satellite), Do::nothing);
  EXPECT_EQ(s.deadline(), at(1500ms));
  EXPECT_EQ(s.look(at(1500ms), satellite), Do::hold);
}

TEST(Silence, OneWhoOnlyReceivesAsksOnce) {
  Silence s(true, at(0s));
  s.heard(at(1s));
  s.received(true);
  EXPECT_EQ(s.look(at(1s), idle()), Do::nothing);
  EXPECT_EQ(s.deadline(), at(1s + Silence::kAfter));
  EXPECT_EQ(s.look(at(1s + Silence::kAfter), idle()), Do::ask);
  EXPECT_EQ(s.look(at(1s + Silence::kAfter), idle()), Do::nothing);
  EXPECT_EQ(s.deadline(), TimePoint::max());
  s.heard(at(2s));  // the answer
  EXPECT_EQ(s.look(at(10s), idle()), Do::nothing);
  s.received(true);
  s.received(false);  // the end
  EXPECT_EQ(s.look(at(20s), idle()), Do::nothing);
  EXPECT_EQ(s.deadline(), TimePoint::max());
}

TEST(Silence, AClientWithAFullWindowMovesSoonAndThenWhenPingsHaveFilledIt) {
  Silence s(true, at(0s));
  s.sent(at(0s));
  EXPECT_EQ(s.look(at(400ms), flying(100'000)), Do::hold);
  EXPECT_EQ(s.deadline(), at(Silence::kMoveWhenFull));
  EXPECT_EQ(s.look(at(Silence::kMoveWhenFull), flying(100'000)), Do::move);
  EXPECT_EQ(s.look(at(2s), flying(100'000)), Do::nothing) << "not so soon again";
  EXPECT_EQ(s.look(at(6s), flying(5000)), Do::nothing) << "there is room";
  EXPECT_EQ(s.look(at(90s), flying(100'000)), Do::move);
}

TEST(Silence, AClientWithRoomMovesInTheEndAndAServerNever) {
  for (const bool client : {true, false}) {
    Silence s(client, at(0s));
    s.sent(at(0s));
    EXPECT_EQ(s.look(at(400ms), flying()), Do::hold);
    EXPECT_EQ(s.deadline(), client ? at(Silence::kMoveAfter) : TimePoint::max());
    EXPECT_EQ(s.look(at(Silence::kMoveAfter - 1ms), flying()), Do::nothing);
    EXPECT_EQ(s.look(at(Silence::kMoveAfter), flying()), client ? Do::move : Do::nothing);
    EXPECT_EQ(s.deadline(), TimePoint::max());
  }
}

TEST(Silence, ThePaceOfPingsSlowsDownAfterMinutes) {
  Silence s(true, at(0s));
  s.sent(at(0s));
  EXPECT_EQ(s.look(at(400ms), flying()), Do::hold);
  EXPECT_EQ(s.pace(at(1s)), 250ms);
  EXPECT_EQ(s.pace(at(2min)), 250ms);
  EXPECT_EQ(s.pace(at(2min + 32s)), 1s);
  EXPECT_EQ(s.pace(at(10min)), 15s);
}

}  // namespace
}  // namespace fairlead::quic
