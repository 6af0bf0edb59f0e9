#include "pki/authority.h"

#include <gmock/gmock.h>

#include "pki/files.h"
#include "pki/request.h"
#include "pki/test_certificates.h"
#include "pki/test_pki.h"

namespace fairlead::pki {
namespace {

using testing::HasSubstr;

constexpr WallTime kNow = TestPki::kNow;

class OpensslAgrees : public testing::TestWithParam<KeyKind> {
 protected:
  std::string file(const std::string& name, const Certificate& c) const {
    EXPECT_TRUE(write_file(folder / name, c.to_pem(), 0644));
    return (folder / name).native();
  }
  TestFolder folder;
  TestPki pki{GetParam()};
  std::string at = " -attime " + std::to_string(std::chrono::floor<std::chrono::seconds>(kNow).time_since_epoch().count());
};

TEST_P(OpensslAgrees, AboutAnEdge) {
  const std::string ca = file("ca.pem", pki.ca.certificate()), edge = file("edge.pem", *pki.edge("edge-a")->certificate());
  EXPECT_EQ(run("openssl x509 -noout -subject -in " + edge).output, "subject=O = system:nodes, CN = system:node:edge-a\n");
  EXPECT_EQ(run("openssl verify -x509_strict -purpose sslclient" + at + " -CAfile " + ca + " " + edge).output, edge + ": OK\n");
  EXPECT_NE(run("openssl verify -purpose sslserver" + at + " -CAfile " + ca + " " + edge).status, 0);
}

TEST_P(OpensslAgrees, AboutTheCloud) {
  const PrivateKey key = PrivateKey::generate(GetParam());
  const auto names = HostName::parse_all({"cloud.example", "192.0.2.7", "2001:db8::1"}).value();
  const std::string ca = file("ca.pem", pki.ca.certificate()),
                    cloud = file("cloud.pem", pki.ca.issue_server(names, key.public_key(), kNow).value());
  const std::string verify = "openssl verify -x509_strict -purpose sslserver" + at + " -CAfile " + ca;
  EXPECT_EQ(run(verify + " -verify_hostname cloud.example " + cloud).output, cloud + ": OK\n");
  EXPECT_EQ(run(verify + " -verify_ip 192.0.2.7 " + cloud).output, cloud + ": OK\n");
  EXPECT_EQ(run(verify + " -verify_ip 2001:db8::1 " + cloud).output, cloud + ": OK\n");
  EXPECT_NE(run(verify + " -verify_hostname other.example " + cloud).status, 0);
  EXPECT_NE(run("openssl verify -purpose sslclient" + at + " -CAfile " + ca + " " + cloud).status, 0);
}

TEST_P(OpensslAgrees, AboutTheKey) {
  const PrivateKey key = PrivateKey::generate(GetParam());
  ASSERT_TRUE(key.save(folder / "key.pem"));
  EXPECT_THAT(run("openssl pkey -in " + (folder / "key.pem").native() + " -pubout -outform DER | openssl sha256").output,
              HasSubstr(key.public_key().fingerprint().to_text()));
}

INSTANTIATE_TEST_SUITE_P(Keys, OpensslAgrees, testing::Values(KeyKind::p256, KeyKind::ed25519),
                         [](const auto& kind) { return kind.param == KeyKind::p256 ? "P256" : "Ed25519"; });

TEST(Authority, TwoAuthoritiesHaveDifferentNames) {
  EXPECT_NE(Authority::create(kNow).certificate().subject(), Authority::create(kNow).certificate().subject());
}

TEST(Authority, LastsTenYears) {
  const Certificate c = Authority::create(kNow).certificate();
  EXPECT_EQ(c.not_before(), kNow - 1h);
  EXPECT_EQ(c.not_after(), kNow + 24h * 3650);
}

TEST(Authority, NothingOutlivesIt) {
  const Authority ca = Authority::create(kNow, 48h);
  const PublicKey key = PrivateKey::generate().public_key();
  const NodeName node = NodeName::parse("edge-a").value();
  EXPECT_EQ(ca.issue_edge(node, key, kNow, 24h)->not_after(), kNow + 24h);
  EXPECT_EQ(ca.issue_edge(node, key, kNow, 72h)->not_after(), kNow + 48h);
  EXPECT_EQ(ca.issue_edge(node, key, kNow, Duration::max())->not_after(), kNow + 48h);
  auto late = ca.issue_edge(node, key, kNow + 48h, 24h);
  ASSERT_FALSE(late);
  EXPECT_THAT(late.error().message(), HasSubstr("the CA's certificate expired at 2026-11-27T00:00:00.000Z: a new CA is needed"));
  EXPECT_FALSE(ca.issue_edge(node, key, kNow, 0s));
  EXPECT_FALSE(ca.issue_server({}, key, kNow));
}

TEST(Authority, SerialsAreDifferent) {
  TestPki pki;
  EXPECT_NE(pki.edge()->certificate()->serial(), pki.edge()->certificate()->serial());
}

TEST(Authority, RefusesAKeyThatIsNotItsOwn) {
  TestPki pki, other;
  auto made = Authority::make(pki.ca.certificate(), other.ca.key());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message(), "the key is not the one of the CA's certificate");
  EXPECT_EQ(Authority::make(*pki.edge()->certificate(), other.ca.key()).error().message(), "the certificate is not a CA's");
}

TEST(Authority, LoadsTheOneOfTwoThatItHasTheKeyOf) {
  TestPki old, next;
  TestFolder folder;
  ASSERT_TRUE(write_file(folder / "ca.pem", to_pem({old.ca.certificate(), next.ca.certificate()}), 0644));
  ASSERT_TRUE(next.ca.key().save(folder / "ca-key.pem"));
  auto loaded = Authority::load(folder / "ca.pem", folder / "ca-key.pem");
  ASSERT_TRUE(loaded) << loaded.error().describe();
  EXPECT_EQ(loaded->certificate().fingerprint(), next.ca.certificate().fingerprint());
  ASSERT_TRUE(PrivateKey::generate().save(folder / "ca-key.pem"));
  EXPECT_THAT(Authority::load(folder / "ca.pem", folder / "ca-key.pem").error().describe(), HasSubstr("one of the two is from another CA"));
}

TEST(CertificateRequest, GoesFromTheNodeToTheAuthority) {
  TestPki pki;
  const PrivateKey key = PrivateKey::generate();
  const CertificateRequest made = CertificateRequest::make(key, NodeName::parse("edge-a").value());
  auto request = CertificateRequest::from_pem(made.to_pem(), "join");
  ASSERT_TRUE(request) << request.error().describe();
  EXPECT_EQ(request->node()->value(), "edge-a");
  EXPECT_EQ(request->public_key().fingerprint(), key.public_key().fingerprint());
  const Certificate c = pki.ca.issue_edge(*request->node(), request->public_key(), kNow).value();
  EXPECT_TRUE(Credentials::make({c}, key, pki.trust()));
}

TEST(CertificateRequest, OpensslReadsOursAndWeReadOpenssls) {
  TestFolder folder;
  const std::string ours = (folder / "ours.pem").native(), theirs = (folder / "theirs.pem").native(), key = (folder / "key.pem").native();
  ASSERT_TRUE(write_file(ours, CertificateRequest::make(PrivateKey::generate(), NodeName::parse("edge-a").value()).to_pem(), 0644));
  Ran read = run("openssl req -verify -noout -subject -in " + ours);
  EXPECT_EQ(read.status, 0);
  EXPECT_THAT(read.output, HasSubstr("O = system:nodes, CN = system:node:edge-a"));
  ASSERT_EQ(run("openssl req -new -newkey rsa:2048 -nodes -subj '/O=system:nodes/CN=system:node:edge-b' -keyout " + key + " -out " + theirs)
                .status,
            0);
  auto request = CertificateRequest::from_pem(read_file(theirs, 1_MiB).value(), theirs);
  ASSERT_TRUE(request) << request.error().describe();
  EXPECT_EQ(request->node()->value(), "edge-b");
}

TEST(CertificateRequest, AWeakKeyIsRefused) {
  TestFolder folder;
  const std::string file = (folder / "weak.pem").native(), key = (folder / "key.pem").native();
  ASSERT_EQ(run("openssl req -new -newkey rsa:1024 -nodes -subj /CN=weak -keyout " + key + " -out " + file).status, 0);
  auto request = CertificateRequest::from_pem(read_file(file, 1_MiB).value(), "weak.pem");
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().describe(), "weak.pem: a key of 1024 bits for RSA: use ECDSA (P-256), Ed25519, or RSA of 2048 bits or more");
  EXPECT_EQ(PrivateKey::load(key).error().code(), Code::unsupported);
}

