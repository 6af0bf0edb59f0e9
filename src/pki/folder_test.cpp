#include "pki/folder.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <thread>

#include "pki/files.h"
#include "pki/identity.h"
#include "pki/test_certificates.h"
#include "pki/test_pki.h"

namespace fairlead::pki {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr WallTime kNow = TestPki::kNow;

std::vector<std::string> listing(const fs::path& dir) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(dir)) {
    struct stat status{};
    EXPECT_EQ(::stat(entry.path().c_str(), &status), 0);
    out.push_back(fmt::format("{:04o} {}", status.st_mode & 07777u, entry.path().filename().native()));
  }
  return out;
}

class Folders : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(init_cloud_folder(d, HostName::parse_all({"cloud.example", "192.0.2.7"}).value(), kNow));
    ASSERT_TRUE(issue_edge_folder(d, node, e, kNow));
  }
  std::string cloud_error() const {
    auto loaded = load_cloud(d);
    return loaded ? "it can be loaded" : loaded.error().describe();
  }
  std::string edge_error() const {
    auto loaded = load_edge(e);
    return loaded ? "it can be loaded" : loaded.error().describe();
  }
  TestFolder folder;
  const fs::path d = folder / "cloud", e = folder / "edge-a";
  const NodeName node = NodeName::parse("edge-a").value();
};

TEST_F(Folders, HaveWhatBelongsThereAndKeysAreTheirOwners) {
  EXPECT_THAT(listing(d), UnorderedElementsAre("0644 ca.pem", "0600 ca-key.pem", "0644 cloud.pem", "0600 cloud-key.pem", "0600 secret.key",
                                               "0644 revoked"));
  EXPECT_THAT(listing(e), UnorderedElementsAre("0644 ca.pem", "0644 edge.pem", "0600 edge-key.pem"));
  EXPECT_THAT(listing(folder.path()), UnorderedElementsAre("0700 cloud", "0700 edge-a"));
}

TEST_F(Folders, TheTwoSidesAcceptEachOther) {
  auto cloud = load_cloud(d);
  ASSERT_TRUE(cloud) << cloud.error().describe();
  auto edge = load_edge(e);
  ASSERT_TRUE(edge) << edge.error().describe();
  EXPECT_EQ(edge->node, node);
  const std::vector<Bytes> cloud_chain = {cloud->credentials->certificate()->der()}, edge_chain = {edge->credentials->certificate()->der()};
  auto at_cloud = check_peer(edge_chain, cloud->credentials->trust(), ExpectEdge{}, cloud->revoked, kNow);
  ASSERT_TRUE(at_cloud) << at_cloud.error().message;
  EXPECT_EQ(*at_cloud->node, node);
  for (const char* host : {"cloud.example", "192.0.2.7"}) {
    auto at_edge = check_peer(cloud_chain, edge->credentials->trust(), ExpectCloud{host}, {}, kNow);
    EXPECT_TRUE(at_edge) << at_edge.error().message;
  }
}

TEST_F(Folders, ACopyIsAsGoodAsTheFolder) {
  fs::copy(e, folder / "copy", fs::copy_options::recursive);
  EXPECT_EQ(load_edge(folder / "copy")->node, node);
}

TEST_F(Folders, AreNotOverwritten) {
  const std::string before = read_file(d / "ca-key.pem", 1_MiB).value();
  EXPECT_EQ(init_cloud_folder(d, HostName::parse_all({"x"}).value(), kNow).error().code(), Code::exists);
  EXPECT_EQ(issue_edge_folder(d, node, e, kNow).error().code(), Code::exists);
  EXPECT_EQ(issue_edge_folder(d, node, d, kNow).error().code(), Code::exists);
  EXPECT_EQ(read_file(d / "ca-key.pem", 1_MiB).value(), before);
}

