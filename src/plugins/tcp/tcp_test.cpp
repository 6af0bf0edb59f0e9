#include <gtest/gtest.h>

#include "link/link_world.h"
#include "plugins/tcp/tcp_egress.h"
#include "plugins/tcp/tcp_ingress.h"
#include "route/manifests.h"
#include "route/problem.h"

namespace fairlead::tcp {
namespace {

using link::ip;
using link::LinkWorld;
using link::TestEdge;

std::shared_ptr<const route::Snapshot> rules(std::string_view yaml, const route::Site& site = route::Site::cloud()) {
  route::Problems problems("test.yaml");
  route::Manifests manifests = route::decode_manifests(yaml, route::Format::yaml, problems);
  EXPECT_EQ(route::to_text(problems.take()), "");
  return route::Snapshot::build(std::move(manifests), site);
}

constexpr std::string_view kToEdge = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front}
spec:
  gatewayClassName: fairlead
  listeners: [{name: db, port: 5000, protocol: TCP}]
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: {name: db}
spec:
  parentRefs: [{name: front}]
  rules:
  - backendRefs: [{group: fairlead.dev, kind: Backend, name: db}]
---
apiVersion: fairlead.dev/v1alpha1
kind: Backend
metadata: {name: db}
spec:
  location: {nodeName: edge-a}
  targets: [{address: 127.0.0.1, port: 7000}]
)";

std::shared_ptr<const route::EgressPolicy> loopback_only() {
  return std::make_shared<route::EgressPolicy>(std::nullopt, route::EgressSelf{});
}

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

// A cloud with the ingress, an edge with the egress, a user and a service: sockets at both ends, the link between.
class TcpWorld : public ::testing::Test {
 protected:
  TcpWorld() : world({.rtt = 20ms}), edge(world.edge("edge-a")), egress(*edge.host, loopback_only(), nullptr), tasks(world.loop) {
    edge.egresses = {};
    edge.egresses.add(egress);
    directory = std::make_unique<Directory>(*world.nodes);
    ingress = std::make_unique<TcpIngress>(*world.cloud_host, *world.cloud_link, *directory, nullptr);
    user = &world.net.host("user", ip("192.0.2.50"));
    world.loop.run(edge.link->connected(), 10s);
    EXPECT_TRUE(ingress->apply(rules(kToEdge)).empty());
  }
  ~TcpWorld() override { tasks.cancel_now(); }

  std::unique_ptr<net::Stream> dial() {
    auto stream = world.loop.run(user->connect({ip("192.0.2.1"), 5000}), 10s);
    EXPECT_TRUE(stream);
    return std::move(*stream);
  }
  std::unique_ptr<net::Listener> serve() { return edge.host->listen({ip("127.0.0.1"), 7000}).value(); }
  std::unique_ptr<net::Stream> accept(net::Listener& listener) {
    auto incoming = world.loop.run(listener.accept(), 10s);
    return edge.host->adopt(std::move(incoming.value()));
  }
  std::string read(net::Stream& stream) {
    std::byte buffer[4096];
    auto n = world.loop.run(stream.read(buffer), 10s);
    return n ? std::string(as_text(Bytes(buffer, *n))) : std::string(name(n.error().code()));
  }
  void write(net::Stream& stream, std::string_view text) { ASSERT_TRUE(world.loop.run(stream.write(as_bytes(text)), 10s)); }

  LinkWorld world;
  TestEdge& edge;
  TcpEgress egress;
  std::unique_ptr<Directory> directory;
  std::unique_ptr<TcpIngress> ingress;
  sim::Host* user = nullptr;
  Scope tasks;
};

TEST_F(TcpWorld, CarriesBytesBothWays) {
  auto listener = serve();
  auto client = dial();
  write(*client, "ping");
  auto server = accept(*listener);
  EXPECT_EQ(read(*server), "ping");
  write(*server, "pong");
  EXPECT_EQ(read(*client), "pong");
}

TEST_F(TcpWorld, AServerThatSpeaksFirstIsHeard) {
  auto listener = serve();
  auto client = dial();
  auto server = accept(*listener);
  write(*server, "220 ready");
  EXPECT_EQ(read(*client), "220 ready");
}

