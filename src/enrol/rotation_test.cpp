#include "enrol/rotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "enrol/renewal.h"
#include "pki/files.h"
#include "pki/folder.h"
#include "pki/test_certificates.h"

namespace fairlead::enrol {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

const Actor kBy{"operator test", "cli"};
constexpr WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 11 / 25}};

NodeName node(std::string_view name) { return NodeName::parse(name).value(); }

struct RotationTest : testing::Test {
  pki::TestFolder outer;
  fs::path dir = outer / "cloud";
  std::optional<Registry> registry;

  void SetUp() override {
    ASSERT_TRUE(pki::init_cloud_folder(dir, pki::HostName::parse_all({"cloud.example"}).value(), kNow));
    registry.emplace(Registry::open(dir).value());
  }
  std::string bundle() { return pki::read_file(dir / "ca.pem", pki::kMaxBundleSize).value(); }
  RotationState state() { return rotation_state(dir, *registry, kNow).value(); }
  // A node that has a certificate of who signs now.
  void enrol(std::string_view name) {
    const pki::PrivateKey key = pki::PrivateKey::generate();
    const auto certificate = pki::load_authority(dir).value().issue_edge(node(name), key.public_key(), kNow).value();
    ASSERT_TRUE(registry->record_issue(node(name), certificate, Registry::Rebind::refuse, "test", kBy, kNow));
  }
  void confirm(std::string_view name) { ASSERT_TRUE(registry->note_trust(node(name), trust_digest(bundle()))); }
};

TEST_F(RotationTest, GoesOverTwoCasToTheNewOne) {
  enrol("a");
  const pki::Fingerprint old = state().authorities.front().key;
  const auto made = rotate_authority(dir, *registry, kBy, kNow);
  ASSERT_TRUE(made);
  EXPECT_NE(*made, old);
  ASSERT_EQ(state().authorities.size(), 2u);
  EXPECT_EQ(state().authorities[0].key, *made);
  EXPECT_TRUE(state().authorities[0].signs && state().authorities[1].issued_cloud);
  EXPECT_TRUE(pki::load_cloud(dir)) << "what a restarted cloud finds";
  EXPECT_EQ(rotate_authority(dir, *registry, kBy, kNow).error().code(), Code::exists);

  const auto early = finish_rotation(dir, *registry, kBy, kNow, false);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code(), Code::refused);
  EXPECT_THAT(early.error().message(), HasSubstr("a"));
  confirm("a");
  ASSERT_TRUE(finish_rotation(dir, *registry, kBy, kNow, false));
  EXPECT_THAT(state().authorities.size(), 1u);
  EXPECT_EQ(state().authorities[0].key, *made);
  EXPECT_TRUE(state().authorities[0].issued_cloud);
  EXPECT_TRUE(pki::load_cloud(dir));
  EXPECT_EQ(finish_rotation(dir, *registry, kBy, kNow, false).error().code(), Code::invalid);
}

TEST_F(RotationTest, WaitsForThoseOnlyThatCouldComeBack) {
  for (const char* name : {"good", "revoked", "forgotten", "expired"}) enrol(name);
  ASSERT_TRUE(registry->set_revoked(node("revoked"), true, "", kBy, kNow));
  ASSERT_TRUE(registry->forget_node(node("forgotten"), "", kBy, kNow));
  const pki::PrivateKey key = pki::PrivateKey::generate();
  const auto brief = pki::load_authority(dir).value().issue_edge(node("expired"), key.public_key(), kNow - 2h, 1h).value();
  ASSERT_TRUE(registry->record_issue(node("expired"), brief, Registry::Rebind::allow, "test", kBy, kNow));
  ASSERT_TRUE(rotate_authority(dir, *registry, kBy, kNow));
  EXPECT_THAT(state().missing, ElementsAre(node("good")));
  EXPECT_TRUE(finish_rotation(dir, *registry, kBy, kNow, true)) << "forced";
}

TEST_F(RotationTest, WhatANodeHeldBeforeTheRotationIsNoConfirmation) {
  enrol("a");
  confirm("a");
  EXPECT_THAT(state().missing, ElementsAre());
  ASSERT_TRUE(rotate_authority(dir, *registry, kBy, kNow));
  EXPECT_THAT(state().missing, ElementsAre(node("a")));
}

