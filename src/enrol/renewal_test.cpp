#include "enrol/renewal.h"

#include <gtest/gtest.h>

#include "enrol/join_message.h"
#include "enrol/renewer.h"
#include "pki/request.h"
#include "pki/test_pki.h"
#include "pki/trust.h"

namespace fairlead::enrol {
namespace {

constexpr WallTime kNow = pki::TestPki::kNow;

NodeName node(std::string_view name) { return NodeName::parse(name).value(); }

TEST(Renewal, MessagesRoundTrip) {
  const RenewalRequest request{.request = std::string("der\0", 4), .trust_digest = trust_digest("pem")};
  const auto back = decode_renewal_request(encode(request));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->request, request.request);
  EXPECT_EQ(back->trust_digest, request.trust_digest);
  EXPECT_EQ(decode_renewal_request(encode(RenewalRequest{}))->trust_digest, std::nullopt);

  const RenewalAnswer answer{.certificate_pem = "c", .trust_pem = "t", .cloud_chain = {"a", "b"}, .unix_ms = 5};
  const auto read = decode_renewal_answer(encode(answer));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->certificate_pem, "c");
  EXPECT_EQ(read->trust_pem, "t");
  EXPECT_EQ(read->cloud_chain, answer.cloud_chain);
  EXPECT_EQ(read->unix_ms, 5);
}

TEST(Renewal, WhatCannotBeIsRefused) {
  EXPECT_FALSE(decode_renewal_request("\xff"));
  EXPECT_FALSE(decode_renewal_answer("\xff"));
  EXPECT_FALSE(decode_renewal_request(std::string("\x12\x01x", 3))) << "a digest of one byte";
  const std::string most(pki::CertificateRequest::kMaxSize, 'x');
  EXPECT_TRUE(decode_renewal_request(encode(RenewalRequest{.request = most})));
  EXPECT_FALSE(decode_renewal_request(encode(RenewalRequest{.request = most + "x"})));
  RenewalAnswer answer{.cloud_chain = std::vector<std::string>(pki::kMaxChain, "x")};
  EXPECT_TRUE(decode_renewal_answer(encode(answer)));
  answer.cloud_chain.emplace_back("x");
  EXPECT_FALSE(decode_renewal_answer(encode(answer)));
}

TEST(Renewal, AClockThatCannotBeIsHeldToOneThatCan) {
  const WallTime now = kNow;
  for (const std::int64_t told : {INT64_MIN, std::int64_t{-1}, INT64_MAX, kMaxUnixMs + 1}) {
    const std::int64_t held = decode_renewal_answer(encode(RenewalAnswer{.unix_ms = told})).value().unix_ms;
    EXPECT_EQ(held, told < 0 ? 0 : kMaxUnixMs);
    const Duration apart = std::chrono::milliseconds(unix_ms(now) - held);
    EXPECT_EQ(apart / 1ms, unix_ms(now) - held) << "no overflow";
  }
}

TEST(Renewal, IsDueBetweenHalfAndTwoThirdsOfTheLifeAndNotForAllAtOnce) {
  const pki::TestPki pki(pki::KeyKind::ed25519);
  const pki::PrivateKey key = pki::PrivateKey::generate(pki::KeyKind::ed25519);
  Random random(1);
  for (const Duration life : {Duration(30s), Duration(1h), Duration(24h * 365)}) {
    const pki::Certificate certificate = pki.ca.issue_edge(node("a"), key.public_key(), kNow, life).value();
    WallTime first = WallTime::max(), last = WallTime::min();
    for (int i = 0; i < 1000; i++) {
      const WallTime due = renewal_due(certificate, random);
      first = std::min(first, due);
      last = std::max(last, due);
    }
    EXPECT_GE(first, kNow + life / 2);
    EXPECT_LE(last, kNow + life / 3 * 2 + 1s);
    EXPECT_GT(last - first, life / 10) << "a fleet that joined together does not come together";
  }
}

TEST(Renewal, AnEdgeTakesOnlyACertificateOfItsOwnKeyAndNameAndOfACaThatCameWithIt) {
  const pki::TestPki pki(pki::KeyKind::ed25519), other(pki::KeyKind::ed25519);
  const pki::PrivateKey key = pki::PrivateKey::generate(pki::KeyKind::ed25519), foreign = pki::PrivateKey::generate(pki::KeyKind::ed25519);
  const std::string trust = pki.ca.certificate().to_pem();
  const pki::Fingerprint own = key.public_key().fingerprint();
  const auto issued = [&](const pki::Authority& ca, std::string_view name, const pki::PrivateKey& k) {
    return ca.issue_edge(node(name), k.public_key(), kNow).value().to_pem();
  };
  EXPECT_TRUE(check_renewed(issued(pki.ca, "edge-a", key), trust, node("edge-a"), own));
  EXPECT_FALSE(check_renewed(issued(pki.ca, "edge-a", foreign), trust, node("edge-a"), own)) << "another key";
  EXPECT_FALSE(check_renewed(issued(pki.ca, "edge-b", key), trust, node("edge-a"), own)) << "another name";
  EXPECT_FALSE(check_renewed(issued(other.ca, "edge-a", key), trust, node("edge-a"), own)) << "another CA";
  EXPECT_FALSE(check_renewed("", trust, node("edge-a"), own));
  EXPECT_FALSE(check_renewed(issued(pki.ca, "edge-a", key), "no PEM", node("edge-a"), own));
}

}  // namespace
}  // namespace fairlead::enrol
