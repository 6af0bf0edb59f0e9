#include "pki/identity.h"

#include <algorithm>

#include "pki/identity_fixture.h"

namespace fairlead::pki {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST_F(Identities, NoCertificateIsSaidSo) {
  Refusal r = refused_edge({});
  EXPECT_EQ(r.reason, RefusalReason::no_certificate);
  EXPECT_EQ(r.alert(), 116);
  EXPECT_EQ(r.message, "an edge showed no certificate: issue the edge a new folder in the cloud (`fairlead cert issue`)");
  EXPECT_EQ(r.close_text(),
            "no_certificate: the cloud saw no certificate from you: issue the edge a new folder in the cloud (`fairlead cert issue`)");
  EXPECT_EQ(r.error().code(), Code::unauthenticated);
  EXPECT_EQ(r.error().message(), r.message);
}

TEST_F(Identities, AnotherCaIsRefused) {
  TestPki other;
  Refusal at_cloud = refused_edge(other.edge("edge-a")->chain());
  EXPECT_EQ(at_cloud.reason, RefusalReason::wrong_ca);
  EXPECT_EQ(at_cloud.alert(), 48);
  EXPECT_THAT(at_cloud.message, AllOf(StartsWith("the certificate of an edge is from another CA (\"CN=Fairlead CA "),
                                      HasSubstr(pki.trust().fingerprints()), HasSubstr("`fairlead cert issue`")));
  EXPECT_THAT(at_cloud.for_peer, StartsWith("the cloud does not trust the CA of your certificate (\"CN=Fairlead CA "));

  Refusal at_edge = refused_cloud(other.cloud()->chain());
  EXPECT_EQ(at_edge.reason, RefusalReason::wrong_ca);
  EXPECT_THAT(at_edge.message,
              AllOf(StartsWith("the certificate of the cloud at cloud.example is from another CA"), HasSubstr("copy its ca.pem here")));
  EXPECT_THAT(at_edge.for_peer, StartsWith("the edge does not trust the CA of your certificate"));
}

TEST_F(Identities, AnotherCaOfTheSameNameIsRefused) {
  PrivateKey forger = PrivateKey::generate();
  const std::string common_name = pki.ca.certificate().common_name();
  Draft ca{.common_names = {common_name}, .ca = true, .from = kNow - 1h, .to = kNow + 1h};
  // Self-signed: the draft needs an issuer of that name, which the genuine CA is, but the key is the forger's.
  Certificate forged = ca.sign(pki.ca.certificate(), forger, forger.public_key());
  Draft leaf{.common_names = {"system:node:edge-a"},
             .organizations = {"system:nodes"},
             .uses = {GNUTLS_KP_TLS_WWW_CLIENT},
             .from = kNow - 1h,
             .to = kNow + 1h};
  Certificate edge_a = leaf.sign(forged, forger, PrivateKey::generate().public_key());
  EXPECT_EQ(refused_edge({edge_a}).reason, RefusalReason::wrong_ca);
  EXPECT_EQ(refused_edge({edge_a, forged}).reason, RefusalReason::wrong_ca);
}

TEST_F(Identities, ASelfSignedCertificateIsRefused) {
  TestPki own;
  EXPECT_EQ(refused_edge({own.ca.certificate()}).reason, RefusalReason::wrong_ca);
  EXPECT_EQ(refused_edge({own.edge("edge-a")->chain()[0], own.ca.certificate()}).reason, RefusalReason::wrong_ca);
}

TEST_F(Identities, AnEdgeCannotSignForAnotherNode) {
  PrivateKey key = PrivateKey::generate();
  Certificate edge_a = pki.ca.issue_edge(NodeName::parse("edge-a").value(), key.public_key(), kNow).value();
  Draft forged{.common_names = {"system:node:edge-b"},
               .organizations = {"system:nodes"},
               .uses = {GNUTLS_KP_TLS_WWW_CLIENT},
               .from = kNow - 1h,
               .to = kNow + 1h};
  Certificate edge_b = forged.sign(edge_a, key, PrivateKey::generate().public_key());
  EXPECT_EQ(refused_edge({edge_b, edge_a}).reason, RefusalReason::wrong_ca);
}

TEST_F(Identities, ValidityIsExactToTheSecond) {
  const Certificate& c = edge[0];
  EXPECT_TRUE(check(edge, pki.trust(), ExpectEdge{}, c.not_before()));
  EXPECT_TRUE(check(edge, pki.trust(), ExpectEdge{}, c.not_after()));
  EXPECT_EQ(refused_edge(edge, c.not_before() - 1s).reason, RefusalReason::not_yet_valid);
  EXPECT_EQ(refused_edge(edge, c.not_after() + 1s).reason, RefusalReason::expired);
}

TEST_F(Identities, AnExpiredCertificateTellsBothClocks) {
  Refusal r = refused_edge(edge, kNow + 24h * 400);
  EXPECT_EQ(r.reason, RefusalReason::expired);
  EXPECT_EQ(r.alert(), 45);
  EXPECT_EQ(r.message,
            "the certificate of node edge-a expired at 2027-11-25T00:00:00Z; your clock says 2027-12-30T00:00:00Z: issue the edge a new "
            "folder in "
            "the cloud (`fairlead cert issue`), or set your clock if it is wrong");
  EXPECT_EQ(r.for_peer,
            "your certificate expired at 2027-11-25T00:00:00Z; the clock of the cloud says 2027-12-30T00:00:00Z: issue the edge a new "
            "folder in the "
            "cloud (`fairlead cert issue`), or set that clock if it is wrong");
}

TEST_F(Identities, AnEdgeWhoseClockIsBehindIsToldSo) {
  Refusal r = refused_cloud(cloud, "cloud.example", WallTime{});
  EXPECT_EQ(r.reason, RefusalReason::not_yet_valid);
  EXPECT_EQ(r.alert(), 45);
  EXPECT_EQ(r.message,
            "the certificate of the cloud at cloud.example is valid only from 2026-11-24T23:00:00Z; your clock says 1970-01-01T00:00:00Z: "
            "set your "
            "clock (NTP) if it is wrong, or wait");
  EXPECT_EQ(r.for_peer,
            "your certificate is valid only from 2026-11-24T23:00:00Z; the clock of the edge says 1970-01-01T00:00:00Z: set the clock that "
            "is wrong, "
            "or wait");
}

TEST_F(Identities, AClockHalfAnHourBehindIsGoodEnough) {
  EXPECT_TRUE(check(cloud, pki.trust(), ExpectCloud{"cloud.example"}, kNow - 30min));
}

TEST_F(Identities, AnExpiredCaIsRefused) {
  // The Authority would not let a certificate outlive its CA.
  TestPki brief;
  Authority ca = Authority::create(kNow, 24h);
  Draft leaf{.common_names = {"system:node:edge-a"},
             .organizations = {"system:nodes"},
             .uses = {GNUTLS_KP_TLS_WWW_CLIENT},
             .from = kNow - 1h,
             .to = kNow + 240h};
  Certificate edge_a = leaf.sign(ca.certificate(), ca.key(), PrivateKey::generate().public_key());
  TrustStore trust = TrustStore::from_certificates({ca.certificate()}).value();
  EXPECT_TRUE(check({edge_a}, trust, ExpectEdge{}, kNow));
  auto refused = check({edge_a}, trust, ExpectEdge{}, kNow + 48h);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, RefusalReason::expired);
  EXPECT_THAT(refused.error().message, StartsWith("the CA of node edge-a expired at 2026-11-26"));
}

