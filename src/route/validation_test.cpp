#include "route/validation.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

using namespace testing;

Report validated(std::string_view text) {
  std::istringstream in{std::string(text)};
  const std::vector<std::string> paths{"-"};
  return validate(paths, in);
}

const std::string kGood = gateway("name: g", "{name: tcp, port: 80, protocol: TCP}") +
                          tcp_route("name: r", "{name: g}", backend_ref("name: b")) + backend("name: b", "nodeName: a");

TEST(Validation, GoodManifestsAreValid) {
  Report r = validated(kGood);
  EXPECT_TRUE(r.is_valid());
  EXPECT_EQ(r.to_text(), "1 file, 3 objects: valid\n");
  EXPECT_EQ(r.to_json(), R"({"files":1,"objects":3,"valid":true,"problems":[]})");
}

TEST(Validation, ErrorsAreToldAllAndReferencesAreLeftForLater) {
  Report r = validated(gateway("name: g", "{name: tcp, port: 0, protocol: TCP}") +
                       tcp_route("name: r", "{name: nope}", backend_ref("name: b, weight: x")));
  EXPECT_FALSE(r.is_valid());
  EXPECT_EQ(r.to_text(),
            "standard input:7:33: spec.listeners[0].port: 0 is not a port (1-65535)\n"
            "standard input:16:73: spec.rules[0].backendRefs[0].weight: \"x\" is not a whole number\n"
            "1 file, 2 objects: 2 errors\n");
}

TEST(Validation, WhatIsNotThereIsAWarningToldOnce) {
  Report r = validated(tcp_route("name: r", "{name: nope}", backend_ref("name: b")));
  EXPECT_TRUE(r.is_valid());
  EXPECT_EQ(r.to_text(),
            "standard input:6:16: warning: spec.parentRefs[0]: Gateway default/nope is not there\n"
            "standard input:8:19: warning: spec.rules[0].backendRefs[0]: Backend default/b is not there\n"
            "1 file, 1 object: valid, 2 warnings\n");
}

TEST(Validation, RulesOfTheCloudAndOfAnEdgeAreGoodTogether) {
  EXPECT_EQ(validated(kGood + edge_gateway("name: e", "{name: tcp, port: 80, protocol: TCP}") +
                      tcp_route("name: e", "{name: e}", backend_ref("name: c")) + backend("name: c", "cloud: {}"))
                .to_text(),
            "1 file, 6 objects: valid\n");
}

TEST(Validation, FilesAndDirectoriesAreOneSet) {
  namespace fs = std::filesystem;
  std::string form = fs::temp_directory_path() / "fairlead-validate-XXXXXX";
  const fs::path folder = mkdtemp(form.data());
  fs::create_directory(folder / "d");
  std::ofstream(folder / "d" / "a.yaml") << gateway("name: g", "{name: tcp, port: 80, protocol: TCP}")
                                         << tcp_route("name: r", "{name: g}", backend_ref("name: b"));
  std::ofstream(folder / "b.yaml") << backend("name: b", "nodeName: a");
  std::istringstream none;
  const std::vector<std::string> both{(folder / "d").string(), (folder / "b.yaml").string()};
  EXPECT_EQ(validate(both, none).to_text(), "2 files, 3 objects: valid\n");
  const std::vector<std::string> missing{(folder / "nope.yaml").string()};
  EXPECT_EQ(validate(missing, none).to_text(),
            (folder / "nope.yaml").string() + ": open: No such file or directory\n1 file, 0 objects: 1 error\n");
  fs::remove_all(folder);
}

TEST(Validation, JsonOnStandardInputIsTakenAsYaml) {
  EXPECT_TRUE(validated(R"({"apiVersion": "fairlead.dev/v1alpha1", "kind": "Backend", "metadata": {"name": "b"},
    "spec": {"location": {"cloud": {}}, "targets": [{"address": "127.0.0.1", "port": 80}]}})")
                  .is_valid());
}

TEST(Validation, StandardInputIsLimited) {
  EXPECT_TRUE(validated("#" + std::string(kMaxFileBytes - 1, 'x')).is_valid());
  EXPECT_EQ(validated("#" + std::string(kMaxFileBytes, 'x')).to_text(),
            "standard input: more than 16777216 bytes\n1 file, 0 objects: 1 error\n");
}

}  // namespace
}  // namespace fairlead::route
