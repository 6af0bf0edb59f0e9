#include "kube/cluster.h"

#include "kube/api_world.h"

namespace fairlead::kube {
namespace {

using ::testing::HasSubstr;

class ClusterTest : public ApiWorld {
 protected:
  ClusterTest() {
    for (FakeApiServer* server : {&first, &second}) {
      server->put(Kind::node, "edge-a", NodeText{.name = "edge-a", .internal = {"192.168.1.10"}});
      server->put(Kind::pod, "d/web", PodText{.key = "d/web", .node = "edge-a", .ip = "10.1.0.5"});
      server->put(Kind::service, "d/web", ServiceText{.key = "d/web", .ips = {"10.96.0.20"}});
      server->put(Kind::slice, "d/web-x", SliceText{.key = "d/web-x", .service = "web", .endpoints = {{"10.1.0.5", "edge-a"}}});
    }
  }
  void begin() {
    cluster = std::make_unique<Cluster>(client_host, load(), nullptr, [this](std::shared_ptr<const Directory> made) {
      directory = std::move(made);
      told.push_back(loop.now());
    });
  }
  void begin_synced() {
    begin();
    loop.run_for(1s);
    ASSERT_TRUE(directory);
    ASSERT_GE(first.watches(), kKinds);  // more: of a client that went, which nobody has told the server yet
  }
  // The node that an address leads to, or "".
  std::string edge_of(std::string_view target) {
    const Found found = directory->find(net::HostPort::parse(target).value(), [](const NodeName& n) {
      return n.value().starts_with("edge") ? Standing::connected : Standing::stranger;
    });
    const auto* at = std::get_if<AtEdge>(&found);
    return at == nullptr ? "" : at->node.value();
  }
  void pod(FakeApiServer& server, const std::string& key, const std::string& ip) {
    server.put(Kind::pod, key, PodText{.key = key, .node = "edge-a", .ip = ip});
  }
  std::size_t asked(std::string_view part) {
    std::size_t n = 0;
    for (const auto& one : first.asked) n += one.target.find(part) != std::string::npos;
    return n;
  }
  Watcher::State state(Kind kind) { return cluster->states()[static_cast<std::size_t>(kind)].watch; }
  std::string failure(Kind kind) {
    const auto found = state(kind).failure;
    return found ? found->describe() : "";
  }
  // What is asked for with `part` in its path, for as long as `times` is positive.
  void interfere(std::string part, int times, FakeApiServer::Raw raw) {
    left = times;
    first.interfere = [=, this](const FakeApiServer::Asked& one) -> std::optional<FakeApiServer::Raw> {
      if (one.target.find(part) == std::string::npos || left <= 0) return std::nullopt;
      left--;
      return raw;
    };
  }
  static std::string ok(std::string_view body) { return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body); }
  // After a fault in the watch of pods: what changes later must come to be known.
  void expect_recovers(Duration within) {
    const std::string ip = fmt::format("10.1.7.{}", ++checks);
    pod(first, fmt::format("d/check-{}", checks), ip);
    loop.run_for(within);
    EXPECT_EQ(edge_of(ip + ":80"), "edge-a");
  }

