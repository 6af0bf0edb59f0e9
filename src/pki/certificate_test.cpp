#include "pki/certificate.h"

#include <gmock/gmock.h>

#include "base/random.h"
#include "pki/files.h"
#include "pki/identity.h"
#include "pki/test_certificates.h"
#include "pki/test_pki.h"

namespace fairlead::pki {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr WallTime kNow = TestPki::kNow;

std::string why_not(std::string_view pem) {
  auto bundle = Certificate::bundle_from_pem(pem, "ca.pem");
  return bundle ? "it can be read" : bundle.error().describe();
}

TEST(Certificate, HasItsFields) {
  TestPki pki;
  const PrivateKey key = PrivateKey::generate();
  const auto names = HostName::parse_all({"Cloud.Example", "192.0.2.7", "2001:db8::1", "*.edge.example"}).value();
  const Certificate c = pki.ca.issue_server(names, key.public_key(), kNow).value();
  EXPECT_EQ(c.common_name(), "cloud.example");
  EXPECT_THAT(c.organizations(), ElementsAre("Fairlead"));
  EXPECT_THAT(c.dns_names(), ElementsAre("cloud.example", "*.edge.example"));
  EXPECT_THAT(c.ip_addresses(), ElementsAre("192.0.2.7", "2001:db8::1"));
  EXPECT_EQ(c.not_before(), kNow - 1h);
  EXPECT_EQ(c.not_after(), kNow + kServerLifetime);
  EXPECT_EQ(c.issuer(), pki.ca.certificate().subject());
  EXPECT_EQ(c.fingerprint(), key.public_key().fingerprint());
  EXPECT_TRUE(c.for_server());
  EXPECT_FALSE(c.for_client());
  EXPECT_FALSE(c.is_ca());
  EXPECT_TRUE(pki.ca.certificate().is_ca());
}

TEST(Certificate, PemGoesAndComesBack) {
  TestPki pki;
  std::vector<Certificate> chain = {pki.edge()->chain()[0], pki.ca.certificate()};
  auto back = Certificate::bundle_from_pem("Text before\n" + chain[0].to_pem() + "and between\n" + chain[1].to_pem(), "edge.pem");
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 2u);
  for (std::size_t i = 0; i < 2; i++) EXPECT_EQ(as_text((*back)[i].der()), as_text(chain[i].der()));
  EXPECT_EQ(to_pem(*back), to_pem(chain));
}

TEST(Certificate, OpensslReadsTheSameFingerprintAndSerial) {
  TestPki pki;
  TestFolder folder;
  const Certificate c = pki.edge()->chain()[0];
  ASSERT_TRUE(write_file(folder / "edge.pem", c.to_pem(), 0644));
  const std::string file = (folder / "edge.pem").native();
  EXPECT_THAT(run("openssl x509 -in " + file + " -pubkey -noout | openssl pkey -pubin -outform DER | openssl sha256").output,
              HasSubstr(c.fingerprint().to_text()));
  Ran serial = run("openssl x509 -in " + file + " -serial -noout");
  ASSERT_EQ(serial.output.substr(0, 7), "serial=");
  EXPECT_EQ(Serial::parse(serial.output.substr(7, serial.output.size() - 8)).value(), c.serial());
}

TEST(Certificate, ErrorsNameTheFileTheLineAndTheFault) {
  TestPki pki;
  const std::string good = pki.ca.certificate().to_pem();
  EXPECT_EQ(why_not(good), "it can be read");
  EXPECT_EQ(why_not(""), "ca.pem has no certificate in it (PEM, a line \"-----BEGIN CERTIFICATE-----\")");
  EXPECT_EQ(why_not(PrivateKey::generate().to_pem().reveal()), "ca.pem has a private key, but no certificate");
  EXPECT_EQ(why_not("\n\n" + good.substr(0, good.size() / 2)),
            "ca.pem:3: the certificate that begins here has no END line: the file was cut off");
  EXPECT_EQ(why_not(good.substr(0, good.size() / 2) + "\n" + good),
            "ca.pem:1: the certificate that begins here has no END line: the file was cut off");
  std::string damaged = good;
  damaged.replace(100, 3, "!!!");
  EXPECT_THAT(why_not(damaged), HasSubstr("ca.pem:1: the certificate that begins here is damaged: "));
  std::string second = good + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_THAT(why_not(second), HasSubstr(fmt::format("ca.pem:{}: the certificate that begins here cannot be read: not a certificate: ",
                                                     1 + std::ranges::count(good, '\n'))));
}

TEST(Certificate, TruncatedAnywhereIsRefused) {
  TestPki pki;
  const Certificate c = pki.edge()->chain()[0];
  for (std::size_t size = 0; size < c.der().size(); size++) EXPECT_FALSE(Certificate::from_der(c.der().first(size))) << size;
  const std::string pem = c.to_pem();
  for (std::size_t size = 0; size + 1 < pem.size(); size++)
    EXPECT_FALSE(Certificate::bundle_from_pem(std::string_view(pem).substr(0, size), "x")) << size;
}

TEST(Certificate, BytesBehindItAreRefused) {
  TestPki pki;
  std::string der(as_text(pki.ca.certificate().der()));
  EXPECT_TRUE(Certificate::from_der(as_bytes(der)));
  der += '\0';
  EXPECT_FALSE(Certificate::from_der(as_bytes(der)));
}

TEST(Certificate, SizeHasALimit) {
  const std::string big(kMaxCertificateSize + 1, '0');
  EXPECT_EQ(Certificate::from_der(as_bytes(big)).error().code(), Code::too_large);
  EXPECT_EQ(Certificate::from_der(as_bytes(big.substr(1))).error().code(), Code::invalid);  // looked at, and no certificate
}

