#include "plugins/http/health_checker.h"

#include <gtest/gtest.h>

#include "plugins/http/ingress_world.h"
#include "route/picker.h"
#include "route/snapshot.h"

namespace fairlead::http_plugin {
namespace {

using link::LinkWorld;
using link::TestEdge;

class Directory final : public route::NodeDirectory {
 public:
  explicit Directory(link::Nodes& nodes) : nodes_(nodes) {}
  std::uint64_t version() const override { return nodes_.version(); }
  bool is_connected(const NodeName& node) const override { return nodes_.find(node).has_value(); }
  void for_each(FunctionRef<void(const NodeName&, const route::Labels&)> visit) const override {
    for (const auto& [node, entry] : nodes_.all())
      if (entry.place) visit(node, entry.labels);
  }

 private:
  link::Nodes& nodes_;
};

std::shared_ptr<const route::Snapshot> rules(std::string_view health, std::string_view location = "nodeSelector: {}",
                                             std::string_view targets = "{address: 127.0.0.1, port: 7000}") {
  const std::string yaml = fmt::format(
      "apiVersion: fairlead.dev/v1alpha1\nkind: Backend\nmetadata: {{name: shop}}\n"
      "spec:\n  location: {{{}}}\n  targets: [{}]\n  {}\n",
      location, targets, health);
  route::Problems problems("f.yaml");
  route::Manifests manifests = route::decode_manifests(yaml, route::Format::yaml, problems);
  EXPECT_EQ(route::to_text(problems.take()), "");
  return route::Snapshot::build(std::move(manifests), route::Site::cloud());
}

constexpr std::string_view kEverySecond =
    "healthCheck: {active: {path: '/healthz?x=1', interval: 1s, timeout: 200ms, unhealthyAfter: 3, healthyAfter: 2}}";

// A cloud that checks what two edges have.
class HealthWorld : public ::testing::Test {
 protected:
  HealthWorld() : world({.rtt = 20ms}) {
    for (const char* name : {"edge-a", "edge-b"}) connect(name);
  }
  void connect(const std::string& name) {
    TestEdge& edge = world.edge(name);
    edge.egresses = {};
    services[name] = std::make_unique<ScriptedEgress>(world.loop);
    edge.egresses.add(*services[name]);
    world.loop.run(edge.link->connected(), 10s);
    edges[name] = &edge;
  }
  void answer(const std::string& node, unsigned status) {
    services[node]->scripts["7000"] = {{Step::read_body(), Step::head(status), Step::data("all about it"), Step::end()}};
  }
  std::size_t asked(const std::string& node) const { return services.at(node)->seen.size(); }

  // "edge-a well, edge-b 503"
  std::string state() const {
    std::string text;
    for (const route::EndpointReport& r : states->report(world.loop.now()))
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", r.node ? r.node->value() : "cloud",
                          r.healthy ? "well" : r.last_error.substr(0, r.last_error.find(':')));
    return text;
  }