TEST_F(Folders, WhatAnotherLayerCannotAddUndoesAll) {
  auto refuse = [](const fs::path&) -> Result<void> { return fail(Code::io, "no room for the config"); };
  EXPECT_EQ(init_cloud_folder(folder / "new", HostName::parse_all({"x"}).value(), kNow, refuse).error().message(),
            "no room for the config");
  EXPECT_EQ(issue_edge_folder(d, node, folder / "new", kNow, kEdgeLifetime, refuse).error().message(), "no room for the config");
  EXPECT_THAT(listing(folder.path()), UnorderedElementsAre("0700 cloud", "0700 edge-a"));
  auto add = [](const fs::path& staging) { return write_file(staging / "config.yaml", "a: b\n", 0644); };
  ASSERT_TRUE(init_cloud_folder(folder / "new", HostName::parse_all({"x"}).value(), kNow, add));
  EXPECT_TRUE(fs::exists(folder / "new" / "config.yaml"));
}

TEST_F(Folders, TheWrongFolderIsToldFromTheRightOne) {
  EXPECT_EQ(load_cloud(folder / "none").error().message(),
            (folder / "none").native() + " does not exist: make it with `fairlead init --dir DIR`");
  EXPECT_EQ(load_cloud(e).error().message(), e.native() + " is an edge's folder, not a cloud's: it has edge.pem and no cloud.pem");
  EXPECT_EQ(load_edge(d).error().message(), d.native() + " is a cloud's folder, not an edge's: it has cloud.pem and no edge.pem");
  EXPECT_EQ(load_edge(folder.path()).error().message(),
            folder.path().native() +
                " is not an edge's folder: it has no edge.pem; make one with `fairlead cert issue --node NAME --out DIR` in the "
                "cloud and copy it here");
  EXPECT_EQ(issue_edge_folder(e, node, folder / "new", kNow).error().code(), Code::invalid);
}

TEST_F(Folders, AMissingFileIsNamed) {
  for (const char* name : {"ca.pem", "cloud-key.pem", "secret.key", "revoked"}) {
    fs::rename(d / name, d / "aside");
    EXPECT_EQ(cloud_error(), "cannot read " + (d / name).native() + ": No such file or directory");
    fs::rename(d / "aside", d / name);
  }
  EXPECT_EQ(cloud_error(), "it can be loaded");
  for (const char* name : {"ca.pem", "edge-key.pem"}) {
    fs::rename(e / name, e / "aside");
    EXPECT_EQ(edge_error(), "cannot read " + (e / name).native() + ": No such file or directory");
    fs::rename(e / "aside", e / name);
  }
}

TEST_F(Folders, TheCloudRunsWithoutTheKeyOfItsCa) {
  fs::remove(d / "ca-key.pem");
  EXPECT_EQ(cloud_error(), "it can be loaded");
  EXPECT_EQ(load_authority(d).error().describe(), "cannot read " + (d / "ca-key.pem").native() + ": No such file or directory");
}

// A replica is made with the secret of another cloud, or with a link to it.
TEST_F(Folders, ReplicasThatShareASecretHaveTheSameCas) {
  const fs::path other = folder / "other", shared = folder / "shared";
  ASSERT_TRUE(init_cloud_folder(other, HostName::parse_all({"cloud.example"}).value(), kNow));
  const auto ca_of = [](const fs::path& dir) { return load_authority(dir).value().certificate().fingerprint(); };
  const auto refusal = [&] {
    const auto loaded = load_cloud(other);
    return loaded ? "it can be loaded" : loaded.error().describe();
  };
  const auto take = [&](const char* name) { fs::copy_file(d / name, other / name, fs::copy_options::overwrite_existing); };
  EXPECT_EQ(refusal(), "it can be loaded");
  take("secret.key");
  EXPECT_THAT(refusal(), HasSubstr("CA sha256:" + ca_of(d).to_text() + " is not in " + (other / "ca.pem").native()));
  for (const char* name : {"ca.pem", "ca-key.pem", "cloud.pem", "cloud-key.pem"}) take(name);
  EXPECT_EQ(refusal(), "it can be loaded");

  fs::create_directory(shared);
  fs::rename(d / "secret.key", shared / "secret.key");
  for (const fs::path& each : {d, other}) {
    fs::remove(each / "secret.key");
    fs::create_symlink(shared / "secret.key", each / "secret.key");
  }
  const Authority next = Authority::create(kNow);
  ASSERT_TRUE(write_secret_authorities(d, {next.certificate().fingerprint(), ca_of(d)}));
  EXPECT_TRUE(fs::is_symlink(d / "secret.key"));
  EXPECT_THAT(refusal(), HasSubstr(next.certificate().fingerprint().to_text())) << "until it has the new CA";
  const std::string old = read_file(other / "ca.pem", kMaxBundleSize).value();
  ASSERT_TRUE(write_file(other / "ca.pem", next.certificate().to_pem() + old, 0644));
  EXPECT_EQ(refusal(), "it can be loaded");
  ASSERT_TRUE(write_secret_authorities(d, {ca_of(d)}));
  EXPECT_EQ(refusal(), "it can be loaded") << "one that goes may be there for a while";
}

