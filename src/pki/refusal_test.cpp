#include "pki/refusal.h"

#include <gtest/gtest.h>

namespace fairlead::pki {
namespace {

using enum RefusalReason;
constexpr RefusalReason kAll[] = {no_certificate, malformed, wrong_ca, revoked, expired, not_yet_valid, wrong_usage, wrong_name};

TEST(Refusal, ReadsBackOnTheOtherSideAsItWasMeant) {
  for (RefusalReason reason : kAll) {
    Refusal sent{reason, "for us", "for you: do this"};
    auto received = Refusal::from_close(sent.alert(), sent.close_text());
    ASSERT_TRUE(received);
    EXPECT_EQ(received->reason, reason);
    EXPECT_EQ(received->message, "for you: do this");
    EXPECT_EQ(received->error().code(), Code::unauthenticated);
  }
}

TEST(Refusal, EachReasonHasItsName) {
  for (RefusalReason a : kAll)
    for (RefusalReason b : kAll) EXPECT_EQ(name(a) == name(b), a == b);
}

TEST(Refusal, AnAlertWithoutTextStillSaysSomething) {
  for (RefusalReason reason : kAll) {
    const Refusal sent{reason, {}, {}};
    auto received = Refusal::from_close(sent.alert(), "");
    ASSERT_TRUE(received);
    EXPECT_EQ(received->alert(), sent.alert());
    EXPECT_FALSE(received->message.empty());
  }
}

TEST(Refusal, AnAlertOfAnotherKindIsNoRefusal) {
  EXPECT_FALSE(Refusal::from_close(40, "handshake_failure"));
  EXPECT_FALSE(Refusal::from_close(120, "no_application_protocol"));
}

TEST(Refusal, ATextThatDoesNotFitItsAlertIsOnlyText) {
  auto received = Refusal::from_close(48, "expired: in truth it is the CA");
  ASSERT_TRUE(received);
  EXPECT_EQ(received->reason, wrong_ca);
  EXPECT_EQ(received->message, "expired: in truth it is the CA");
}

TEST(Refusal, AStrangersTextIsCutAndMadePrintable) {
  auto received = Refusal::from_close(44, "revoked: a\nb\x1b[2J" + std::string(10'000, 'x'));
  ASSERT_TRUE(received);
  EXPECT_EQ(received->message.size(), Refusal::kMaxCloseText);
  EXPECT_TRUE(received->message.starts_with("a?b?[2Jxxx"));
  EXPECT_TRUE(received->message.ends_with("..."));
}

TEST(Refusal, TheCloseTextIsCutAtItsLimit) {
  const std::size_t head = std::string_view("revoked: ").size();
  Refusal fits{revoked, {}, std::string(Refusal::kMaxCloseText - head, 'x')};
  EXPECT_EQ(fits.close_text().size(), Refusal::kMaxCloseText);
  EXPECT_TRUE(fits.close_text().ends_with("xxx"));
  fits.for_peer += 'x';
  EXPECT_EQ(fits.close_text().size(), Refusal::kMaxCloseText);
  EXPECT_TRUE(fits.close_text().ends_with("..."));
}

}  // namespace
}  // namespace fairlead::pki