  LinkWorld world;
  std::map<std::string, std::unique_ptr<ScriptedEgress>> services;
  std::map<std::string, TestEdge*> edges;
  std::shared_ptr<route::BackendStates> states = std::make_shared<route::BackendStates>();
  Directory directory{*world.nodes};
  HealthChecker checker{world.loop, *world.cloud_link, directory, states};
};

TEST_F(HealthWorld, AsksEachNodeAtOnceAndThenEveryInterval) {
  checker.apply(rules(kEverySecond));
  EXPECT_EQ(checker.endpoints(), 2u);
  world.loop.run_for(150ms);
  for (const char* node : {"edge-a", "edge-b"}) ASSERT_EQ(asked(node), 1u);
  const Seen& seen = *services["edge-a"]->seen[0];
  EXPECT_EQ(seen.method + " " + seen.target, "GET /healthz?x=1");
  EXPECT_EQ(seen.authority, "127.0.0.1:7000");
  EXPECT_EQ(seen.field("user-agent"), "fairlead-health-check");
  EXPECT_EQ(seen.backend, "default/shop");
  EXPECT_TRUE(seen.body_ended);
  EXPECT_LE(seen.remaining, 200ms);
  world.loop.run_for(20s);
  for (const char* node : {"edge-a", "edge-b"}) EXPECT_NEAR(static_cast<double>(asked(node)), 21, 3);
  EXPECT_EQ(checker.counters().checks, asked("edge-a") + asked("edge-b"));
  EXPECT_EQ(checker.counters().failed, 0u);
  EXPECT_EQ(state(), "edge-a well, edge-b well");
}

TEST_F(HealthWorld, AnEndpointIsOutAfterSoManyFailuresAndBackAfterSoManyGoodAnswers) {
  link::CapturedLog log;
  answer("edge-b", 503);
  checker.apply(rules(kEverySecond));
  world.loop.run_for(1500ms);
  EXPECT_EQ(asked("edge-b"), 2u);
  EXPECT_EQ(state(), "edge-a well, edge-b well");
  world.loop.run_for(1s);
  EXPECT_EQ(asked("edge-b"), 3u);
  EXPECT_EQ(state(), "edge-a well, edge-b status 503");
  EXPECT_EQ(checker.counters().failed, 3u);
  EXPECT_TRUE(log.has("warn http: Backend default/shop: 127.0.0.1:7000 at edge-b is not well: status 503"));
  answer("edge-b", 204);
  const std::size_t before = asked("edge-b");
  while (asked("edge-b") == before) world.loop.run_for(10ms);
  world.loop.run_for(100ms);
  EXPECT_EQ(state(), "edge-a well, edge-b status 503");
  world.loop.run_for(1200ms);
  EXPECT_EQ(state(), "edge-a well, edge-b well");
  EXPECT_TRUE(log.has("info http: Backend default/shop: 127.0.0.1:7000 at edge-b is well again"));
}

TEST_F(HealthWorld, OneGoodAnswerBetweenFailuresBeginsTheCountAnew) {
  services["edge-b"]->scripts["7000"] = {
      {Step::read_body(), Step::head(500), Step::end()}, {Step::read_body(), Step::head(500), Step::end()}, hello(),
      {Step::read_body(), Step::head(500), Step::end()}, {Step::read_body(), Step::head(500), Step::end()}, hello()};
  checker.apply(rules(kEverySecond));
  world.loop.run_for(8s);
  EXPECT_EQ(checker.counters().failed, 4u);
  EXPECT_EQ(state(), "edge-a well, edge-b well");
}

TEST_F(HealthWorld, SilenceARefusalAndABrokenAnswerAreFailures) {
  const Script long_answer{Step::read_body(), Step::head(200), Step::data(std::string(10'000, 'x'), 100), Step::end()};
  struct Case {
    Script script;
    const char* state;
  };
  for (const Case& c : std::initializer_list<Case>{
           {{Step::hang()}, "edge-a well, edge-b health check"},
           {{Step::refuse(link::FlowCode::unreachable)}, "edge-a well, edge-b as the test says"},
           {{Step::read_body(), Step::head(200), Step::data("half"), Step::abort(link::FlowCode::reset)}, "edge-a well, edge-b "},
           {{Step::read_body(), Step::head(200), Step::data("half"), Step::pause(300ms), Step::end()}, "edge-a well, edge-b health check"},
           {{Step::read_body(), Step::head(404), Step::end()}, "edge-a well, edge-b status 404"},
           {{Step::read_body(), Step::head(103), Step::head(301), Step::end()}, "edge-a well, edge-b well"},
           {long_answer, "edge-a well, edge-b well"},
       }) {
    services["edge-b"]->scripts["7000"] = {c.script};
    checker.apply(rules(kEverySecond));
    world.loop.run_for(5s);
    EXPECT_EQ(state().substr(0, std::string_view(c.state).size()), c.state) << state();
    checker.apply(rules(""));
    world.loop.run_for(1s);
    EXPECT_EQ(services["edge-b"]->running, 0u);
  }
}

TEST_F(HealthWorld, FollowsNodesThatGoAndComeBack) {
  answer("edge-b", 503);
  checker.apply(rules(kEverySecond));
  world.loop.run_for(4s);
  ASSERT_EQ(state(), "edge-a well, edge-b status 503");
  world.kill(*edges["edge-b"]);
  world.loop.run_for(200s);
  EXPECT_EQ(checker.endpoints(), 1u);
  EXPECT_EQ(state(), "edge-a well");
  connect("edge-b");
  world.loop.run_for(200ms);
  EXPECT_EQ(checker.endpoints(), 2u);
  EXPECT_EQ(asked("edge-b"), 1u) << "at once";
  EXPECT_EQ(state(), "edge-a well, edge-b well");
}

TEST_F(HealthWorld, NewRulesEndChecksAndKeepThoseThatAreTheSame) {
  answer("edge-b", 503);
  checker.apply(rules(kEverySecond));
  world.loop.run_for(4s);
  const std::size_t before = asked("edge-b");
  checker.apply(rules(kEverySecond));
  world.loop.run_for(50ms);
  EXPECT_EQ(asked("edge-b"), before) << "nothing has changed";
  EXPECT_EQ(state(), "edge-a well, edge-b status 503");
  checker.apply(rules("healthCheck: {active: {path: /other, interval: 1s, host: shop.internal}}"));
  world.loop.run_for(50ms);
  EXPECT_EQ(state(), "edge-a well, edge-b status 503") << "what was found stays until there is something better";
  EXPECT_EQ(services["edge-b"]->seen.back()->target, "/other");
  EXPECT_EQ(services["edge-b"]->seen.back()->authority, "shop.internal");
  checker.apply(rules(kEverySecond, "nodeName: edge-b", "{address: 127.0.0.1, port: 7000}, {address: 127.0.0.1, port: 7001}"));
  EXPECT_EQ(checker.endpoints(), 2u);
  checker.apply(rules(""));
  EXPECT_EQ(checker.endpoints(), 0u);
  EXPECT_EQ(state().find("503"), std::string::npos);
  const std::size_t last = asked("edge-b");
  world.loop.run_for(10s);
  EXPECT_EQ(asked("edge-b"), last);
}

TEST_F(HealthWorld, SoManyAreUnderWayAtOnceAndNoMore) {
  std::string targets;
  for (std::size_t i = 0; i < kMaxChecksAtOnce; i++) {
    targets += fmt::format("{}{{address: 127.0.0.1, port: {}}}", i > 0 ? ", " : "", 7000 + i);
    for (const char* node : {"edge-a", "edge-b"}) services[node]->scripts[std::to_string(7000 + i)] = {{Step::hang()}};
  }
  checker.apply(rules("healthCheck: {active: {interval: 10s, timeout: 1s}}", "nodeSelector: {}", targets));
  EXPECT_EQ(checker.endpoints(), 2 * kMaxChecksAtOnce);
  world.loop.run_for(500ms);
  EXPECT_EQ(services["edge-a"]->running + services["edge-b"]->running, kMaxChecksAtOnce);
  world.loop.run_for(1s);
  EXPECT_EQ(checker.counters().checks, kMaxChecksAtOnce);
  EXPECT_EQ(services["edge-a"]->running + services["edge-b"]->running, kMaxChecksAtOnce);
  world.loop.run_for(1s);
  EXPECT_EQ(checker.counters().checks, 2 * kMaxChecksAtOnce);
  EXPECT_EQ(asked("edge-a") + asked("edge-b"), 2 * kMaxChecksAtOnce);
}

TEST(HealthChecker, AnEdgeChecksWhatTheCloudHasForIt) {
  class None final : public route::NodeDirectory {
    std::uint64_t version() const override { return 0; }
    bool is_connected(const NodeName&) const override { return false; }
    void for_each(FunctionRef<void(const NodeName&, const route::Labels&)>) const override {}
  };
  LinkWorld world({.rtt = 20ms});
  ScriptedEgress service(world.loop);
  world.cloud->egresses.add(service);
  service.scripts["7000"] = {{Step::read_body(), Step::head(500), Step::end()}};
  TestEdge& edge = world.edge("edge-a");
  const None none;
  auto states = std::make_shared<route::BackendStates>();
  HealthChecker checker(world.loop, *edge.link, none, states);
  checker.apply(rules(kEverySecond, "cloud: {}"));
  EXPECT_EQ(checker.endpoints(), 1u);
  world.loop.run_for(50us);
  EXPECT_EQ(checker.counters().checks, 0u) << "not connected yet: nothing is asked, and nothing found out";
  world.loop.run(edge.link->connected(), 10s);
  world.loop.run_for(4s);
  const std::vector<route::EndpointReport> report = states->report(world.loop.now());
  ASSERT_EQ(report.size(), 1u);
  EXPECT_FALSE(report[0].node || report[0].healthy);
  EXPECT_EQ(report[0].last_error, "status 500");
  checker.apply(rules(""));
}

}  // namespace
}  // namespace fairlead::http_plugin
