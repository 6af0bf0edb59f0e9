// udp_world.h: for tests: a cloud and edges with both halves of the plug-in, clients and services of UDP, in virtual time.
#pragma once
#include <gtest/gtest.h>

#include <deque>

#include "link/link_world.h"
#include "link/remote_peers.h"
#include "plugins/udp/udp_egress.h"
#include "plugins/udp/udp_ingress.h"
#include "route/backend_states.h"
#include "route/manifests.h"
#include "route/problem.h"

namespace fairlead::udp {

using link::ip;
using link::LinkWorld;
using link::TestEdge;

inline std::shared_ptr<const route::Snapshot> rules(std::string_view yaml, const route::Site& site = route::Site::cloud()) {
  route::Problems problems("test.yaml");
  route::Manifests manifests = route::decode_manifests(yaml, route::Format::yaml, problems);
  EXPECT_EQ(route::to_text(problems.take()), "");
  return route::Snapshot::build(std::move(manifests), site);
}

// A UDPRoute at port 5000 to 127.0.0.1:7000 of every node of the site "test". `policy`: of its DatagramPolicy, "answers: 1".
inline std::string to_edges(std::string_view policy = "", std::string_view target = "{address: 127.0.0.1, port: 7000}") {
  std::string text = fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: front}}
spec:
  gatewayClassName: fairlead
  listeners: [{{name: game, port: 5000, protocol: UDP}}]
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: UDPRoute
metadata: {{name: game}}
spec:
  parentRefs: [{{name: front}}]
  rules:
  - backendRefs: [{{group: fairlead.dev, kind: Backend, name: game}}]
---
apiVersion: fairlead.dev/v1alpha1
kind: Backend
metadata: {{name: game}}
spec:
  location: {{nodeSelector: {{site: test}}}}
  targets: [{}]
)",
                                 target);
  if (!policy.empty())
    text += fmt::format(R"(
---
apiVersion: fairlead.dev/v1alpha1
kind: DatagramPolicy
metadata: {{name: game}}
spec: {{targetRefs: [{{group: gateway.networking.k8s.io, kind: UDPRoute, name: game}}], {}}}
)",
                        policy);
  return text;
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

// A socket of a client or of a service, and what it has received.
class Party {
 public:
  Party(Loop& loop, std::unique_ptr<net::DatagramSocket> socket) : loop_(loop), socket_(std::move(socket)), receiving_(loop) {
    receiving_.spawn(receive());
  }
  struct Got {
    std::string text;
    net::SocketAddress from;
    TimePoint at;
  };
  void send(const net::SocketAddress& to, std::string_view text) {
    socket_->send({.to = to, .from = {}, .data = as_bytes(text), .segment = std::max<std::size_t>(text.size(), 1)});
  }
  // "": nothing has come.
  std::string take() {
    if (got.empty()) return "";
    std::string text = got.front().text;
    last_from = got.front().from;
    got.pop_front();
    return text;
  }
  void answer(std::string_view text) { send(last_from, text); }
  const net::SocketAddress& local() const { return socket_->local(); }
  std::optional<Error> error() { return socket_->take_error(); }

  std::deque<Got> got;
  net::SocketAddress last_from;
  bool echoes = false;

 private:
  Task<void> receive() {
    for (;;) {
      co_await socket_->readable();
      static_cast<void>(socket_->receive(1000, [this](const net::Datagram& d) {
        if (echoes)
          send(d.from, as_text(d.payload));
        else
          got.push_back({std::string(as_text(d.payload)), d.from, loop_.now()});
      }));
    }
  }

  Loop& loop_;
  std::unique_ptr<net::DatagramSocket> socket_;
  Scope receiving_;
};

// The path between the cloud and edges is `link`; clients and the cloud are near each other.
class UdpWorld : public ::testing::Test {
 protected:
  explicit UdpWorld(const sim::LinkOptions& link = {.rtt = 20ms}) : world(link) {
    directory = std::make_unique<Directory>(*world.nodes);
    policy = std::make_shared<route::EgressPolicy>(std::nullopt, route::EgressSelf{});
    add_edge("edge-a");
    user = &add_user("user", "192.0.2.50");
    make_ingress(*world.cloud_link);
  }
  ~UdpWorld() override {
    ingress.reset();
    world.edges.clear();
  }

  TestEdge& add_edge(const std::string& name) {
    TestEdge& added = world.edge(name);
    egresses[name] = std::make_unique<UdpEgress>(*added.host, policy, access_log.get());
    added.egresses = {};
    added.egresses.add(*egresses[name]);
    world.loop.run(added.link->connected(), 60s);
    return added;
  }
  // A host near the cloud, from which datagrams of any size come whole, as if in fragments.
  sim::Host& add_user(const std::string& name, std::string_view address) {
    sim::Host& host = world.net.host(name, ip(address));
    world.net.set_options(host, *world.cloud_host, {.mtu = 70'000});
    return host;
  }
  void make_ingress(link::Peers& peers) {
    ingress = std::make_unique<UdpIngress>(*world.cloud_host, peers, *directory, states, access_log.get());
  }
  void apply(const std::string& yaml = to_edges()) { ASSERT_TRUE(ingress->apply(rules(yaml)).empty()); }

  std::unique_ptr<Party> client(sim::Host* host = nullptr) {
    return std::make_unique<Party>(world.loop, (host != nullptr ? host : user)->bind({ip("0.0.0.0"), 0}).value());
  }
  std::unique_ptr<Party> service(const std::string& node = "edge-a", std::uint16_t port = 7000) {
    return std::make_unique<Party>(world.loop, world.hosts.at(node)->bind({ip("127.0.0.1"), port}).value());
  }
  void run(Duration d) { world.loop.run_for(d); }
  const UdpIngressCounters& counters() const { return ingress->counters(); }

  LinkWorld world;
  std::unique_ptr<observe::AccessLog> access_log;
  std::shared_ptr<const route::EgressPolicy> policy;
  std::map<std::string, std::unique_ptr<UdpEgress>> egresses;
  std::unique_ptr<Directory> directory;
  std::shared_ptr<route::BackendStates> states = std::make_shared<route::BackendStates>();
  std::unique_ptr<UdpIngress> ingress;
  sim::Host* user = nullptr;
  const net::SocketAddress front{ip("192.0.2.1"), 5000};
};

}  // namespace fairlead::udp