TEST(Certificate, NamesHaveALimit) {
  TestPki pki;
  auto with_names = [&](std::size_t count) {
    Draft draft{.from = kNow, .to = kNow + 1h};
    for (std::size_t i = 0; i < count; i++) draft.dns_names.push_back(fmt::format("n{}.example", i));
    const std::string der = draft.sign_der(pki.ca.certificate(), pki.ca.key(), PrivateKey::generate().public_key());
    return Certificate::from_der(as_bytes(der));
  };
  auto most = with_names(kMaxNames);
  ASSERT_TRUE(most) << most.error().describe();
  EXPECT_EQ(most->dns_names().size(), kMaxNames);
  EXPECT_THAT(with_names(kMaxNames + 1).error().describe(), HasSubstr("more than 256 alternative names"));
}

TEST(Certificate, ANulInANameIsRefused) {
  TestPki pki;
  Draft draft{.dns_names = {"good.examplex.evil.example"}, .from = kNow, .to = kNow + 1h};
  std::string der = draft.sign_der(pki.ca.certificate(), pki.ca.key(), PrivateKey::generate().public_key());
  ASSERT_TRUE(Certificate::from_der(as_bytes(der)));
  der[der.find("examplex") + 7] = '\0';
  EXPECT_THAT(Certificate::from_der(as_bytes(der)).error().describe(),
              HasSubstr("the alternative name \"good.example?.evil.example\" has characters that a DNS name cannot have"));
  draft.dns_names.clear();
  draft.ip_addresses = {"\x01\x02\x03"};
  const std::string odd = draft.sign_der(pki.ca.certificate(), pki.ca.key(), PrivateKey::generate().public_key());
  EXPECT_THAT(Certificate::from_der(as_bytes(odd)).error().describe(), HasSubstr("an alternative IP address of 3 bytes"));
}

TEST(Certificate, NoExpiryIsTheEndOfTime) {
  // RFC 5280, 4.1.2.5: 99991231235959Z.
  TestFolder folder;
  const std::string key = (folder / "key.pem").native(), file = (folder / "c.pem").native();
  ASSERT_EQ(run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=old -days 2900000 -keyout " + key +
                " -out " + file)
                .status,
            0);
  auto bundle = Certificate::bundle_from_pem(read_file(file, 1_MiB).value(), file);
  ASSERT_TRUE(bundle) << bundle.error().describe();
  EXPECT_GT((*bundle)[0].not_after(), WallTime::max() - 2s);
  EXPECT_GT((*bundle)[0].not_after(), (*bundle)[0].not_before());
}

TEST(Certificate, TenThousandDamagedOnesAreRefusedOrUnknown) {
  TestPki pki;
  const TrustStore trust = pki.trust();
  const std::string der(as_text(pki.edge()->chain()[0].der()));
  Random random(7);
  std::size_t readable = 0;
  for (int i = 0; i < 10'000; i++) {
    std::string bad = der;
    for (std::uint64_t n = 1 + random.below(4); n > 0; n--) {
      const std::size_t at = random.below(bad.size());
      switch (random.below(4)) {
        case 0: bad[at] = static_cast<char>(random.next()); break;
        case 1: bad[at] = static_cast<char>(bad[at] ^ (1 << random.below(8))); break;
        case 2: bad.erase(at, 1 + random.below(8)); break;
        default: bad.insert(at, 1 + random.below(8), static_cast<char>(random.next())); break;
      }
      if (bad.empty()) bad = "x";
    }
    if (bad == der) continue;
    readable += Certificate::from_der(as_bytes(bad)).has_value() ? 1 : 0;
    const std::vector<Bytes> chain = {as_bytes(bad)};
    auto checked = check_peer(chain, trust, ExpectEdge{}, {}, kNow);
    ASSERT_FALSE(checked) << "seed 7, number " << i;
    EXPECT_LE(checked.error().close_text().size(), Refusal::kMaxCloseText);
  }
  EXPECT_GT(readable, 100u);  // damage that only the signature shows is among them
}

TEST(Fingerprint, IsSixtyFourHexDigits) {
  const std::string text(64, 'a');
  EXPECT_EQ(Fingerprint::parse(text)->to_text(), text);
  EXPECT_EQ(Fingerprint::parse(std::string(64, 'A'))->to_text(), text);
  EXPECT_FALSE(Fingerprint::parse(text + "a"));
  EXPECT_FALSE(Fingerprint::parse(text.substr(1)));
  EXPECT_FALSE(Fingerprint::parse(text.substr(1) + "g"));
}

TEST(Serial, IsTheSameInEveryWayToWriteIt) {
  for (const char* text : {"7a0019", "7A0019", "7a:00:19", "7A:00:19", "007a0019"})
    EXPECT_EQ(Serial::parse(text)->to_text(), "7a0019") << text;
  EXPECT_EQ(Serial::parse("0")->to_text(), "0");
  EXPECT_EQ(Serial::parse("00:00")->to_text(), "0");
  EXPECT_EQ(Serial::from_bytes(as_bytes(std::string_view("\0\x0a\x01", 3))), Serial::parse("a01").value());
  for (const char* text : {"", ":", "7a:", ":7a", "7a::19", "7:a0", "0x7a", "7a 19", "-1"}) EXPECT_FALSE(Serial::parse(text)) << text;
  EXPECT_TRUE(Serial::parse(std::string(40, 'f')));
  EXPECT_FALSE(Serial::parse(std::string(41, 'f')));
}

}  // namespace
}  // namespace fairlead::pki