TEST_F(RotationTest, StateOfAnotherCaIsRefused) {
  const pki::Fingerprint first = state().authorities.front().key, other = pki::Authority::create(kNow).certificate().fingerprint();
  ASSERT_TRUE(registry->agree_on_authorities({first}));
  EXPECT_EQ(registry->agree_on_authorities({other}).error().code(), Code::invalid);
  ASSERT_TRUE(registry->agree_on_authorities({other, first})) << "a CA that is being replaced";
  ASSERT_TRUE(registry->agree_on_authorities({other}));
  EXPECT_FALSE(registry->agree_on_authorities({first})) << "gone with the end of the rotation";
}

TEST_F(RotationTest, ReplicasThatShareTheSecretFollow) {
  const fs::path other = outer / "replica";
  fs::copy(dir, other);
  fs::remove(other / "secret.key");
  fs::create_symlink(dir / "secret.key", other / "secret.key");
  const auto take_ca = [&] { fs::copy_file(dir / "ca.pem", other / "ca.pem", fs::copy_options::overwrite_existing); };
  EXPECT_TRUE(pki::load_cloud(other));
  ASSERT_TRUE(rotate_authority(dir, *registry, kBy, kNow));
  EXPECT_THAT(pki::load_cloud(other).error().describe(), HasSubstr("replicas have the same CAs"));
  take_ca();
  EXPECT_TRUE(pki::load_cloud(other));
  ASSERT_TRUE(finish_rotation(dir, *registry, kBy, kNow, true));
  EXPECT_TRUE(pki::load_cloud(dir));
  EXPECT_EQ(pki::load_cloud(dir)->master.authorities(), std::vector{state().authorities.front().key});

  fs::remove(dir / "secret.key");  // cannot be written: found before anything has changed
  const std::string before = bundle();
  EXPECT_FALSE(rotate_authority(dir, *registry, kBy, kNow));
  EXPECT_EQ(bundle(), before);
}

// kill -9 after each write: the folder loads, somebody signs, and the same command goes on.
TEST_F(RotationTest, ACutAnywhereIsGoneOnFrom) {
  const std::string before = bundle();
  const fs::path key = dir / "ca-key.pem", next = dir / "ca-key.pem.next";
  ASSERT_TRUE(rotate_authority(dir, *registry, kBy, kNow));
  const fs::path kept = outer / "new-key.pem", old = outer / "old-key.pem";
  fs::copy_file(key, kept);

  // Before the new key is in force: the old one's key is there still.
  const pki::Authority another = pki::Authority::create(kNow);
  ASSERT_TRUE(another.key().save(old));
  const auto authorities = pki::Certificate::bundle_from_pem(bundle(), "ca.pem").value();
  fs::rename(key, next);
  ASSERT_TRUE(pki::write_file(dir / "ca.pem", authorities.front().to_pem() + another.certificate().to_pem() + before, 0644));
  fs::copy_file(old, key);
  EXPECT_TRUE(pki::load_cloud(dir));
  EXPECT_EQ(pki::load_authority(dir)->certificate().fingerprint(), another.certificate().fingerprint());
  const auto backwards = finish_rotation(dir, *registry, kBy, kNow, true);
  ASSERT_FALSE(backwards) << "the new one does not sign yet";
  EXPECT_THAT(backwards.error().message(), HasSubstr("fairlead ca rotate"));
  const auto resumed = rotate_authority(dir, *registry, kBy, kNow);
  ASSERT_TRUE(resumed);
  EXPECT_EQ(*resumed, authorities.front().fingerprint());
  EXPECT_EQ(pki::load_authority(dir)->certificate().fingerprint(), authorities.front().fingerprint());
  EXPECT_FALSE(fs::exists(next));

  // After the new key was written and before it was anywhere else: it is of no use, and a new one is made.
  ASSERT_TRUE(finish_rotation(dir, *registry, kBy, kNow, true));
  fs::copy_file(old, next);
  EXPECT_TRUE(pki::load_cloud(dir));
  const auto anew = rotate_authority(dir, *registry, kBy, kNow);
  ASSERT_TRUE(anew);
  EXPECT_NE(*anew, another.certificate().fingerprint());
  EXPECT_EQ(state().authorities.size(), 2u);

  // Between the two files of `finish`.
  ASSERT_TRUE(pki::renew_cloud_certificate(dir, {}, kNow));
  EXPECT_TRUE(pki::load_cloud(dir));
  EXPECT_TRUE(finish_rotation(dir, *registry, kBy, kNow, false));
  EXPECT_EQ(state().authorities.size(), 1u);
}

}  // namespace
}  // namespace fairlead::enrol
