#include "pki/link_secrets.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "pki/files.h"
#include "pki/random.h"
#include "pki/test_certificates.h"

namespace fairlead::pki {
namespace {

TEST(MasterSecret, ReplicasWithOneFileDeriveTheSameKeys) {
  TestFolder folder;
  const MasterSecret made = MasterSecret::generate();
  ASSERT_TRUE(made.save(folder / "secret.key"));
  auto loaded = MasterSecret::load(folder / "secret.key");
  ASSERT_TRUE(loaded) << loaded.error().describe();
  EXPECT_EQ(made.derive("x", 32).reveal(), loaded->derive("x", 32).reveal());
  EXPECT_NE(made.derive("x", 32).reveal(), made.derive("y", 32).reveal());
  EXPECT_NE(made.derive("x", 32).reveal(), MasterSecret::generate().derive("x", 32).reveal());
  struct stat status{};
  ASSERT_EQ(::stat((folder / "secret.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST(MasterSecret, DerivationIsHkdfSha256) {
  // The file outlives the program: another answer here would make replicas of two versions strangers to each other. Computed with
  // openssl kdf -keylen 42 -kdfopt digest:SHA256 -kdfopt hexkey:000102...1f -kdfopt salt:fairlead/1 -kdfopt info:session\ ticket HKDF
  std::string hex;
  for (int i = 0; i < 32; i++) hex += fmt::format("{:02x}", i);
  const MasterSecret master = MasterSecret::from_text(Secret(hex), "secret.key").value();
  Ran openssl = run("openssl kdf -keylen 42 -kdfopt digest:SHA256 -kdfopt hexkey:" + hex +
                    " -kdfopt salt:fairlead/1 -kdfopt 'info:session ticket' HKDF");
  ASSERT_EQ(openssl.status, 0) << openssl.output;
  std::string expected;
  for (char c : openssl.output)
    if (c != ':' && c != '\n') expected += static_cast<char>(std::tolower(c));
  EXPECT_EQ(to_hex(as_bytes(master.derive("session ticket", 42).reveal())), expected);
}

TEST(MasterSecret, ErrorsNameTheFile) {
  const std::string good(64, 'a');
  EXPECT_TRUE(MasterSecret::from_text(Secret(good + "\r\n"), "secret.key"));
  for (const std::string& bad : {std::string(), good + "a", good + "aa", good.substr(1), good.substr(2), good.substr(1) + "g",
                                 good.substr(2) + " a", good.substr(1) + "\n", "\n" + good})
    EXPECT_EQ(MasterSecret::from_text(Secret(bad), "secret.key").error().message(),
              "secret.key is not a master secret: 64 hex digits on one line")
        << bad;
  TestFolder folder;
  EXPECT_EQ(MasterSecret::load(folder / "secret.key").error().code(), Code::not_found);
}

TEST(MasterSecret, NamesItsCas) {
  TestFolder folder;
  MasterSecret made = MasterSecret::generate();
  EXPECT_TRUE(made.authorities().empty());
  const std::vector<Fingerprint> keys{Fingerprint(sha256(as_bytes("a"))), Fingerprint(sha256(as_bytes("b")))};
  made.set_authorities(keys);
  ASSERT_TRUE(made.save(folder / "secret.key"));
  const auto loaded = MasterSecret::load(folder / "secret.key");
  ASSERT_TRUE(loaded) << loaded.error().describe();
  EXPECT_EQ(loaded->authorities(), keys);
  EXPECT_EQ(loaded->derive("x", 32).reveal(), made.derive("x", 32).reveal());
  const std::string good(64, 'a');
  EXPECT_TRUE(MasterSecret::from_text(Secret(good + "\r\n\nca " + good + "\r\n\n"), "secret.key"));
  for (const std::string& bad : {good, "ca " + good + "a", "ca" + good, std::string("#")}) {
    const auto refused = MasterSecret::from_text(Secret(good + "\n" + bad + "\n"), "secret.key");
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().message(), "secret.key has a line after the secret that names no CA: \"ca\" and 64 hex digits");
  }
}

TEST(LinkSecrets, AreAllDifferentAndAsLongAsTheirUseWants) {
  const LinkSecrets s(MasterSecret::generate());
  EXPECT_EQ(s.session_ticket.reveal().size(), 64u);
  for (const Secret* a : {&s.address_token, &s.stateless_reset}) {
    EXPECT_EQ(a->reveal().size(), 32u);
    for (const Secret* b : {&s.address_token, &s.stateless_reset}) EXPECT_EQ(a == b, a->reveal() == b->reveal());
  }
}

TEST(RandomBytes, AreNotTheSameTwice) {
  EXPECT_NE(random_u64(), random_u64());
  std::array<std::byte, 32> a{}, b{};
  random_bytes(a);
  random_bytes(b);
  EXPECT_FALSE(equal_secrets(a, b));
  EXPECT_TRUE(equal_secrets(a, a));
  EXPECT_FALSE(equal_secrets(a, Bytes(a).first(31)));
}

TEST(Sha256, KnowsItsVector) {
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-4
}

}  // namespace
}  // namespace fairlead::pki