TEST_F(TcpWorld, HalfCloseIsKeptBothWays) {
  auto listener = serve();
  auto client = dial();
  write(*client, "request");
  ASSERT_TRUE(client->shut());
  auto server = accept(*listener);
  EXPECT_EQ(read(*server), "request");
  EXPECT_EQ(read(*server), "") << "the user's end";
  write(*server, "answer");
  EXPECT_EQ(read(*client), "answer") << "after the user had shut its half";
  ASSERT_TRUE(server->shut());
  EXPECT_EQ(read(*client), "");
  world.loop.run_for(1s);
  EXPECT_EQ(ingress->connections(), 0u);

  // And the other way round: the service shuts first.
  client = dial();
  server = accept(*listener);
  ASSERT_TRUE(server->shut());
  EXPECT_EQ(read(*client), "");
  write(*client, "still talking");
  EXPECT_EQ(read(*server), "still talking");
}

TEST_F(TcpWorld, AResetOfTheServiceIsAResetForTheUser) {
  auto listener = serve();
  auto client = dial();
  write(*client, "x");
  auto server = accept(*listener);
  EXPECT_EQ(read(*server), "x");
  server->reset();
  EXPECT_EQ(read(*client), "reset");
}

TEST_F(TcpWorld, AResetOfTheUserIsAResetForTheService) {
  auto listener = serve();
  auto client = dial();
  write(*client, "x");
  auto server = accept(*listener);
  EXPECT_EQ(read(*server), "x");
  client->reset();
  EXPECT_EQ(read(*server), "reset");
}

TEST_F(TcpWorld, AServiceThatRefusesIsAResetAtOnce) {
  const TimePoint before = world.loop.now();
  auto client = dial();
  EXPECT_EQ(read(*client), "reset");
  EXPECT_LT(world.loop.now() - before, 100ms);
  world.loop.settle();
  EXPECT_EQ(ingress->counters().refused, 1u);
}

TEST_F(TcpWorld, ANodeThatIsGoneIsAResetAtOnce) {
  world.kill(edge);
  world.loop.run_for(world.session.survive + 10s);
  auto client = dial();
  EXPECT_EQ(read(*client), "reset");
}

constexpr std::string_view kWaits = R"(
---
apiVersion: fairlead.dev/v1alpha1
kind: ConnectionPolicy
metadata: {name: db}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: TCPRoute, name: db}]
  onLinkDown: Wait
  waitTimeout: 8s
)";

TEST_F(TcpWorld, WhileTheLinkIsSilentAConnectionIsResetAtOnceOrWaitsAsItsPolicySays) {
  auto listener = serve();
  auto first = dial();
  auto server = accept(*listener);
  world.net.set_up(*world.cloud_host, *edge.host, false);
  write(*first, "something in flight");
  world.loop.run_for(4s);
  const TimePoint before = world.loop.now();
  auto client = dial();
  EXPECT_EQ(read(*client), "reset");
  EXPECT_LT(world.loop.now() - before, 100ms);

  EXPECT_TRUE(ingress->apply(rules(std::string(kToEdge) + std::string(kWaits))).empty());
  client = dial();
  write(*client, "ping");
  world.loop.run_for(2s);
  world.net.set_up(*world.cloud_host, *edge.host, true);
  auto late = accept(*listener);
  EXPECT_EQ(read(*late), "ping");
  write(*late, "pong");
  EXPECT_EQ(read(*client), "pong");
}

TEST_F(TcpWorld, AConnectionThatMayWaitIsServedByTheNodeThatComes) {
  EXPECT_TRUE(ingress->apply(rules(std::string(kToEdge) + std::string(kWaits))).empty());
  auto listener = serve();
  world.loop.run(edge.link->drain(0s, "away for a while"), 10s);
  world.loop.run_for(100ms);
  ASSERT_EQ(world.nodes->connected(), 0u);
  auto client = dial();
  write(*client, "ping");
  world.loop.run_for(3s);
  TestEdge& again = world.edge("edge-a");
  again.egresses = {};
  again.egresses.add(egress);
  auto late = accept(*listener);
  EXPECT_EQ(read(*late), "ping");
}

TEST_F(TcpWorld, WhoWaitsInVainIsResetWhenItsTimeIsOver) {
  EXPECT_TRUE(ingress->apply(rules(std::string(kToEdge) + std::string(kWaits))).empty());
  world.loop.run(edge.link->drain(0s, "away for good"), 10s);
  world.loop.run_for(100ms);
  const TimePoint before = world.loop.now();
  auto client = dial();
  EXPECT_EQ(read(*client), "reset");
  EXPECT_GE(world.loop.now() - before, 8s);
  EXPECT_LT(world.loop.now() - before, 8s + 500ms);
  EXPECT_EQ(ingress->counters().refused, 1u);
  // Rules that go meanwhile end the waiting.
  client = dial();
  world.loop.run_for(1s);
  ingress->apply(rules(""));
  EXPECT_EQ(read(*client), "reset");
  EXPECT_EQ(ingress->connections(), 0u);
}

