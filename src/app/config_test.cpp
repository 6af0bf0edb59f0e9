#include "app/config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include "route/document.h"

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

// The file that `init` writes, with every key put in force: sentences have one space behind the #, keys none or two.
std::string uncommented(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::string out;
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("#") && (!line.starts_with("# ") || line.starts_with("#  "))) out += line.substr(1) + "\n";
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
  EXPECT_EQ(edge->paths.uplinks, EdgeConfig().paths.uplinks);
  EXPECT_EQ(edge->paths.probe_every, EdgeConfig().paths.probe_every);
  EXPECT_EQ(edge->memory.process, EdgeConfig().memory.process);
  EXPECT_EQ(edge->memory.reserve, EdgeConfig().memory.reserve);
}

// Keys and values of a file, as "link.survive": "2m".
void flatten(const route::Node& node, const std::string& path, std::map<std::string, std::string>& into) {
  if (node.kind != route::Node::Kind::mapping || node.members.empty()) {
    into[path] = node.kind == route::Node::Kind::mapping ? "{}" : node.kind == route::Node::Kind::sequence ? "[]" : node.text;
    return;
  }
  for (const route::Member& member : node.members) flatten(member.value, path.empty() ? member.name : path + "." + member.name, into);
}
std::map<std::string, std::string> keys_of(std::string_view file) {
  route::Problems problems("config.yaml");
  std::map<std::string, std::string> keys;
  for (const route::Node& document : route::parse_document(uncommented(file), route::Format::yaml, problems)) flatten(document, "", keys);
  return keys;
}

std::string without_ticks(const std::string& cell) {
  const bool quoted = cell.size() > 2 && cell.starts_with('`') && cell.ends_with('`');
  return quoted ? cell.substr(1, cell.size() - 2) : "";
}
// The rows "| `key` | cloud | edge | meaning |" of docs/CONFIG.md. A default that is no literal text is "".
struct Row {
  std::string cloud, edge;
};
std::map<std::string, Row> rows_of_document() {
  std::ifstream in(FAIRLEAD_SOURCE_DIR "/docs/CONFIG.md");
  std::map<std::string, Row> rows;
  for (std::string line; std::getline(in, line) && !line.starts_with("## ");) {
    std::vector<std::string> cells;
    std::istringstream parts(line);
    for (std::string cell; std::getline(parts, cell, '|');) {
      const auto begin = cell.find_first_not_of(' ');
      cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, cell.find_last_not_of(' ') - begin + 1));
    }
    if (cells.size() < 5 || without_ticks(cells[1]).empty()) continue;
    rows[without_ticks(cells[1])] = {without_ticks(cells[2]), without_ticks(cells[3])};
  }
  return rows;
}

// The file is what the code does (above), and the document is what the file says.
TEST(Config, TheDocumentHasEachKeyOfTheFileWithItsDefault) {
  const std::map<std::string, Row> rows = rows_of_document();
  const std::map<std::string, std::string> cloud = keys_of(default_cloud_config()), edge = keys_of(default_edge_config());
  ASSERT_GT(cloud.size(), 15u);
  ASSERT_GT(edge.size(), 15u);
  for (const auto& [key, value] : cloud) EXPECT_TRUE(rows.contains(key)) << key;
  for (const auto& [key, value] : edge) EXPECT_TRUE(rows.contains(key)) << key;
  for (const auto& [key, row] : rows) {
    EXPECT_TRUE(cloud.contains(key) || edge.contains(key)) << key;
    if (cloud.contains(key) && !row.cloud.empty()) EXPECT_EQ(row.cloud, cloud.at(key)) << key;
    if (edge.contains(key) && !row.edge.empty()) EXPECT_EQ(row.edge, edge.at(key)) << key;
    EXPECT_TRUE(row.cloud.empty() || cloud.contains(key)) << key << " is no key of a cloud";
    EXPECT_TRUE(row.edge.empty() || edge.contains(key)) << key << " is no key of an edge";
  }
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

TEST(Config, TheFallbackAndItsProxy) {
  const auto edge = [](const char* link) { return parse_edge_config("config.yaml", fmt::format("link: {{{}}}", link)); };
  EXPECT_EQ(edge("").value().link.fallback, link::FallbackMode::automatic);
  EXPECT_EQ(edge("fallback: off").value().link.fallback, link::FallbackMode::off);
  EXPECT_EQ(edge("fallback: only").value().link.fallback, link::FallbackMode::only);
  EXPECT_FALSE(parse_cloud_config("config.yaml", "link: {fallback: only}"));

  EXPECT_TRUE(edge("").value().proxy_of_environment);
  EXPECT_TRUE(edge("proxy: environment").value().proxy_of_environment);
  EXPECT_FALSE(edge("proxy: none").value().proxy_of_environment);
  const EdgeConfig given = edge("proxy: \"http://ann:hidden@proxy.example:8080\"").value();
  EXPECT_FALSE(given.proxy_of_environment);
  EXPECT_EQ(given.proxy->at.to_text(), "proxy.example:8080");
  const auto wrong = edge("proxy: \"socks5://ann:hidden@proxy.example:8080\"");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().describe().find("hidden"), std::string::npos) << wrong.error().describe();
}

TEST(Config, LimitsAreKeptAtTheLimitAndOnePast) {
  EXPECT_TRUE(parse_cloud_config("c", "loops: 64\n"));
  EXPECT_TRUE(parse_cloud_config("c", "link: {survive: 5s}\n"));
  EXPECT_FALSE(parse_cloud_config("c", "link: {survive: 4s}\n"));
  EXPECT_TRUE(parse_cloud_config("c", "memory: {process: 8MiB, reserve: 4MiB}\n"));
  EXPECT_FALSE(parse_cloud_config("c", "memory: {process: 8MiB, reserve: 5MiB}\n"));
}

TEST(Config, UplinksAreNamesOfInterfaces) {
  EXPECT_EQ(parse_edge_config("c", "link: {uplinks: [eth0, wwan0]}\n")->paths.uplinks, (std::vector<std::string>{"eth0", "wwan0"}));
  EXPECT_TRUE(parse_edge_config("c", "link: {uplinks: [a, b, c, d, e, f, g, h]}\n"));
  EXPECT_TRUE(parse_edge_config("c", "link: {uplinks: [fifteen-letters]}\n"));
  for (const char* wrong :
       {"[a, b, c, d, e, f, g, h, i]", "[sixteen--letters]", "[eth0, eth0]", "[\"\"]", "[eth/0]", "[\"eth 0\"]", "eth0"})
    EXPECT_FALSE(parse_edge_config("c", fmt::format("link: {{uplinks: {}}}\n", wrong))) << wrong;
}

}  // namespace
}  // namespace fairlead::app