TEST_F(Folders, ASecretThatSaysNothingOfCasIsThatOfWhoIsFirst) {
  const MasterSecret bare = MasterSecret::generate();
  ASSERT_TRUE(bare.save(d / "secret.key"));
  ASSERT_TRUE(write_first_secret_authorities(d));
  const auto bound = load_cloud(d);
  ASSERT_TRUE(bound);
  EXPECT_EQ(bound->master.authorities(), std::vector{load_authority(d).value().certificate().fingerprint()});
  EXPECT_EQ(bound->master.derive("x", 32).reveal(), bare.derive("x", 32).reveal());
  const fs::path other = folder / "other";
  ASSERT_TRUE(init_cloud_folder(other, HostName::parse_all({"cloud.example"}).value(), kNow));
  fs::remove(other / "secret.key");
  fs::create_symlink(d / "secret.key", other / "secret.key");
  ASSERT_TRUE(write_first_secret_authorities(other)) << "comes second, changes nothing";
  EXPECT_FALSE(load_cloud(other));
  EXPECT_TRUE(load_cloud(d));
}

TEST_F(Folders, FilesOfTwoFoldersAreNotMixed) {
  ASSERT_TRUE(issue_edge_folder(d, NodeName::parse("edge-b").value(), folder / "edge-b", kNow));
  fs::copy_file(folder / "edge-b" / "edge-key.pem", e / "edge-key.pem", fs::copy_options::overwrite_existing);
  EXPECT_EQ(edge_error(),
            (e / "edge.pem").native() + " and " + (e / "edge-key.pem").native() +
                " do not belong together: the key is not that of the certificate of \"CN=system:node:edge-a,O=system:nodes\"");
  ASSERT_TRUE(init_cloud_folder(folder / "other", HostName::parse_all({"x"}).value(), kNow));
  fs::copy_file(folder / "other" / "ca.pem", d / "ca.pem", fs::copy_options::overwrite_existing);
  EXPECT_EQ(cloud_error(), (d / "cloud.pem").native() + " was not issued by a CA in " + (d / "ca.pem").native() +
                               ": the two files come from different folders");
  EXPECT_THAT(issue_edge_folder(d, node, folder / "new", kNow).error().describe(), HasSubstr("one of the two is from another CA"));
}

TEST_F(Folders, ABadRevocationListIsRefusedByLine) {
  ASSERT_TRUE(write_file(d / "revoked", "# x\nedge-a\n", 0644));
  EXPECT_EQ(cloud_error(), (d / "revoked").native() + ":2: \"edge-a\" is none of `node NAME`, `fingerprint HEX`, `serial HEX`");
}