TEST_F(Identities, AnIntermediateCaCountsOnlyOnTheWay) {
  PrivateKey root_key = PrivateKey::generate(), middle_key = PrivateKey::generate();
  Authority other = Authority::create(kNow);
  Draft root_draft{.common_names = {"Root"}, .ca = true, .from = kNow - 1h, .to = kNow + 240h};
  // Self-signed by way of itself as issuer.
  Certificate stand_in = root_draft.sign(other.certificate(), root_key, root_key.public_key());
  Certificate root = root_draft.sign(stand_in, root_key, root_key.public_key());
  Draft middle_draft{.common_names = {"Middle"}, .ca = true, .from = kNow - 1h, .to = kNow + 24h};
  Certificate middle = middle_draft.sign(root, root_key, middle_key.public_key());
  Draft leaf{.dns_names = {"cloud.example"}, .uses = {GNUTLS_KP_TLS_WWW_SERVER}, .from = kNow - 1h, .to = kNow + 240h};
  Certificate server = leaf.sign(middle, middle_key, PrivateKey::generate().public_key());
  TrustStore trust = TrustStore::from_certificates({root}).value();
  auto reason = [&](const std::vector<Certificate>& chain, WallTime now) {
    auto peer = check(chain, trust, ExpectCloud{"cloud.example"}, now);
    return peer ? std::string("let in") : std::string(name(peer.error().reason));
  };
  EXPECT_EQ(reason({server, middle}, kNow), "let in");
  EXPECT_EQ(reason({server}, kNow), "wrong_ca");
  EXPECT_EQ(reason({server, middle}, kNow + 48h), "expired");
  // The cloud's other chain, expired, is beside the way.
  Certificate bystander =
      Draft{.common_names = {"Bystander"}, .ca = true, .from = kNow - 48h, .to = kNow - 24h}.sign(root, root_key, root_key.public_key());
  EXPECT_EQ(reason({server, middle, bystander}, kNow), "let in");
}

TEST_F(Identities, WhileACaIsReplacedBothCount) {
  TestPki next;
  TrustStore both = TrustStore::from_certificates({pki.ca.certificate(), next.ca.certificate()}).value();
  EXPECT_TRUE(check(edge, both, ExpectEdge{}));
  EXPECT_TRUE(check(next.edge()->chain(), both, ExpectEdge{}));
}

