#include "enrol/token.h"

#include <gtest/gtest.h>

#include "enrol/join_client.h"
#include "enrol/join_code.h"

namespace fairlead::enrol {
namespace {

TEST(JoinToken, ReadsWhatItWrites) {
  const JoinToken token = JoinToken::generate();
  const Secret text = token.text();
  const auto read = JoinToken::parse(text.reveal());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->id(), token.id());
  EXPECT_EQ(read->secret_hash(), token.secret_hash());
  EXPECT_GE(JoinToken::kSecretBytes * 8, 128u);
}

TEST(JoinToken, IsNeverTheSameTwice) {
  EXPECT_NE(JoinToken::generate().secret_hash(), JoinToken::generate().secret_hash());
  EXPECT_NE(JoinToken::generate().id(), JoinToken::generate().id());
}

TEST(JoinToken, WhatIsCutOrChangedIsNoToken) {
  const std::string text = JoinToken::generate().text().reveal();
  for (std::size_t n = 0; n < text.size(); n++) EXPECT_FALSE(JoinToken::parse(text.substr(0, n))) << n;
  EXPECT_FALSE(JoinToken::parse(text + "0"));
  EXPECT_FALSE(JoinToken::parse(" " + text.substr(1)));
  EXPECT_FALSE(JoinToken::parse("fl2" + text.substr(3)));
  std::string upper = text;
  upper[5] = 'A';
  EXPECT_FALSE(JoinToken::parse(upper));
}

TEST(JoinToken, ItsTextIsInNoErrorAndNoLogLine) {
  const std::string text = JoinToken::generate().text().reveal();
  EXPECT_EQ(JoinToken::parse(text + "x").error().describe().find(text.substr(17)), std::string::npos);
  const std::string line = log::mask_secrets("started with --token " + text + " --node a");
  EXPECT_EQ(line.find(text.substr(17)), std::string::npos) << line;
  EXPECT_NE(line.find("--node a"), std::string::npos);
}

TEST(Pin, ReadsWhatItWritesAndNothingElse) {
  const pki::Fingerprint key(pki::sha256(as_bytes("x")));
  EXPECT_EQ(parse_pin(pin_text(key)).value(), key);
  EXPECT_FALSE(parse_pin(key.to_text()));
  EXPECT_FALSE(parse_pin("sha256:" + key.to_text().substr(1)));
  EXPECT_FALSE(parse_pin("sha512:" + key.to_text()));
}

TEST(JoinCodes, EachRefusalHasANameAndAMend) {
  for (std::uint8_t code = 1; code <= static_cast<std::uint8_t>(JoinCode::wrong_time); code++) {
    const auto c = static_cast<JoinCode>(code);
    EXPECT_FALSE(name(c).empty());
    EXPECT_FALSE(mend(c).empty()) << name(c);
  }
  EXPECT_EQ(join_code(99), JoinCode::internal);
  EXPECT_EQ(join_code(static_cast<std::uint64_t>(JoinCode::wrong_pin)), JoinCode::internal) << "no cloud says that";
}

}  // namespace
}  // namespace fairlead::enrol
