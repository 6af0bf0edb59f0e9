#include "route/directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "pki/test_certificates.h"
#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

using namespace testing;
namespace fs = std::filesystem;

class DirectoryTest : public ::testing::Test {
 protected:
  ~DirectoryTest() override { fs::remove_all(path_); }

  static fs::path make_folder() {
    std::string form = fs::temp_directory_path() / "fairlead-routes-XXXXXX";
    return mkdtemp(form.data());
  }
  void write(const std::string& name, std::string_view text) { std::ofstream(path_ / name) << text; }
  // As if it had been written some time ago, so that its stamp alone tells.
  void age(const std::string& name) { fs::last_write_time(path_ / name, fs::file_time_type::clock::now() - std::chrono::hours(1)); }

  static std::string rules(std::string_view name, int port) {
    return gateway(fmt::format("name: {}", name), fmt::format("{{name: tcp, port: {}, protocol: TCP}}", port)) +
           tcp_route(fmt::format("name: {}", name), fmt::format("{{name: {}}}", name), backend_ref("name: b"));
  }
  std::vector<int> ports() const {
    std::vector<int> list;
    for (const TcpListener& l : directory_.current()->tcp_listeners()) list.push_back(l.bind.port);
    return list;
  }

  static std::string test_certificate() { return pki::Authority::create(std::chrono::system_clock::now()).certificate().to_pem(); }

  fs::path path_ = make_folder();
  Directory directory_{path_.string(), Site::cloud()};
};

TEST_F(DirectoryTest, ReadsYamlAndJsonOfTheDirectoryAndNothingElse) {
  write("b.yaml", rules("b", 2));
  write("a.yml", rules("a", 1));
  write("c.json", R"({"apiVersion": "fairlead.dev/v1alpha1", "kind": "Backend", "metadata": {"name": "b"},
                     "spec": {"location": {"nodeName": "n"}, "targets": [{"address": "127.0.0.1", "port": 80}]}})");
  write(".hidden.yaml", "not: a manifest");
  write("notes.txt", "not a manifest");
  write("d.yaml~", "not a manifest");
  fs::create_directory(path_ / "e.yaml");
  EXPECT_TRUE(directory_.changed());
  auto s = directory_.reload();
  ASSERT_TRUE(s) << s.error().message();
  EXPECT_EQ(ports(), (std::vector<int>{1, 2}));
  EXPECT_TRUE(directory_.problems().empty());
  EXPECT_FALSE(directory_.changed());
}

TEST_F(DirectoryTest, AnEmptyDirectoryHasNoRules) {
  ASSERT_TRUE(directory_.reload());
  EXPECT_TRUE(directory_.current()->tcp_listeners().empty());
  EXPECT_FALSE(directory_.changed());
}

TEST_F(DirectoryTest, SeesFilesThatAreAddedChangedReplacedAndRemoved) {
  const std::string backend_text = backend("name: b", "nodeName: n");
  write("z.yaml", backend_text);
  ASSERT_TRUE(directory_.reload());
  auto expect_change = [&](const std::vector<int>& after) {
    EXPECT_TRUE(directory_.changed());
    ASSERT_TRUE(directory_.reload());
    EXPECT_EQ(ports(), after);
    EXPECT_FALSE(directory_.changed());
  };
  write("a.yaml", rules("a", 1));
  expect_change({1});
  write("a.yaml", rules("a", 2));  // the same size, and perhaps the same time
  expect_change({2});
  write("draft", rules("a", 3));
  fs::rename(path_ / "draft", path_ / "a.yaml");
  expect_change({3});
  fs::remove(path_ / "a.yaml");
  expect_change({});
  fs::rename(path_ / "z.yaml", path_ / "y.yaml");
  expect_change({});
}

TEST_F(DirectoryTest, ATouchIsAChangeThatChangesNothing) {
  write("z.yaml", backend("name: b", "nodeName: n"));
  ASSERT_TRUE(directory_.reload());
  age("z.yaml");
  EXPECT_TRUE(directory_.changed());
  ASSERT_TRUE(directory_.reload());
  EXPECT_FALSE(directory_.changed());
}

TEST_F(DirectoryTest, AConfigMapVolumeIsReplacedAsAWhole) {
  auto version = [&](const char* name, int port) {
    fs::create_directory(path_ / name);
    write(std::string(name) + "/rules.yaml", rules("a", port) + backend("name: b", "nodeName: n"));
  };
  version("..1", 1);
  fs::create_directory_symlink("..1", path_ / "..data");
  fs::create_symlink("..data/rules.yaml", path_ / "rules.yaml");
  ASSERT_TRUE(directory_.reload());
  EXPECT_EQ(ports(), (std::vector<int>{1}));
  version("..2", 2);
  fs::create_directory_symlink("..2", path_ / "..data_tmp");
  fs::rename(path_ / "..data_tmp", path_ / "..data");
  EXPECT_TRUE(directory_.changed());
  ASSERT_TRUE(directory_.reload());
  EXPECT_EQ(ports(), (std::vector<int>{2}));
}