TEST_F(Identities, RevocationIsByKeyBySerialAndByNode) {
  for (const std::string& line :
       {std::string("node edge-a"), "fingerprint " + edge[0].fingerprint().to_text(), "serial " + edge[0].serial().to_text()}) {
    RevocationList list = RevocationList::parse("# first line\n" + line + "   # left on a train\n", "revoked").value();
    Refusal r = refused_edge(edge, kNow, list);
    EXPECT_EQ(r.reason, RefusalReason::revoked) << line;
    EXPECT_EQ(r.alert(), 44);
    EXPECT_EQ(r.message,
              "node edge-a is revoked (line 2 of the revocation list: \"left on a train\"): remove that line, or issue a new certificate "
              "if it is to "
              "come back");
    EXPECT_EQ(r.for_peer, "the cloud has revoked your certificate: ask its administrator");  // the comment is not the peer's business
    EXPECT_TRUE(check(pki.edge("edge-b")->chain(), pki.trust(), ExpectEdge{}, kNow, list)) << line;
  }
}

TEST_F(Identities, ARevokedKeyDoesNotComeBackWithANewCertificate) {
  PrivateKey key = PrivateKey::generate();
  auto issue = [&] { return pki.ca.issue_edge(NodeName::parse("edge-a").value(), key.public_key(), kNow).value(); };
  Certificate first = issue(), second = issue();
  RevocationList by_key = RevocationList::parse("fingerprint " + first.fingerprint().to_text(), "revoked").value();
  RevocationList by_serial = RevocationList::parse("serial " + first.serial().to_text(), "revoked").value();
  EXPECT_EQ(refused_edge({second}, kNow, by_key).reason, RefusalReason::revoked);
  EXPECT_TRUE(check({second}, pki.trust(), ExpectEdge{}, kNow, by_serial));
}

TEST_F(Identities, WhatIsNoCertificateIsMalformed) {
  const std::string garbage = "garbage";
  std::vector<Bytes> der = {as_bytes(garbage)};
  auto checked = check_peer(der, pki.trust(), ExpectEdge{}, {}, kNow);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().reason, RefusalReason::malformed);
  EXPECT_EQ(checked.error().alert(), 42);
  EXPECT_THAT(checked.error().message, StartsWith("the certificate of an edge is malformed (not a certificate: "));
  EXPECT_THAT(checked.error().for_peer, StartsWith("your certificate is malformed (not a certificate: "));
}

TEST_F(Identities, AChainOverTheLimitIsNotLookedAt) {
  std::vector<Certificate> chain = edge;
  while (chain.size() < kMaxChain) chain.push_back(pki.ca.certificate());
  EXPECT_TRUE(check(chain, pki.trust(), ExpectEdge{}));
  chain.push_back(pki.ca.certificate());
  Refusal r = refused_edge(chain);
  EXPECT_EQ(r.reason, RefusalReason::malformed);
  EXPECT_THAT(r.message, HasSubstr("9 certificates in the chain, at most 8 are accepted"));
}

TEST_F(Identities, AWeakSignatureIsRefused) {
  Draft draft{.common_names = {"system:node:edge-a"},
              .organizations = {"system:nodes"},
              .uses = {GNUTLS_KP_TLS_WWW_CLIENT},
              .digest = GNUTLS_DIG_SHA1};
  Refusal r = refused_edge({odd(draft)});
  EXPECT_EQ(r.reason, RefusalReason::malformed);
  EXPECT_THAT(r.message, HasSubstr("its key or signature is too weak"));
}

TEST_F(Identities, AStrangersWordsAreMadeHarmless) {
  PrivateKey key = PrivateKey::generate();
  const std::string nasty = "Evil\n\x1b[2J\xc3\xa4" + std::string(150, 'x');
  Authority other = Authority::create(kNow);
  Certificate evil =
      Draft{.common_names = {nasty}, .ca = true, .from = kNow - 1h, .to = kNow + 1h}.sign(other.certificate(), key, key.public_key());
  Certificate leaf = Draft{.common_names = {"x"}, .from = kNow - 1h, .to = kNow + 1h}.sign(evil, key, key.public_key());
  Refusal r = refused_edge({leaf});
  EXPECT_EQ(r.reason, RefusalReason::wrong_ca);
  for (const std::string& text : {r.message, r.close_text()}) {
    EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; })) << text;
    EXPECT_LE(text.size(), 500u);
  }
  EXPECT_LE(r.close_text().size(), Refusal::kMaxCloseText);
}

TEST_F(Identities, ASessionEndsWithItsCertificate) {
  Identity peer = check(edge, pki.trust(), ExpectEdge{}).value();
  EXPECT_FALSE(refuse_if_ended(peer, {}, peer.not_after));
  auto late = refuse_if_ended(peer, {}, peer.not_after + 1s);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->reason, RefusalReason::expired);
  EXPECT_THAT(late->message, StartsWith("the certificate of node edge-a expired"));
  auto gone = refuse_if_ended(peer, RevocationList::parse("node edge-a", "revoked").value(), kNow);
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->reason, RefusalReason::revoked);

  Identity server = check(cloud, pki.trust(), ExpectCloud{"cloud.example"}).value();
  EXPECT_FALSE(refuse_if_ended(server, RevocationList::parse("node edge-a", "revoked").value(), kNow));
}

}  // namespace
}  // namespace fairlead::pki
