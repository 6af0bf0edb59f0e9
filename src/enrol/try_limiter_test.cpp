#include "enrol/try_limiter.h"

#include <gtest/gtest.h>

namespace fairlead::enrol {
namespace {

net::IpAddress ip(std::string_view text) { return net::IpAddress::parse(text).value(); }
constexpr TimePoint kNow{100s};

TEST(TryLimiter, AllowsTheBurstAndNotOneMore) {
  TryLimiter limiter({.burst = 3, .refill = 2s});
  for (int i = 0; i < 3; i++) EXPECT_TRUE(limiter.begin(ip("192.0.2.1"), kNow).allowed);
  EXPECT_FALSE(limiter.begin(ip("192.0.2.1"), kNow).allowed);
  EXPECT_TRUE(limiter.begin(ip("192.0.2.2"), kNow).allowed) << "another source";
  EXPECT_FALSE(limiter.begin(ip("192.0.2.1"), kNow + 2s - 1ms).allowed);
  EXPECT_TRUE(limiter.begin(ip("192.0.2.1"), kNow + 2s).allowed);
  EXPECT_FALSE(limiter.begin(ip("192.0.2.1"), kNow + 2s).allowed);
}

TEST(TryLimiter, ATryThatJoinedIsGivenBack) {
  TryLimiter limiter({.burst = 1});
  for (int i = 0; i < 10; i++) {
    EXPECT_TRUE(limiter.begin(ip("192.0.2.1"), kNow).allowed);
    limiter.give_back(ip("192.0.2.1"));
  }
}

TEST(TryLimiter, AnIPv6SourceIsItsSlash64) {
  TryLimiter limiter({.burst = 1});
  EXPECT_TRUE(limiter.begin(ip("2001:db8::1"), kNow).allowed);
  EXPECT_FALSE(limiter.begin(ip("2001:db8::ffff:1"), kNow).allowed);
  EXPECT_TRUE(limiter.begin(ip("2001:db8:0:1::1"), kNow).allowed);
}

TEST(TryLimiter, KnowsABoundedNumberAndForgetsTheQuietestFirst) {
  TryLimiter limiter({.burst = 1, .sources = 2});
  EXPECT_TRUE(limiter.begin(ip("192.0.2.1"), kNow).allowed);
  EXPECT_TRUE(limiter.begin(ip("192.0.2.2"), kNow).allowed);
  EXPECT_FALSE(limiter.begin(ip("192.0.2.1"), kNow).allowed) << "and is now the latest";
  EXPECT_TRUE(limiter.begin(ip("192.0.2.3"), kNow).allowed);
  EXPECT_EQ(limiter.sources(), 2u);
  EXPECT_FALSE(limiter.begin(ip("192.0.2.1"), kNow).allowed);
  EXPECT_TRUE(limiter.begin(ip("192.0.2.2"), kNow).allowed) << "was forgotten";
}

TEST(TryLimiter, TellsOfAFloodNowAndThen) {
  TryLimiter limiter({.burst = 1, .refill = 1h, .tell_every = 60s});
  EXPECT_TRUE(limiter.begin(ip("192.0.2.1"), kNow).allowed);
  EXPECT_TRUE(limiter.begin(ip("192.0.2.1"), kNow).tell);
  for (int i = 0; i < 100; i++) EXPECT_FALSE(limiter.begin(ip("192.0.2.1"), kNow + 59s).tell);
  const auto verdict = limiter.begin(ip("192.0.2.1"), kNow + 60s);
  EXPECT_TRUE(verdict.tell);
  EXPECT_EQ(verdict.untold, 101u);
}

}  // namespace
}  // namespace fairlead::enrol