TEST_F(DirectoryTest, WhileAFileIsWrongTheLastGoodRulesStay) {
  write("a.yaml", rules("a", 1) + backend("name: b", "nodeName: n"));
  ASSERT_TRUE(directory_.reload());
  auto good = directory_.current();
  write("b.yaml", "\n\n" + rules("c", 70000));
  EXPECT_TRUE(directory_.changed());
  auto s = directory_.reload();
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().code(), Code::invalid);
  EXPECT_EQ(s.error().message(), (path_ / "b.yaml").string() + ":9:33: spec.listeners[0].port: 70000 is not a port (1-65535)");
  EXPECT_EQ(directory_.problems().size(), 1u);
  EXPECT_EQ(directory_.current(), good);
  EXPECT_FALSE(directory_.changed());  // told once

  write("b.yaml", rules("c", 7));
  ASSERT_TRUE(directory_.reload());
  EXPECT_EQ(ports(), (std::vector<int>{1, 7}));
  EXPECT_TRUE(directory_.problems().empty());
}

TEST_F(DirectoryTest, AnObjectInTwoFilesIsAnErrorThatNamesBoth) {
  write("a.yaml", backend("name: b", "nodeName: n"));
  write("b.yaml", backend("name: b", "nodeName: n"));
  auto s = directory_.reload();
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().message(), fmt::format("{}/b.yaml:2:1: Backend default/b is also in {}/a.yaml:2", path_.string(), path_.string()));
}

TEST_F(DirectoryTest, WhatCannotBeReadIsToldOnceAndSeenWhenItCan) {
  fs::create_symlink("nowhere", path_ / "a.yaml");
  auto s = directory_.reload();
  ASSERT_FALSE(s);
  EXPECT_NE(s.error().message().find("a.yaml: open: No such file or directory"), std::string::npos) << s.error().message();
  EXPECT_FALSE(directory_.changed());
  write("nowhere", backend("name: b", "nodeName: n"));
  EXPECT_TRUE(directory_.changed());
  EXPECT_TRUE(directory_.reload());
}

TEST_F(DirectoryTest, AFifoDoesNotStopIt) {
  ASSERT_EQ(mkfifo((path_ / "a.yaml").c_str(), 0600), 0);
  auto s = directory_.reload();
  ASSERT_FALSE(s);
  EXPECT_NE(s.error().message().find("not a regular file"), std::string::npos);
}

TEST_F(DirectoryTest, ADirectoryThatGoesAndComesBack) {
  write("a.yaml", rules("a", 1) + backend("name: b", "nodeName: n"));
  ASSERT_TRUE(directory_.reload());
  fs::path aside = path_.string() + "-aside";
  fs::rename(path_, aside);
  EXPECT_TRUE(directory_.changed());
  auto s = directory_.reload();
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().code(), Code::not_found);
  EXPECT_FALSE(directory_.changed());
  EXPECT_EQ(ports(), (std::vector<int>{1}));
  fs::rename(aside, path_);
  EXPECT_TRUE(directory_.changed());
  EXPECT_TRUE(directory_.reload());
}

TEST_F(DirectoryTest, ANodeWithNewLabelsReadsItsRulesAgain) {
  Directory edge(path_.string(), Site::edge(NodeName::parse("n").value(), {}));
  write("a.yaml", edge_gateway("name: g", "{name: tcp, port: 80, protocol: TCP}",
                               "infrastructure: {parametersRef: {group: fairlead.dev, kind: Placement, name: p}}") +
                      placement("name: p", "nodeSelector: {site: x}") + tcp_route("name: r", "{name: g}", backend_ref("name: b")) +
                      backend("name: b", "cloud: {}"));
  ASSERT_TRUE(edge.reload());
  EXPECT_EQ(edge.current()->tcp_listeners().size(), 0u);
  edge.set_site(Site::edge(NodeName::parse("n").value(), {{"site", "x"}}));
  EXPECT_TRUE(edge.changed());
  ASSERT_TRUE(edge.reload());
  EXPECT_EQ(edge.current()->tcp_listeners().size(), 1u);
  EXPECT_FALSE(edge.changed());
}

