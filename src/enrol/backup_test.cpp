#include "enrol/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>

#include "pki/files.h"
#include "pki/folder.h"
#include "pki/test_certificates.h"

namespace fairlead::enrol {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

const Actor kBy{"operator test", "cli"};
constexpr WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 11 / 25}};

NodeName node(std::string_view name) { return NodeName::parse(name).value(); }

struct BackupTest : testing::Test {
  pki::TestFolder outer;
  fs::path dir = outer / "cloud", file = outer / "cloud.tar", again = outer / "again";
  std::optional<Registry> registry;

  void SetUp() override {
    ASSERT_TRUE(pki::init_cloud_folder(dir, pki::HostName::parse_all({"cloud.example"}).value(), kNow));
    fs::create_directories(dir / "routes");
    ASSERT_TRUE(pki::write_file(dir / "routes" / "a.yaml", "rules", 0644));
    registry.emplace(Registry::open(dir).value());
    const auto certificate = pki::load_authority(dir).value().issue_edge(node("a"), pki::PrivateKey::generate().public_key(), kNow).value();
    ASSERT_TRUE(registry->record_issue(node("a"), certificate, Registry::Rebind::refuse, "test", kBy, kNow));
  }
  std::string text(const fs::path& of) { return pki::read_file(of, 1_MiB).value(); }
};

TEST_F(BackupTest, ComesBackAsItWasWhileTheStateIsInUse) {
  ASSERT_TRUE(registry->create_token({}, kBy, kNow));  // the last write is in the write-ahead log only
  const auto files = back_up(dir, file, *registry, kBy, kNow);
  ASSERT_TRUE(files) << files.error().describe();
  struct stat status{};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);

  const auto done = restore(file, again, kBy, kNow);
  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_EQ(done->files, *files);
  for (const char* name : {"ca.pem", "ca-key.pem", "cloud.pem", "cloud-key.pem", "secret.key", "revoked", "routes/a.yaml"})
    EXPECT_EQ(text(again / name), text(dir / name)) << name;
  ASSERT_EQ(::stat((again / "ca-key.pem").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  Registry restored = Registry::open(again).value();
  EXPECT_EQ(restored.node(node("a")).value()->key, registry->node(node("a")).value()->key);
  EXPECT_EQ(restored.audit(1).value().front().what, "cloud.restore");
  EXPECT_EQ(registry->audit(1).value().front().what, "cloud.backup");
}

TEST_F(BackupTest, ATokenThatWasGoodJoinsNobodyAfterARestore) {
  const JoinToken token = registry->create_token({}, kBy, kNow).value();
  ASSERT_TRUE(back_up(dir, file, *registry, kBy, kNow));
  EXPECT_EQ(restore(file, again, kBy, kNow).value().tokens_revoked, 1u);
  EXPECT_TRUE(registry->check_token(token, kNow));
  EXPECT_FALSE(Registry::open(again).value().check_token(token, kNow));
}

TEST_F(BackupTest, NothingIsOverwritten) {
  ASSERT_TRUE(back_up(dir, file, *registry, kBy, kNow));
  EXPECT_EQ(back_up(dir, file, *registry, kBy, kNow).error().code(), Code::exists);
  EXPECT_EQ(restore(file, dir, kBy, kNow).error().code(), Code::exists);
}

TEST_F(BackupTest, OneInTheFolderItselfIsRefused) {
  for (const fs::path& inside : {dir / "cloud.tar", dir / "routes" / "cloud.tar", outer / "x" / ".." / "cloud" / "cloud.tar"})
    EXPECT_EQ(back_up(dir, inside, *registry, kBy, kNow).error().code(), Code::invalid) << inside;
  EXPECT_TRUE(back_up(dir, outer / "cloud-2.tar", *registry, kBy, kNow));
}

TEST_F(BackupTest, OneThatIsCutOffMakesNoFolder) {
  ASSERT_TRUE(back_up(dir, file, *registry, kBy, kNow));
  const std::string whole = text(file);
  ASSERT_TRUE(pki::write_file(file, whole.substr(0, whole.size() / 2), 0600));
  EXPECT_THAT(restore(file, again, kBy, kNow).error().message(), HasSubstr("cut off"));
  EXPECT_FALSE(fs::exists(again));
}

TEST_F(BackupTest, OneOfAFolderThatNoCloudCouldRunOnMakesNone) {
  fs::remove(dir / "secret.key");
  ASSERT_TRUE(back_up(dir, file, *registry, kBy, kNow));
  EXPECT_THAT(restore(file, again, kBy, kNow).error().describe(), HasSubstr("secret.key"));
  EXPECT_FALSE(fs::exists(again));
  for (const auto& left : fs::directory_iterator(outer.path())) EXPECT_THAT(left.path().native(), testing::Not(HasSubstr(".new-")));
}

TEST_F(BackupTest, WhatARunningCloudMakesForItselfIsLeftOut) {
  ASSERT_TRUE(pki::write_file(dir / "running.lock", "", 0600));
  ASSERT_TRUE(pki::write_file(dir / ".ca.pem.Xy12ab", "half", 0600));
  ASSERT_TRUE(pki::write_file(dir / ".state.db.backup", "of a call that was killed", 0600));
  ASSERT_EQ(::mkfifo((dir / "admin.sock").c_str(), 0600), 0);
  ASSERT_TRUE(back_up(dir, file, *registry, kBy, kNow));
  ASSERT_TRUE(restore(file, again, kBy, kNow));
  for (const char* name : {"running.lock", ".ca.pem.Xy12ab", ".state.db.backup", "admin.sock"})
    EXPECT_FALSE(fs::exists(again / name)) << name;
  EXPECT_FALSE(fs::exists(dir / ".state.db.backup"));
}

}  // namespace
}  // namespace fairlead::enrol
