#include "app/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace fairlead::app {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

NodeName node(const char* name) { return NodeName::parse(name).value(); }
constexpr WallTime kSince{std::chrono::sys_days{std::chrono::year{2026} / 11 / 25}};
const link::Nodes::Place kPlace{LoopIndex(1), link::SessionId(7), BootId(3)};

link::SessionStatus session(const char* name, link::SessionState state = link::SessionState::live) {
  return {.node = node(name),
          .state = state,
          .since = kSince,
          .address = net::SocketAddress::parse("192.0.2.7:4000").value(),
          .transport = "quic",
          .carrier = {.rtt = 12'500us, .min_rtt = 10ms, .bytes_sent = 2000, .bytes_received = 1000, .packets_sent = 200, .packets_lost = 3},
          .flows = {.open = 4, .opened = 9, .refused = 1},
          .labels = {{"site", "berlin"}},
          .software = "fairlead/0.1.0",
          .loop = LoopIndex(1)};
}
link::Nodes::Entry here() {
  return {.place = kPlace,
          .labels = {{"site", "berlin"}},
          .software = "fairlead/0.1.0",
          .address = "192.0.2.7:4000",
          .changed = kSince,
          .reason = ""};
}

TEST(Status, OfAConnectedNodeHasTheAgreedKeys) {
  const std::string text = cloud_status_json({{node("edge-a"), here()}}, {session("edge-a")}, {}, {});
  EXPECT_EQ(json::parse(text), json::parse(R"({"role": "cloud", "listeners": [], "rule_problems": [], "nodes": [{
    "name": "edge-a", "connected": true, "state": "live", "since": "2026-11-25T00:00:00.000Z", "address": "192.0.2.7:4000",
    "labels": {"site": "berlin"}, "software": "fairlead/0.1.0", "transport": "quic", "loop": 1, "rtt_ms": 12.5, "min_rtt_ms": 10.0,
    "loss": 0.015, "bytes_in": 1000, "bytes_out": 2000, "flows": 4, "flows_opened": 9, "flows_refused": 1, "memory": 0}]})"));
}

TEST(Status, OfANodeThatIsGoneTellsSinceWhenAndWhy) {
  link::Nodes::Entry gone = here();
  gone.place.reset();
  gone.reason = "silent for 2m";
  const std::string text = cloud_status_json({{node("edge-a"), gone}}, {}, {}, {});
  const json::object shown = json::parse(text).at("nodes").at(0).as_object();
  EXPECT_FALSE(shown.at("connected").as_bool());
  EXPECT_EQ(shown.at("state"), "gone");
  EXPECT_EQ(shown.at("reason"), "silent for 2m");
  EXPECT_EQ(shown.at("address"), "192.0.2.7:4000");
  EXPECT_FALSE(shown.contains("rtt_ms"));
}

TEST(Status, ASuspectNodeIsNotConnectedButHasItsNumbers) {
  link::SessionStatus silent = session("edge-a", link::SessionState::suspect);
  silent.silent_since = kSince + 90s;
  const std::string text = cloud_status_json({{node("edge-a"), here()}}, {silent}, {}, {});
  const json::object shown = json::parse(text).at("nodes").at(0).as_object();
  EXPECT_EQ(shown.at("silent_since"), "2026-11-25T00:01:30.000Z");
  EXPECT_THAT(status_text(text).value(), HasSubstr("\nedge-a  suspect  2026-11-25T00:01:30.000Z"));
  EXPECT_FALSE(shown.at("connected").as_bool());
  EXPECT_EQ(shown.at("state"), "suspect");
  EXPECT_EQ(shown.at("flows"), 4);
}

TEST(Status, ForPeopleHasOneLineANode) {
  link::Nodes::Entry gone = here();
  gone.place.reset();
  gone.reason = "the edge is shutting down";
  const std::string text =
      status_text(cloud_status_json({{node("edge-a"), here()}, {node("edge-b"), gone}}, {session("edge-a")}, {}, {})).value();
  EXPECT_THAT(text, HasSubstr("NODE    STATE  SINCE"));
  EXPECT_THAT(text, HasSubstr("\nedge-a  live   2026-11-25T00:00:00.000Z  192.0.2.7:4000  quic  "));
  EXPECT_THAT(text, HasSubstr("  12.5 ms  1.50 %  1000 B"));
  EXPECT_THAT(text, HasSubstr("\nedge-b  gone   2026-11-25T00:00:00.000Z  192.0.2.7:4000  the edge is shutting down\n"));
  EXPECT_THAT(status_text(cloud_status_json({}, {}, {}, {})).value(), HasSubstr("no node has connected yet"));
}