TEST_F(TcpWorld, WhatTheEdgeDoesNotAllowIsNeverDialled) {
  std::string elsewhere(kToEdge);
  elsewhere.replace(elsewhere.find("127.0.0.1"), 9, "192.0.2.77");
  ASSERT_TRUE(ingress->apply(rules(elsewhere)).empty());
  sim::Host& victim = world.net.host("victim", ip("192.0.2.77"));
  auto listener = victim.listen({ip("192.0.2.77"), 7000}).value();
  bool reached = false;
  struct Watch {
    static Task<void> run(net::Listener& at, bool& seen) {
      auto incoming = co_await at.accept();
      seen = incoming.has_value();
    }
  };
  tasks.spawn(Watch::run(*listener, reached));
  auto client = dial();
  EXPECT_EQ(read(*client), "reset");
  world.loop.run_for(10s);
  EXPECT_FALSE(reached);
}

TEST_F(TcpWorld, AnIngressThatChangesItsRulesCutsNothing) {
  auto listener = serve();
  auto client = dial();
  write(*client, "a");
  auto server = accept(*listener);
  EXPECT_EQ(read(*server), "a");
  std::string moved(kToEdge);
  moved.replace(moved.find("7000"), 4, "7001");
  ASSERT_TRUE(ingress->apply(rules(moved)).empty());
  auto other = edge.host->listen({ip("127.0.0.1"), 7001}).value();
  write(*client, "b");
  EXPECT_EQ(read(*server), "b") << "a connection keeps the rules that it was accepted under";
  auto later = dial();
  write(*later, "c");
  auto there = accept(*other);
  EXPECT_EQ(read(*there), "c");

  ASSERT_TRUE(ingress->apply(route::Snapshot::build({}, route::Site::cloud())).empty());
  EXPECT_EQ(ingress->listeners(), 0u);
  write(*client, "d");
  EXPECT_EQ(read(*server), "d");
  EXPECT_EQ(world.loop.run(user->connect({ip("192.0.2.1"), 5000}), 10s).error().code(), Code::refused);
}

TEST_F(TcpWorld, APortThatIsTakenIsReportedAndTheRestIsServed) {
  auto squatter = world.cloud_host->listen({ip("0.0.0.0"), 5001}).value();
  std::string two(kToEdge);
  two.replace(two.find("listeners: ["), 12, "listeners: [{name: taken, port: 5001, protocol: TCP}, ");
  std::vector<net::Listeners::Failure> failed = ingress->apply(rules(two));
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_NE(failed[0].error.describe().find("front"), std::string::npos) << failed[0].error.describe();
  auto listener = serve();
  auto client = dial();
  write(*client, "x");
  auto server = accept(*listener);
  EXPECT_EQ(read(*server), "x");
}

TEST_F(TcpWorld, ASlowReaderStopsItsWriterAndNobodyElse) {
  auto listener = serve();
  auto slow = dial();
  write(*slow, "slow");
  auto slow_server = accept(*listener);
  struct Flood {
    static Task<void> run(net::Stream& stream, std::size_t& sent) {
      std::vector<std::byte> block(64_KiB);
      for (;;) {
        auto written = co_await stream.write(block);
        if (!written) co_return;
        sent += block.size();
      }
    }
  };
  std::size_t sent = 0;
  tasks.spawn(Flood::run(*slow_server, sent));
  world.loop.run_for(10s);
  const std::size_t after_ten = sent;
  EXPECT_LT(after_ten, 24_MiB) << "the windows and socket buffers on the way, no more";
  world.loop.run_for(10s);
  EXPECT_EQ(sent, after_ten);

  auto client = dial();
  write(*client, "quick");
  auto server = accept(*listener);
  EXPECT_EQ(read(*server), "quick");
  const TimePoint before = world.loop.now();
  write(*server, "answer");
  EXPECT_EQ(read(*client), "answer");
  EXPECT_LT(world.loop.now() - before, 2 * 20ms);
  tasks.cancel_now();
}

}  // namespace
}  // namespace fairlead::tcp