TEST(CertificateRequest, SignedByAnotherKeyIsRefused) {
  const CertificateRequest good = CertificateRequest::make(PrivateKey::generate(KeyKind::ed25519), NodeName::parse("edge-a").value());
  std::string der(as_text(good.der()));
  EXPECT_TRUE(CertificateRequest::from_der(as_bytes(der)));
  der.back() = static_cast<char>(der.back() ^ 1);
  EXPECT_THAT(CertificateRequest::from_der(as_bytes(der)).error().describe(), HasSubstr("is not signed by its own key"));
  for (std::size_t size = 0; size < der.size(); size += 7) EXPECT_FALSE(CertificateRequest::from_der(Bytes(as_bytes(der)).first(size)));
  const std::string big(CertificateRequest::kMaxSize + 1, '0');
  EXPECT_EQ(CertificateRequest::from_der(as_bytes(big)).error().code(), Code::too_large);
  EXPECT_EQ(CertificateRequest::from_der(as_bytes(big.substr(1))).error().code(), Code::invalid);
  EXPECT_THAT(CertificateRequest::from_pem("", "x.csr").error().describe(), HasSubstr("x.csr has no certificate request"));
}

TEST(CertificateRequest, OfSomethingElseNamesNoNode) {
  TestFolder folder;
  const std::string key = (folder / "key.pem").native();
  for (const char* subject : {"/CN=x", "/CN=system:node:a", "/O=system:nodes/CN=system:node:a/CN=system:node:b"}) {
    Ran made = run(std::string("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ") + key + " -subj " + subject +
                   " 2>/dev/null");
    auto request = CertificateRequest::from_pem(made.output, "x");
    ASSERT_TRUE(request) << request.error().describe();
    EXPECT_FALSE(request->node()) << subject;
  }
}

}  // namespace
}  // namespace fairlead::pki