  std::unique_ptr<Cluster> cluster;
  std::shared_ptr<const Directory> directory;
  std::vector<TimePoint> told;
  int left = 0, checks = 0;
};

TEST_F(ClusterTest, DirectoryIsThatOfTheCluster) {
  begin_synced();
  EXPECT_EQ(told.size(), 1U) << "one, when all kinds were listed";
  for (const char* target : {"edge-a:10250", "192.168.1.10:10250", "10.1.0.5:80", "10.96.0.20:443"})
    EXPECT_EQ(edge_of(target), "edge-a") << target;
  EXPECT_EQ(directory->sizes().pods, 1U);
  EXPECT_EQ(first.connections, kKinds);
}

TEST_F(ClusterTest, ChangesAreKnownSoon) {
  begin_synced();
  pod(first, "d/db", "10.1.0.6");
  loop.run_for(100ms);
  EXPECT_EQ(edge_of("10.1.0.6:80"), "edge-a");
  pod(first, "d/db", "10.1.0.7");
  first.remove(Kind::pod, "d/web");
  loop.run_for(100ms);
  EXPECT_EQ(edge_of("10.1.0.6:80"), "");
  EXPECT_EQ(edge_of("10.1.0.7:80"), "edge-a");
  EXPECT_EQ(edge_of("10.1.0.5:80"), "edge-a") << "its endpoint is still there";
  first.remove(Kind::slice, "d/web-x");
  loop.run_for(100ms);
  EXPECT_EQ(edge_of("10.1.0.5:80"), "");
}

TEST_F(ClusterTest, ManyChangesMakeFewDirectories) {
  begin_synced();
  told.clear();
  for (int i = 0; i < 1000; i++) {
    pod(first, fmt::format("d/p{}", i), fmt::format("10.3.{}.{}", i / 250, i % 250 + 1));
    loop.run_for(1ms);
  }
  loop.run_for(100ms);
  EXPECT_LE(told.size(), 1000ms / Cluster::kPace + 3);
  for (std::size_t i = 1; i < told.size(); i++) EXPECT_GE(told[i] - told[i - 1], Cluster::kPace);
  EXPECT_EQ(edge_of("10.3.3.250:80"), "edge-a") << "the last one, too";
}

TEST_F(ClusterTest, WhatDoesNotMatterMakesNoDirectory) {
  begin_synced();
  told.clear();
  for (int i = 0; i < 100; i++) {
    first.put(Kind::node, "edge-a", NodeText{.name = "edge-a", .internal = {"192.168.1.10"}});
    loop.run_for(10ms);
  }
  EXPECT_EQ(state(Kind::node).events, 100U);
  EXPECT_TRUE(told.empty());
}

TEST_F(ClusterTest, ListsAreReadPageByPage) {
  for (int i = 0; i < 1234; i++) pod(first, fmt::format("d/p{}", i), fmt::format("10.3.{}.{}", i / 250, i % 250 + 1));
  begin_synced();
  EXPECT_EQ(asked("/api/v1/pods?limit=500"), 3U);
  EXPECT_EQ(asked("continue="), 2U);
  EXPECT_EQ(directory->sizes().pods, 1235U);
  EXPECT_EQ(edge_of("10.3.4.234:80"), "edge-a");
}

TEST_F(ClusterTest, PodsThatAreOverAreNotAskedFor) {
  begin_synced();
  EXPECT_EQ(asked("fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed"), 2U) << "in list and watch";
}

TEST_F(ClusterTest, WatchThatEndsGoesOnWhereItWas) {
  begin_synced();
  loop.run_for(2 * Watcher::kWatchFor + 10s);  // with silence in between
  expect_recovers(1s);
  EXPECT_EQ(state(Kind::pod).lists, 1U);
  EXPECT_GE(state(Kind::pod).watches, 3U);
  EXPECT_EQ(failure(Kind::pod), "");
}

TEST_F(ClusterTest, BookmarksSaveAListWhenWhatWasBeforeIsGone) {
  begin_synced();
  first.bookmark();
  loop.run_for(100ms);
  first.compact();
  first.say_raw("0\r\n\r\n");
  expect_recovers(5s);
  EXPECT_EQ(state(Kind::pod).lists, 1U);
}

TEST_F(ClusterTest, PlaceThatIsTooOldMakesANewList) {
  for (const bool as_event : {true, false}) {
    first.errors_in_watch = as_event;
    begin_synced();
    first.stop();
    loop.run_for(5s);
    first.remove(Kind::slice, "d/web-x");
    first.remove(Kind::pod, "d/web");
    first.bookmark();
    first.compact();
    first.start();
    loop.run_for(40s);
    EXPECT_EQ(edge_of("10.1.0.5:80"), "") << "it went while nobody watched";
    EXPECT_EQ(state(Kind::pod).lists, 2U);
    EXPECT_EQ(failure(Kind::pod), "");
    expect_recovers(1s);
    first.put(Kind::pod, "d/web", PodText{.key = "d/web", .node = "edge-a", .ip = "10.1.0.5"});
    first.put(Kind::slice, "d/web-x", SliceText{.key = "d/web-x", .service = "web", .endpoints = {{"10.1.0.5", "edge-a"}}});
    cluster.reset();
  }
}

TEST_F(ClusterTest, OtherErrorsOfAWatchAreWaitedOut) {
  begin_synced();
  const std::string event = R"({"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd is away"}})";
  first.say_raw(fmt::format("{:x}\r\n{}\r\n", event.size(), event));
  loop.run_for(100ms);
  EXPECT_THAT(failure(Kind::pod), HasSubstr("the watch ended: 500 etcd is away"));
  expect_recovers(2s);
  EXPECT_EQ(state(Kind::pod).lists, 1U);
  EXPECT_EQ(failure(Kind::pod), "");
}

TEST_F(ClusterTest, WhatNoServerSaysInAWatchEndsItAndItGoesOn) {
  const auto chunk = [](std::string_view text) { return fmt::format("{:x}\r\n{}\r\n", text.size(), text); };
  const std::string bad[] = {
      chunk("{\"type\":\"ADDED\",\"object\":{\"metadata\""),  // and then the end
      chunk("not json"),
      chunk("[1,2]"),
      chunk("{}"),
      chunk(R"({"type":"ADDED"})"),
      chunk(R"({"type":"ADDED","object":7})"),
      chunk(R"({"type":"ADDED","object":{"metadata":{"name":"x"}}})"),
      chunk(R"({"type":"SURPRISE","object":{"metadata":{"name":"x","resourceVersion":"5"}}})"),
      "zz\r\n",
      "5\r\nabc",
  };
  for (const std::string& bytes : bad) {
    begin_synced();
    first.say_raw(bytes);
    loop.run_for(100ms);
    if (&bytes == &bad[0]) first.say_raw("0\r\n\r\n");
    if (&bytes == &bad[9]) {
      first.stop();
      first.start();
    }
    expect_recovers(3s);
    EXPECT_EQ(failure(Kind::pod), "") << bytes;
    cluster.reset();
  }
}

TEST_F(ClusterTest, EventsMayComeInAnyPieces) {
  begin_synced();
  const std::string event =
      R"({"type":"ADDED","object":)" + PodText{.key = "d/slow", .node = "edge-a", .ip = "10.1.0.77", .version = "5000"}.text() + "}\n";
  for (const char c : event) {
    first.say_raw(fmt::format("1\r\n{}\r\n", c));
    loop.run_for(1ms);
  }
  loop.run_for(100ms);
  EXPECT_EQ(edge_of("10.1.0.77:80"), "edge-a");
  EXPECT_EQ(failure(Kind::node), "");
}

TEST_F(ClusterTest, ListsThatAreNoneAreTriedAgainAndNothingIsToldMeanwhile) {
  const std::string bad[] = {
      ok("not json"),
      ok("[]"),
      ok("{}"),
      ok(R"({"metadata":{"resourceVersion":"7"},"items":[7]})"),
      ok(R"({"metadata":{"resourceVersion":"7"},"items":[{"metadata":)"),
      ok(R"({"metadata":{"resourceVersion":"7"},"items":[]} more)"),
      ok(R"({"metadata":{"resourceVersion":"7","continue":")" + std::string(Watcher::kMaxToken + 1, 'x') + R"("},"items":[]})"),
      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
      "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n",
      "",
  };
  for (const std::string& bytes : bad) {
    directory.reset();
    interfere("/api/v1/pods?limit", 3, {.bytes = bytes});
    begin();
    loop.run_for(500ms);
    EXPECT_FALSE(directory) << bytes;
    EXPECT_NE(failure(Kind::pod), "") << bytes;
    loop.run_for(20s);
    ASSERT_TRUE(directory) << bytes;
    EXPECT_EQ(edge_of("10.1.0.5:80"), "edge-a");
    cluster.reset();
  }
}

TEST_F(ClusterTest, KindThatMayNotBeListedIsSaidAndTriedForEver) {
  interfere("endpointslices", 1'000'000, {.bytes = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"});
  begin();
  loop.run_for(10min);
  EXPECT_FALSE(directory);
  EXPECT_THAT(failure(Kind::slice), HasSubstr("{apiGroups: [\"discovery.k8s.io\"], resources: [endpointslices], verbs: [list]}"));
  EXPECT_LE(asked("endpointslices"), 40U) << "ever more slowly";
  EXPECT_GE(asked("endpointslices"), 15U);
  first.interfere = nullptr;
  loop.run_for(Watcher::kLongestPause + 1s);
  EXPECT_TRUE(directory);
}

TEST_F(ClusterTest, ListThatNeverEndsIsGivenUp) {
  int pages = 0;
  first.interfere = [&](const FakeApiServer::Asked& one) -> std::optional<FakeApiServer::Raw> {
    if (one.target.find("/api/v1/pods?limit") == std::string::npos) return std::nullopt;
    pages++;
    return FakeApiServer::Raw{.bytes = ok(R"({"metadata":{"resourceVersion":"7","continue":"again"},"items":[]})")};
  };
  begin();
  for (int i = 0; i < 100 && failure(Kind::pod).empty(); i++) loop.run_for(1s);
  EXPECT_THAT(failure(Kind::pod), HasSubstr("more than 2000 pages"));
  EXPECT_EQ(pages, 2000);
}

TEST_F(ClusterTest, ListThatDripsIsGivenUp) {
  interfere("/api/v1/pods?limit", 1, {.bytes = ok(std::string(100'000, ' ')), .leave_open = true, .between = 100ms});
  begin();
  loop.run_for(Watcher::kPageTimeout - 1s);
  EXPECT_FALSE(directory);
  loop.run_for(5s);
  EXPECT_TRUE(directory);
}

TEST_F(ClusterTest, ServerThatDiesIsReplacedByAnother) {
  servers = {{"192.0.2.1", 6443}, {"192.0.2.2", 6443}};
  begin_synced();
  first_host.kill();
  pod(second, "d/new", "10.1.0.8");
  loop.run_for(5s);
  EXPECT_EQ(second.watches(), kKinds);
  EXPECT_EQ(edge_of("10.1.0.8:80"), "edge-a");
  EXPECT_EQ(edge_of("10.1.0.5:80"), "edge-a");
}

TEST_F(ClusterTest, ServerThatFallsSilentIsReplacedByAnother) {
  servers = {{"192.0.2.1", 6443}, {"192.0.2.2", 6443}};
  begin_synced();
  net.set_up(client_host, first_host, false);
  pod(second, "d/new", "10.1.0.8");
  loop.run_for(Watcher::kWatchSilence + 2 * ApiClient::kConnectTimeout + 5s);
  EXPECT_EQ(edge_of("10.1.0.8:80"), "edge-a");
}

TEST_F(ClusterTest, WithoutAServerTheLastDirectoryStays) {
  begin_synced();
  first.stop();
  loop.run_for(10min);
  EXPECT_EQ(edge_of("10.1.0.5:80"), "edge-a");
  EXPECT_THAT(failure(Kind::pod), HasSubstr("192.0.2.1:6443"));
  first.start();
  expect_recovers(Watcher::kLongestPause + 1s);
}

TEST_F(ClusterTest, TokenThatIsReplacedIsUsedByTheNextWatch) {
  begin_synced();
  token = "second-token";
  loop.run_for(2 * Watcher::kWatchFor + 10s);
  EXPECT_EQ(first.asked.back().authorization, "Bearer second-token");
  EXPECT_EQ(failure(Kind::pod), "");
}

TEST_F(ClusterTest, CanBeTakenDownAtAnyMoment) {
  for (int i = 0; i < 200; i++) {
    begin();
    loop.run_for(i * 100us);
    cluster.reset();
  }
}

}  // namespace
}  // namespace fairlead::kube
