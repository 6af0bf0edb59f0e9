#include "net/tls_sessions.h"

#include <gtest/gtest.h>

namespace fairlead::net {
namespace {

const WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
std::shared_ptr<const pki::Datum> data() { return std::make_shared<pki::Datum>(); }

TEST(TlsSessions, TheLeastRecentlyUsedGoesFirst) {
  TlsSessions sessions;
  for (std::size_t i = 0; i < TlsSessions::kMaxSize; i++) sessions.put(std::to_string(i), data(), kNow + 1h);
  EXPECT_EQ(sessions.size(), TlsSessions::kMaxSize);
  EXPECT_TRUE(sessions.get("0", kNow));
  sessions.put("one more", data(), kNow + 1h);
  EXPECT_EQ(sessions.size(), TlsSessions::kMaxSize);
  EXPECT_TRUE(sessions.get("0", kNow));
  EXPECT_FALSE(sessions.get("1", kNow));
  EXPECT_TRUE(sessions.get("2", kNow));
}

TEST(TlsSessions, ANewOneTakesThePlaceOfTheOld) {
  TlsSessions sessions;
  const auto old = data(), young = data();
  sessions.put("a.example", old, kNow + 1h);
  sessions.put("a.example", young, kNow + 1h);
  EXPECT_EQ(sessions.size(), 1u);
  EXPECT_EQ(sessions.get("a.example", kNow), young);
}

TEST(TlsSessions, NoneIsUsedLongerThanTheCertificateIsValid) {
  TlsSessions sessions;
  sessions.put("a.example", data(), kNow);
  EXPECT_TRUE(sessions.get("a.example", kNow));
  EXPECT_FALSE(sessions.get("a.example", kNow + 1s));
  EXPECT_EQ(sessions.size(), 0u);
}

}  // namespace
}  // namespace fairlead::net
