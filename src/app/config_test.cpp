#include "app/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace fairlead::app {
namespace {

TEST(Config, AnEmptyFileGivesTheDefaults) {
  const CloudConfig cloud = parse_cloud_config("config.yaml", "").value();
  EXPECT_EQ(cloud.listen.to_text(), "[::]:8443");
  EXPECT_EQ(cloud.link.survive, 2min);
  EXPECT_EQ(cloud.drain, 10s);
  EXPECT_FALSE(cloud.egress_allow);
  EXPECT_TRUE(cloud.access_log.on);
  EXPECT_FALSE(parse_edge_config("config.yaml", "").value().cloud);
}

// The file that `init` writes, with its comments taken away, is what the code has as defaults.
std::string uncommented(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::string out;
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("#") && !line.starts_with("# ")) out += line.substr(1) + "\n";
  return out;
}

TEST(Config, TheFileThatInitWritesSaysWhatTheCodeDoes) {
  auto cloud = parse_cloud_config("config.yaml", uncommented(default_cloud_config()));
  ASSERT_TRUE(cloud) << cloud.error().describe();
  const CloudConfig coded;
  EXPECT_EQ(cloud->listen, coded.listen);
  EXPECT_EQ(cloud->link.congestion, coded.link.congestion);
  EXPECT_EQ(cloud->link.survive, coded.link.survive);
  EXPECT_EQ(cloud->link.suspect_after, coded.link.suspect_after);
  EXPECT_EQ(cloud->link.keep_alive, coded.link.keep_alive);
  EXPECT_EQ(cloud->link.open_timeout, coded.link.open_timeout);
  EXPECT_EQ(cloud->link.max_streams, coded.link.max_streams);
  EXPECT_EQ(cloud->memory.process, coded.memory.process);
  EXPECT_EQ(cloud->memory.session, coded.memory.session);
  EXPECT_EQ(cloud->memory.reserve, coded.memory.reserve);
  EXPECT_EQ(cloud->drain, coded.drain);

  auto edge = parse_edge_config("config.yaml", uncommented(default_edge_config()));
  ASSERT_TRUE(edge) << edge.error().describe();
  EXPECT_EQ(edge->memory.process, EdgeConfig().memory.process);
  EXPECT_EQ(edge->memory.reserve, EdgeConfig().memory.reserve);
}

TEST(Config, EveryKeyIsInTheDocument) {
  std::ifstream in(FAIRLEAD_SOURCE_DIR "/docs/CONFIG.md");
  std::stringstream document;
  document << in.rdbuf();
  ASSERT_FALSE(document.str().empty());
  for (const char* key :
       {"link.listen",     "link.cloud",   "link.congestion", "link.survive",   "link.suspectAfter", "link.keepAlive", "link.openTimeout",
        "link.maxStreams", "loops",        "labels",          "memory.process", "memory.session",    "memory.reserve", "egress.allow",
        "egress.pods",     "admin.listen", "accessLog",       "log.level",      "log.format",        "drain"})
    EXPECT_NE(document.str().find("`" + std::string(key) + "`"), std::string::npos) << key;
}

TEST(Config, WhatIsWrongIsNamedWithLineAndField) {
  struct Case {
    const char* text;
    const char* place;
    const char* word;
  };
  for (const Case& c :
       {Case{"loops: 0\n", "config.yaml:1", "loops"}, Case{"loops: 65\n", "config.yaml:1", "loops"},
        Case{"link:\n  survive: 1s\n", "config.yaml:2", "link.survive"}, Case{"link:\n  surviv: 10s\n", "config.yaml:2", "survive"},
        Case{"memory: {reserve: 900MiB}\n", "config.yaml:1", "half"}, Case{"admin: {listen: 0.0.0.0:1}\n", "config.yaml:1", "loopback"},
        Case{"log: {level: loud}\n", "config.yaml:1", "debug"}, Case{"labels: {a: b}\n", "config.yaml:1", "labels"}}) {
    auto config = parse_cloud_config("config.yaml", c.text);
    ASSERT_FALSE(config) << c.text;
    EXPECT_NE(config.error().describe().find(c.place), std::string::npos) << config.error().describe();
    EXPECT_NE(config.error().describe().find(c.word), std::string::npos) << config.error().describe();
  }
}

TEST(Config, LimitsAreKeptAtTheLimitAndOnePast) {
  EXPECT_TRUE(parse_cloud_config("c", "loops: 64\n"));
  EXPECT_TRUE(parse_cloud_config("c", "link: {survive: 5s}\n"));
  EXPECT_FALSE(parse_cloud_config("c", "link: {survive: 4s}\n"));
  EXPECT_TRUE(parse_cloud_config("c", "memory: {process: 8MiB, reserve: 4MiB}\n"));
  EXPECT_FALSE(parse_cloud_config("c", "memory: {process: 8MiB, reserve: 5MiB}\n"));
}

}  // namespace
}  // namespace fairlead::app
