#include "enrol/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "pki/test_certificates.h"
#include "pki/test_pki.h"

namespace fairlead::enrol {
namespace {

using testing::HasSubstr;

const Actor kBy{"operator test", "cli"};
constexpr WallTime kNow = pki::TestPki::kNow;

NodeName node(std::string_view name) { return NodeName::parse(name).value(); }

struct RegistryTest : testing::Test {
  pki::TestFolder folder;
  pki::TestPki pki{pki::KeyKind::ed25519};
  Registry registry = Registry::open(folder.path()).value();

  pki::Certificate certificate(const pki::PrivateKey& key, std::string_view name) {
    return pki.ca.issue_edge(node(name), key.public_key(), kNow).value();
  }
  std::expected<pki::Certificate, JoinRefusal> join(Registry& at, const JoinToken& token, std::string_view name, const pki::PrivateKey& key,
                                                    WallTime now = kNow) {
    const auto sign = [&](const std::optional<pki::Fingerprint>&) -> Result<pki::Certificate> { return certificate(key, name); };
    return at.join(token, {node(name), key.public_key().fingerprint()}, sign, {"edge", "192.0.2.1:4"}, now);
  }
  std::uint32_t uses_left(const JoinToken& token) {
    for (const TokenRecord& t : registry.tokens().value())
      if (t.id == token.id()) return t.uses_left;
    return 9999;
  }
  std::string file_text() {
    std::string all;
    for (const char* name : {"state.db", "state.db-wal"}) {
      std::ifstream in(folder / name, std::ios::binary);
      all.append(std::istreambuf_iterator<char>(in), {});
    }
    return all;
  }
};

TEST_F(RegistryTest, TheFileAndItsCompanionsAreTheOwnersAlone) {
  static_cast<void>(registry.create_token({}, kBy, kNow).value());
  for (const char* name : {"state.db", "state.db-wal", "state.db-shm"}) {
    struct stat status{};
    ASSERT_EQ(::stat((folder / name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 0777, 0600u) << name;
  }
}

TEST_F(RegistryTest, NoSecretIsInTheFile) {
  const JoinToken token = registry.create_token({}, kBy, kNow).value();
  const std::string text = token.text().reveal();
  const std::string secret = text.substr(text.rfind('.') + 1);
  EXPECT_THAT(file_text(), HasSubstr(token.id()));
  EXPECT_EQ(file_text().find(secret), std::string::npos);
}

TEST_F(RegistryTest, WhatWasWrittenIsThereAfterAnotherOpen) {
  const JoinToken token = registry.create_token({.node = node("edge-a"), .uses = 3, .lifetime = 2h}, kBy, kNow).value();
  const pki::PrivateKey key = pki::PrivateKey::generate(pki.kind);
  ASSERT_TRUE(join(registry, token, "edge-a", key));
  ASSERT_TRUE(registry.change_labels(node("edge-a"), {{"site", "berlin"}}, kBy, kNow));
  registry = Registry::open(folder.path()).value();
  const auto tokens = registry.tokens().value();
  ASSERT_EQ(tokens.size(), 1u);
  EXPECT_EQ(tokens[0].node, node("edge-a"));
  EXPECT_EQ(tokens[0].uses, 3u);
  EXPECT_EQ(tokens[0].uses_left, 2u);
  EXPECT_EQ(tokens[0].expires, kNow + 2h);
  EXPECT_EQ(tokens[0].created_by, "operator test");
  const auto known = registry.node(node("edge-a")).value();
  ASSERT_TRUE(known);
  EXPECT_EQ(known->key, key.public_key().fingerprint());
  EXPECT_EQ(known->first_join, kNow);
  EXPECT_EQ(known->labels, (std::map<std::string, std::string>{{"site", "berlin"}}));
}

TEST_F(RegistryTest, AFileOfALaterVersionIsRefused) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((folder / "state.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "PRAGMA user_version = 99", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  const auto opened = Registry::open(folder.path());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::unsupported);
}

TEST_F(RegistryTest, AFileThatIsNoDatabaseIsRefused) {
  pki::TestFolder other;
  std::ofstream(other / kStateFile) << std::string(10'000, 'x');
  EXPECT_FALSE(Registry::open(other.path()));
}

TEST_F(RegistryTest, TokensAreHeldToTheirLimits) {
  EXPECT_TRUE(registry.create_token({.uses = TokenWish::kMaxUses}, kBy, kNow));
  EXPECT_FALSE(registry.create_token({.uses = TokenWish::kMaxUses + 1}, kBy, kNow));
  EXPECT_FALSE(registry.create_token({.uses = 0}, kBy, kNow));
  EXPECT_TRUE(registry.create_token({.lifetime = TokenWish::kMaxLifetime}, kBy, kNow));
  EXPECT_FALSE(registry.create_token({.lifetime = TokenWish::kMaxLifetime + 1ns}, kBy, kNow));
  EXPECT_FALSE(registry.create_token({.lifetime = 0s}, kBy, kNow));
}

TEST_F(RegistryTest, ATokenIsGoodUntilTheInstantOfItsEnd) {
  const JoinToken token = registry.create_token({.uses = 2, .lifetime = 1h}, kBy, kNow).value();
  const pki::PrivateKey key = pki::PrivateKey::generate(pki.kind);
  EXPECT_TRUE(join(registry, token, "edge-a", key, kNow + 1h - 1ms));
  const auto late = join(registry, token, "edge-b", key, kNow + 1h);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, JoinCode::expired_token);
}

TEST_F(RegistryTest, OldTokensGoAndRecentOnesStayToShowWhy) {
  const JoinToken old = registry.create_token({.lifetime = 1h}, kBy, kNow).value();
  const WallTime end = kNow + 1h;
  static_cast<void>(registry.create_token({}, kBy, end + Registry::kKeepTokens).value());
  EXPECT_EQ(registry.tokens().value().size(), 2u);
  static_cast<void>(registry.create_token({}, kBy, end + Registry::kKeepTokens + 1ms).value());
  for (const TokenRecord& t : registry.tokens().value()) EXPECT_NE(t.id, old.id());
}

TEST_F(RegistryTest, RevokingATokenThatIsNotThereSaysSo) {
  EXPECT_EQ(registry.revoke_token("000000000000", kBy, kNow).error().code(), Code::not_found);
}

TEST_F(RegistryTest, ASignerThatFailsLeavesNothingBehind) {
  const JoinToken token = registry.create_token({}, kBy, kNow).value();
  const pki::PrivateKey key = pki::PrivateKey::generate(pki.kind);
  const auto sign = [](const std::optional<pki::Fingerprint>&) -> Result<pki::Certificate> { return fail(Code::io, "no"); };
  const auto joined = registry.join(token, {node("edge-a"), key.public_key().fingerprint()}, sign, kBy, kNow);
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, JoinCode::internal);
  EXPECT_EQ(uses_left(token), 1u);
  EXPECT_FALSE(registry.node(node("edge-a")).value());
  EXPECT_TRUE(join(registry, token, "edge-a", key)) << "and the registry goes on";
}

TEST_F(RegistryTest, OfManyProcessesWithOneTokenAsManyJoinAsItHasUses) {
  const JoinToken token = registry.create_token({.uses = 5}, kBy, kNow).value();
  std::atomic<int> joined = 0, spent = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([&, t] {
      Registry own = Registry::open(folder.path()).value();
      for (int i = 0; i < 5; i++) {
        const pki::PrivateKey key = pki::PrivateKey::generate(pki.kind);
        const auto result = join(own, token, fmt::format("edge-{}-{}", t, i), key);
        if (result) joined++;
        if (!result && result.error().code == JoinCode::spent_token) spent++;
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(joined, 5);
  EXPECT_EQ(spent, 15);
  EXPECT_EQ(registry.nodes().value().size(), 5u);
}

TEST_F(RegistryTest, ARepeatAfterTheTokenWasRevokedIsRefused) {
  const JoinToken token = registry.create_token({}, kBy, kNow).value();
  const pki::PrivateKey key = pki::PrivateKey::generate(pki.kind);
  ASSERT_TRUE(join(registry, token, "edge-a", key));
  ASSERT_TRUE(registry.revoke_token(token.id(), kBy, kNow));
  EXPECT_EQ(join(registry, token, "edge-a", key).error().code, JoinCode::revoked_token);
}

TEST_F(RegistryTest, AForgottenNameIsNoRepeat) {
  const JoinToken token = registry.create_token({}, kBy, kNow).value();
  const pki::PrivateKey key = pki::PrivateKey::generate(pki.kind);
  ASSERT_TRUE(join(registry, token, "edge-a", key));
  const auto before = registry.forget_node(node("edge-a"), "sold", kBy, kNow + 1s);
  ASSERT_TRUE(before);
  EXPECT_EQ(before->key, key.public_key().fingerprint());
  EXPECT_TRUE(registry.node(node("edge-a")).value()->forgotten);
  EXPECT_EQ(join(registry, token, "edge-a", key).error().code, JoinCode::spent_token);
}

TEST_F(RegistryTest, AnIssueOfAnotherKeyNeedsToBeAllowed) {
  const pki::PrivateKey first = pki::PrivateKey::generate(pki.kind), second = pki::PrivateKey::generate(pki.kind);
  using Rebind = Registry::Rebind;
  EXPECT_TRUE(registry.record_issue(node("edge-a"), certificate(first, "edge-a"), Rebind::refuse, "node.renew", kBy, kNow));
  EXPECT_TRUE(registry.record_issue(node("edge-a"), certificate(first, "edge-a"), Rebind::refuse, "node.renew", kBy, kNow + 1h));
  EXPECT_EQ(registry.record_issue(node("edge-a"), certificate(second, "edge-a"), Rebind::refuse, "node.renew", kBy, kNow).error().code(),
            Code::forbidden);
  EXPECT_TRUE(registry.record_issue(node("edge-a"), certificate(second, "edge-a"), Rebind::allow, "cert.issue", kBy, kNow));
  const auto known = registry.node(node("edge-a")).value();
  EXPECT_EQ(known->key, second.public_key().fingerprint());
  EXPECT_EQ(known->first_join, kNow);
}

TEST_F(RegistryTest, ANodeThatConnectsAndIsNotRecordedGetsItsName) {
  const pki::PrivateKey key = pki::PrivateKey::generate(), other = pki::PrivateKey::generate();
  const auto issued = [&](const pki::PrivateKey& k) {
    return IssuedCertificate{k.public_key().fingerprint(), pki::Serial::parse("2a").value(), kNow + 1h};
  };
  const auto adopt = [&](const pki::PrivateKey& k) { return registry.adopt(node("a"), issued(k), kBy, kNow).value(); };
  EXPECT_EQ(adopt(key), Registry::Adoption::adopted);
  EXPECT_EQ(adopt(key), Registry::Adoption::known);
  EXPECT_EQ(adopt(other), Registry::Adoption::other_key);
  const auto record = registry.node(node("a")).value();
  ASSERT_TRUE(record && record->key && record->serial);
  EXPECT_EQ(*record->key, key.public_key().fingerprint());
  EXPECT_EQ(record->serial->to_text(), "2a");
  EXPECT_EQ(record->not_after, kNow + 1h);
  EXPECT_EQ(registry.audit(10).value().size(), 1u) << "one line, however often it connects";
  ASSERT_TRUE(registry.forget_node(node("a"), "", kBy, kNow));
  EXPECT_EQ(adopt(key), Registry::Adoption::forgotten) << "a session that began while it was put out";
  EXPECT_FALSE(registry.node(node("a")).value()->key);
}

TEST_F(RegistryTest, WhatIsToBeDoneToAnUnknownNodeIsNotFound) {
  EXPECT_EQ(registry.forget_node(node("x"), "", kBy, kNow).error().code(), Code::not_found);
  EXPECT_EQ(registry.set_revoked(node("x"), true, "", kBy, kNow).error().code(), Code::not_found);
  EXPECT_EQ(registry.change_labels(node("x"), {}, kBy, kNow).error().code(), Code::not_found);
}

TEST_F(RegistryTest, TheAuditLogIsBoundedAndAFloodOfRefusalsPushesNothingElseOut) {
  const auto line = [](const char* what, std::string detail) {
    return AuditLine{.at = kNow, .who = "edge", .from = "x", .what = what, .subject = "s", .detail = std::move(detail)};
  };
  const AuditLine first = line("node.join", "the first");
  ASSERT_TRUE(registry.note({&first, 1}));
  const std::vector<AuditLine> flood(Registry::kRefusalLines, line("join.refused", "flood"));
  for (int i = 0; i < 3; i++) ASSERT_TRUE(registry.note(flood));
  auto lines = registry.audit(10 * Registry::kRefusalLines).value();
  EXPECT_EQ(lines.front().detail, "the first");
  EXPECT_GE(lines.size(), Registry::kRefusalLines);
  EXPECT_LE(lines.size(), 1 + Registry::kRefusalLines + Registry::kPruneEvery);

  const std::vector<AuditLine> block(Registry::kAuditLines + Registry::kPruneEvery, line("node.join", "later"));
  ASSERT_TRUE(registry.note(block));
  lines = registry.audit(10 * Registry::kAuditLines).value();
  EXPECT_EQ(std::ranges::count(lines, "the first", &AuditLine::detail), 0) << "the oldest go first";
  EXPECT_GE(std::ranges::count(lines, "later", &AuditLine::detail), static_cast<long>(Registry::kAuditLines));
}

TEST_F(RegistryTest, ALongFieldOfTheAuditLogIsCut) {
  const AuditLine at_limit{.at = kNow, .who = "", .from = "", .what = "x", .subject = "", .detail = std::string(AuditLine::kMaxField, 'y')};
  AuditLine past = at_limit;
  past.detail += 'z';
  const std::vector<AuditLine> both{at_limit, past};
  ASSERT_TRUE(registry.note(both));
  for (const AuditLine& kept : registry.audit(2).value()) EXPECT_EQ(kept.detail, at_limit.detail);
  AuditLine of_two_bytes = at_limit;
  of_two_bytes.detail = std::string(AuditLine::kMaxField - 1, 'y') + "\u00fc";
  ASSERT_TRUE(registry.note({&of_two_bytes, 1}));
  EXPECT_EQ(registry.audit(1).value().front().detail, std::string(AuditLine::kMaxField - 1, 'y')) << "no half of a character";
}

TEST_F(RegistryTest, ACopyIsWholeAndGoesOn) {
  const JoinToken token = registry.create_token({}, kBy, kNow).value();
  ASSERT_TRUE(join(registry, token, "edge-a", pki::PrivateKey::generate(pki.kind)));
  pki::TestFolder other;
  ASSERT_TRUE(registry.copy_to(other / kStateFile));
  Registry copy = Registry::open(other.path()).value();
  EXPECT_EQ(copy.nodes().value().size(), 1u);
  EXPECT_EQ(copy.tokens().value().front().uses_left, 0u);
  EXPECT_FALSE(registry.copy_to(other / kStateFile)) << "nothing is written over";
}

}  // namespace
}  // namespace fairlead::enrol