TEST_F(Folders, ARevocationIsAddedToWhatIsThere) {
  const Certificate c = *load_edge(e)->credentials->certificate();
  const std::string before = read_file(d / "revoked", 1_MiB).value();
  ASSERT_TRUE(add_revocation(d, node, "left on\na train"));
  ASSERT_TRUE(add_revocation(d, c.fingerprint(), ""));
  ASSERT_TRUE(add_revocation(d, c.serial(), ""));
  EXPECT_EQ(read_file(d / "revoked", 1_MiB).value(), before + "node edge-a  # left on?a train\nfingerprint " + c.fingerprint().to_text() +
                                                         "\nserial " + c.serial().to_text() + "\n");
  EXPECT_EQ(load_cloud(d)->revoked.size(), 3u);
  ASSERT_TRUE(write_file(d / "revoked", "node edge-b", 0644));  // an editor that writes no last newline
  ASSERT_TRUE(add_revocation(d, node, ""));
  EXPECT_EQ(read_file(d / "revoked", 1_MiB).value(), "node edge-b\nnode edge-a\n");
  ASSERT_TRUE(write_file(d / "revoked", "edge-b\n", 0644));
  EXPECT_FALSE(add_revocation(d, node, ""));
  EXPECT_EQ(read_file(d / "revoked", 1_MiB).value(), "edge-b\n");
  EXPECT_EQ(add_revocation(e, node, "").error().code(), Code::invalid);
}

TEST_F(Folders, RevocationsAtTheSameTimeAreAllKept) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 10; i++) EXPECT_TRUE(add_revocation(d, NodeName::parse(fmt::format("edge-{}-{}", t, i)).value(), ""));
    });
  }
  threads.clear();
  EXPECT_EQ(load_cloud(d)->revoked.size(), 40u);
}

TEST_F(Folders, AnEdgeWhoseCertificateNamesNoNodeIsRefused) {
  Authority ca = load_authority(d).value();
  const PrivateKey key = PrivateKey::generate();
  ASSERT_TRUE(write_file(e / "edge.pem", ca.issue_server(HostName::parse_all({"x"}).value(), key.public_key(), kNow)->to_pem(), 0644));
  ASSERT_TRUE(key.save(e / "edge-key.pem"));
  EXPECT_EQ(edge_error(), (e / "edge.pem").native() + " names no node: the common name \"x\" does not begin with system:node:");
}

TEST_F(Folders, TheCloudsCertificateIsRenewedForTheSameKeyAndNames) {
  const auto before = load_cloud(d).value();
  auto renewed = renew_cloud_certificate(d, {}, kNow + 24h * 300);
  ASSERT_TRUE(renewed) << renewed.error().describe();
  const auto after = load_cloud(d).value();
  EXPECT_EQ(after.credentials->certificate()->fingerprint(), before.credentials->certificate()->fingerprint());
  EXPECT_NE(after.credentials->certificate()->serial(), before.credentials->certificate()->serial());
  EXPECT_EQ(after.credentials->certificate()->not_after(), kNow + 24h * 300 + kServerLifetime);
  EXPECT_THAT(after.credentials->certificate()->dns_names(), ElementsAre("cloud.example"));
  EXPECT_THAT(after.credentials->certificate()->ip_addresses(), ElementsAre("192.0.2.7"));
  ASSERT_TRUE(renew_cloud_certificate(d, HostName::parse_all({"new.example"}).value(), kNow));
  EXPECT_THAT(load_cloud(d)->credentials->certificate()->dns_names(), ElementsAre("new.example"));
}

TEST_F(Folders, AReplacedCaGoesToNewEdgesWithTheOldOne) {
  Authority next = Authority::create(kNow);
  ASSERT_TRUE(write_file(d / "ca.pem", to_pem({load_authority(d)->certificate(), next.certificate()}), 0644));
  ASSERT_TRUE(issue_edge_folder(d, NodeName::parse("edge-b").value(), folder / "edge-b", kNow));
  EXPECT_EQ(load_edge(folder / "edge-b")->credentials->trust().authorities().size(), 2u);
}

}  // namespace
}  // namespace fairlead::pki
