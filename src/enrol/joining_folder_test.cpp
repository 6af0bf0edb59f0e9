#include "enrol/joining_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "pki/test_certificates.h"
#include "pki/test_pki.h"

namespace fairlead::enrol {
namespace {

namespace fs = std::filesystem;

struct JoiningFolderTest : testing::Test {
  pki::TestFolder folder;
  pki::TestPki pki;
  const fs::path target = folder / "edge";
  const fs::path staging = folder / ".edge.joining";

  Joined joined(const pki::PrivateKey& key) {
    const auto certificate = pki.ca.issue_edge(NodeName::parse("edge-a").value(), key.public_key(), pki::TestPki::kNow).value();
    return {.certificate_pem = certificate.to_pem(), .trust_pem = pki.ca.certificate().to_pem()};
  }
  static unsigned mode(const fs::path& file) {
    struct stat status{};
    return ::stat(file.c_str(), &status) == 0 ? status.st_mode & 0777u : 0;
  }
};

TEST_F(JoiningFolderTest, IsAnEdgesFolderWhenComplete) {
  JoiningFolder joining = JoiningFolder::open(target).value();
  EXPECT_FALSE(fs::exists(target));
  EXPECT_EQ(mode(staging), 0700u);
  EXPECT_EQ(mode(staging / "edge-key.pem"), 0600u);
  ASSERT_TRUE(joining.complete(joined(joining.key())));
  const auto edge = pki::load_edge(target);
  ASSERT_TRUE(edge) << edge.error().describe();
  EXPECT_EQ(edge->node.value(), "edge-a");
  EXPECT_FALSE(fs::exists(staging));
}

TEST_F(JoiningFolderTest, AnotherStartGoesOnWithTheSameKeyAndWithoutWhatElseWasLeft) {
  std::optional<pki::Fingerprint> first;
  {
    const JoiningFolder joining = JoiningFolder::open(target).value();
    first = joining.key().public_key().fingerprint();
    fs::create_directory(staging / "routes");
    ASSERT_TRUE(pki::write_file(staging / "edge.pem", "half", 0644));
  }
  const JoiningFolder joining = JoiningFolder::open(target).value();
  EXPECT_EQ(joining.key().public_key().fingerprint(), *first);
  EXPECT_FALSE(fs::exists(staging / "routes"));
  EXPECT_FALSE(fs::exists(staging / "edge.pem"));
}

TEST_F(JoiningFolderTest, AFolderThatIsInUseIsRefusedAndAnEmptyOneIsTaken) {
  fs::create_directory(target);
  EXPECT_TRUE(JoiningFolder::open(target));
  ASSERT_TRUE(pki::write_file(target / "mine", "x", 0644));
  const auto refused = JoiningFolder::open(target);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::exists);
}

TEST_F(JoiningFolderTest, WhatElseBelongsThereFailsWithoutLosingTheKey) {
  std::optional<pki::Fingerprint> first;
  {
    JoiningFolder joining = JoiningFolder::open(target).value();
    first = joining.key().public_key().fingerprint();
    const auto fails = [](const fs::path&) -> Result<void> { return fail(Code::io, "disk full"); };
    EXPECT_FALSE(joining.complete(joined(joining.key()), fails));
    EXPECT_FALSE(fs::exists(target));
  }
  JoiningFolder again = JoiningFolder::open(target).value();
  EXPECT_EQ(again.key().public_key().fingerprint(), *first);
  EXPECT_TRUE(again.complete(joined(again.key())));
}

}  // namespace
}  // namespace fairlead::enrol