TEST(Status, ListenersAndRulesThatAreNotInForceAreShown) {
  const ListenerState open{"default/front", "web", "[::]:80", "default/shop", ""};
  const ListenerState taken{"default/front", "db", "[::]:5432", "default/db", "listen at [::]:5432: address in use"};
  const std::string text = cloud_status_json({}, {}, {open, taken}, {"routes/a.yaml:3:1: kind: unknown"});
  const json::value status = json::parse(text);
  EXPECT_TRUE(status.at("listeners").at(0).at("open").as_bool());
  EXPECT_FALSE(status.at("listeners").at(1).at("open").as_bool());
  EXPECT_EQ(status.at("listeners").at(1).at("problem"), "listen at [::]:5432: address in use");
  const std::string shown = status_text(text).value();
  EXPECT_THAT(shown, HasSubstr("not open: default/front db at [::]:5432: listen at [::]:5432: address in use\n"));
  EXPECT_THAT(shown, Not(HasSubstr("web")));
  EXPECT_THAT(shown, HasSubstr("rules: routes/a.yaml:3:1: kind: unknown\n"));
}

TEST(Status, OfAnEdgeTellsOfItsCloud) {
  link::EdgeStatus edge;
  edge.state = link::EdgeState::waiting;
  edge.since = kSince;
  edge.cloud = "cloud.example:8443";
  edge.attempts = 3;
  edge.last_error = "dial 192.0.2.1:8443: nothing was heard";
  const std::string waiting = edge_status_json(node("edge-a"), edge, {}, {});
  EXPECT_FALSE(json::parse(waiting).at("cloud").at("connected").as_bool());
  EXPECT_THAT(status_text(waiting).value(),
              HasSubstr("edge-a  cloud.example:8443  waiting  2026-11-25T00:00:00.000Z  dial 192.0.2.1:8443"));

  edge.state = link::EdgeState::connected;
  edge.carrier = net::MuxStats{.rtt = 20ms};
  edge.flows = link::FlowTally{.open = 2};
  edge.transport = "h2";
  const json::value connected = json::parse(edge_status_json(node("edge-a"), edge, {}, {}));
  EXPECT_EQ(connected.at("node"), "edge-a");
  EXPECT_TRUE(connected.at("cloud").at("connected").as_bool());
  EXPECT_EQ(connected.at("cloud").at("rtt_ms"), 20.0);
  EXPECT_EQ(connected.at("cloud").at("flows"), 2);
  EXPECT_EQ(connected.at("cloud").at("transport"), "h2");
  EXPECT_FALSE(connected.at("cloud").as_object().contains("silent_since"));

  edge.state = link::EdgeState::suspect;
  const std::string suspect = edge_status_json(node("edge-a"), edge, {}, {});
  EXPECT_FALSE(json::parse(suspect).at("cloud").at("connected").as_bool());
  EXPECT_THAT(status_text(suspect).value(), HasSubstr("suspect"));
  EXPECT_THAT(status_text(suspect).value(), HasSubstr("h2  20.0 ms"));
}

TEST(Status, OfAnEdgeTellsByWhichWayItReachesTheCloud) {
  link::EdgeStatus edge;
  edge.state = link::EdgeState::connected;
  edge.cloud = "cloud.example:8443";
  edge.paths.route = net::LocalRoute{net::IpAddress::parse("10.0.0.5").value(), "eth0"};
  edge.paths.moves[static_cast<std::size_t>(link::MoveReason::address)] = 2;
  edge.paths.uplinks = {{.device = "eth0", .in_use = true, .usable = true, .alive = true, .rtt = 25ms, .loss = 0.125},
                        {.device = "wwan0", .usable = true},
                        {.device = "wlan0"}};
  const std::string text = edge_status_json(node("edge-a"), edge, {}, {});
  const json::object shown = json::parse(text).at("cloud").as_object();
  EXPECT_EQ(shown.at("local"), "10.0.0.5");
  EXPECT_EQ(shown.at("device"), "eth0");
  EXPECT_EQ(shown.at("moves"), json::parse(R"({"address": 2})"));
  EXPECT_EQ(shown.at("uplinks").at(0),
            json::parse(R"({"device": "eth0", "in_use": true, "usable": true, "alive": true, "rtt_ms": 25.0, "loss": 0.125})"));
  EXPECT_THAT(status_text(text).value(),
              HasSubstr("uplink: eth0 (in use): 25.0 ms, 12 % loss\nuplink: wwan0: no answer\nuplink: wlan0: down\n"));
}

TEST(Status, WhatAPeerSaidAtItsEndNeitherBreaksTheJsonNorSteersATerminal) {
  link::Nodes::Entry gone = here();
  gone.place.reset();
  gone.reason = "bye \xff\xfe\x1b[2J\n\"quoted\"";
  gone.software = "x\x1b]0;title\x07";
  const std::string text = cloud_status_json({{node("edge-a"), gone}}, {}, {}, {});
  boost::system::error_code error;
  json::parse(text, error);
  EXPECT_FALSE(error) << error.message();
  const std::string shown = status_text(text).value();
  EXPECT_EQ(shown.find('\x1b'), std::string::npos) << shown;
  EXPECT_THAT(shown, HasSubstr("bye "));
}

TEST(Status, WhatIsNoStatusIsRefused) {
  for (const char* text : {"", "[]", "{}", "{\"cloud\": 1}", "not found"}) EXPECT_FALSE(status_text(text)) << text;
}

}  // namespace
}  // namespace fairlead::app