TEST_F(DirectoryTest, TheNumberOfFilesIsLimited) {
  for (std::size_t i = 0; i < kMaxFiles; i++) write(fmt::format("{}.yaml", i), "");
  EXPECT_TRUE(directory_.reload());
  write("more.yaml", "");
  auto s = directory_.reload();
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().code(), Code::too_large);
}

TEST_F(DirectoryTest, TheSizeOfFilesIsLimited) {
  write("a.yaml", "");
  fs::resize_file(path_ / "a.yaml", kMaxFileBytes);
  EXPECT_NE(directory_.reload().error().message().find("a NUL character"), std::string::npos);
  fs::resize_file(path_ / "a.yaml", kMaxFileBytes + 1);
  EXPECT_NE(directory_.reload().error().message().find("more than 16777216 bytes"), std::string::npos);
  for (const char* name : {"b.yaml", "c.yaml", "d.yaml"}) {
    write(name, "");
    fs::resize_file(path_ / name, kMaxFileBytes);
  }
  EXPECT_NE(directory_.reload().error().message().find("have more than 67108864 bytes"), std::string::npos);
  fs::resize_file(path_ / "a.yaml", kMaxFileBytes);
  EXPECT_NE(directory_.reload().error().message().find("a NUL character"), std::string::npos);
}

TEST_F(DirectoryTest, TheCaFileOfABackendIsReadWithTheRules) {
  const std::string ca = test_certificate(), other = test_certificate();
  write("ca.pem", "A comment.\n" + ca + "and another\n" + other);
  write("a.yaml", backend("name: b", "nodeName: n") + "  tls: {hostname: shop.internal, caFile: ca.pem}\n" +
                      backend("name: c", "nodeName: n") +
                      fmt::format("  tls: {{hostname: shop.internal, caFile: {}}}\n", (path_ / "ca.pem").string()));
  auto s = directory_.reload();
  ASSERT_TRUE(s) << s.error().message();
  for (std::uint32_t i = 0; i < 2; i++) EXPECT_EQ((*s)->backend(BackendId(i)).tls->ca_pem, ca + other);
  EXPECT_FALSE(directory_.changed());

  write("ca.pem", other);
  EXPECT_TRUE(directory_.changed());
  ASSERT_TRUE(directory_.reload());
  EXPECT_EQ(directory_.current()->backend(BackendId(0)).tls->ca_pem, other);
  age("ca.pem");
  ASSERT_TRUE(directory_.reload());
  EXPECT_FALSE(directory_.changed());

  fs::remove(path_ / "ca.pem");
  EXPECT_TRUE(directory_.changed());
  EXPECT_NE(directory_.reload().error().message().find(":2:1: spec.tls.caFile: " + (path_ / "ca.pem").string() + ": open: "),
            std::string::npos)
      << directory_.problems().at(0).to_text();
  EXPECT_FALSE(directory_.changed());
  EXPECT_EQ(directory_.current()->backend(BackendId(0)).tls->ca_pem, other) << "the last good rules stay";
  write("ca.pem", ca);
  EXPECT_TRUE(directory_.changed());
  EXPECT_TRUE(directory_.reload());
}

TEST_F(DirectoryTest, ACaFileOfTheWrongKindOrSizeIsAProblemOfItsBackend) {
  write("a.yaml", backend("name: b", "nodeName: n") + "  tls: {hostname: shop.internal, caFile: ca.pem}\n");
  const auto problem = [&](const std::string& text) {
    write("ca.pem", text);
    auto s = directory_.reload();
    return s ? "" : s.error().message();
  };
  const std::string ca = test_certificate();
  EXPECT_EQ(problem(ca), "");
  EXPECT_NE(problem("").find("has no certificate in it"), std::string::npos);
  EXPECT_NE(problem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").find("but no certificate"), std::string::npos);
  EXPECT_NE(problem(ca.substr(0, ca.size() - 10)).find("has no END line"), std::string::npos);
  EXPECT_NE(problem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
                .find("spec.tls.caFile: " + (path_ / "ca.pem").string() + ":1: the certificate"),
            std::string::npos);
  EXPECT_EQ(problem(ca + std::string(kMaxCaFile - ca.size(), '#')), "");
  EXPECT_NE(problem(ca + std::string(kMaxCaFile + 1 - ca.size(), '#')).find("more than 65536 bytes"), std::string::npos);
  std::string many;
  while (many.size() + ca.size() <= kMaxCaPem) many += ca;
  EXPECT_EQ(problem(many), "");
  EXPECT_NE(problem(many + ca).find("and 16384 are allowed"), std::string::npos);
  fs::remove(path_ / "ca.pem");
  fs::create_directory(path_ / "ca.pem");
  EXPECT_NE(directory_.reload().error().message().find("not a regular file"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::route
