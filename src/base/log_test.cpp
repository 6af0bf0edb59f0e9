#include "base/log.h"

#include <gtest/gtest.h>

namespace fairlead {
namespace {

TEST(Log, ASecretNeverReachesItsText) {
  EXPECT_EQ(fmt::format("{}", Secret("hunter2")), "[secret]");
  EXPECT_EQ(log::mask_secrets("got -----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY----- from x"), "got [secret] from x");
  EXPECT_EQ(log::mask_secrets("cut -----BEGIN PRIVATE KEY-----\nabc"), "cut [secret]");
  EXPECT_EQ(log::mask_secrets("Authorization: Bearer abc.def-1"), "Authorization: Bearer [secret]");
  EXPECT_EQ(log::mask_secrets("token=abc token=def!"), "token=[secret] token=[secret]!");
}

TEST(Log, ACertificateIsNotMasked) {
  constexpr std::string_view kText = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----";
  EXPECT_EQ(log::mask_secrets(kText), kText);
}

std::string last_line;

TEST(Log, ALineFromOutsideStaysOneLine) {
  log::capture([](log::Level, std::string_view, std::string_view text) { last_line = text; });
  log::warn("test", "peer said {}", "a\nb\x1b[31m");
  log::capture(nullptr);
  EXPECT_EQ(last_line, "peer said a b [31m");
}

TEST(Log, ALevelThatDoesNotExistIsRefusedWithTheOnesThatDo) {
  auto level = log::parse_level("loud");
  ASSERT_FALSE(level);
  EXPECT_NE(level.error().message().find("debug, info, warn"), std::string::npos);
}

}  // namespace
}  // namespace fairlead
