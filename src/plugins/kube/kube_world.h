// kube_world.h: for tests: a cloud with both ingresses, an edge with the egress, a client and a kubelet: sockets at both ends, the link
// between, all in virtual time.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "link/link_world.h"
#include "net/testing.h"
#include "plugins/kube/connect_ingress.h"
#include "plugins/kube/doors.h"
#include "plugins/kube/kube_egress.h"

namespace fairlead::kube_plugin {

using link::ip;
using link::LinkWorld;
using link::TestEdge;

inline NodeName node(std::string_view name) { return NodeName::parse(name).value(); }

inline std::shared_ptr<const route::EgressPolicy> policy(std::optional<std::vector<route::EgressRule>> allow = std::nullopt,
                                                         std::vector<net::Cidr> pods = {}) {
  return std::make_shared<route::EgressPolicy>(std::move(allow), route::EgressSelf{.addresses = {}, .pods = std::move(pods)});
}

class KubeWorld : public ::testing::Test {
 protected:
  static constexpr std::uint16_t kConnectPort = 8132;

  explicit KubeWorld(const link::WorldOptions& options = {.link = {.rtt = 20ms}})
      : world(options),
        edge(world.edge("edge-a")),
        edge_egress(*edge.host, nullptr),
        cloud_egress(*world.cloud_host, nullptr),
        connect(*world.cloud_host, *world.cloud_link, nullptr),
        cloud_doors(*world.cloud_host, *world.cloud_link, nullptr),
        edge_doors(*edge.host, *edge.link, nullptr),
        client(world.net.host("apiserver", ip("192.0.2.50"))),
        tasks(world.loop) {
    edge.egresses = {};
    edge.egresses.add(edge_egress);
    world.cloud->egresses.add(cloud_egress);
    edge_egress.set_kubelet({"127.0.0.1", kKubeletPort});
    edge_egress.set_policy(policy());
    connect.set_find([this](const net::HostPort& target) {
      asked.push_back(target.to_text());
      const auto found = places.find(target.to_text());
      return found != places.end() ? found->second : Where::direct();
    });
    connect.listen(world.cloud_host->listen({ip("0.0.0.0"), kConnectPort}).value(), false, "connect.sock");
    places["edge-a:10250"] = Where::edge("kubelet", node("edge-a"), std::string(kKubelet));
    world.loop.run(edge.link->connected(), 10s);
  }
  ~KubeWorld() override { tasks.cancel_now(); }

  std::unique_ptr<net::Stream> dial(std::uint16_t port = kConnectPort) {
    auto stream = world.loop.run(client.connect({ip("192.0.2.1"), port}), 10s);
    EXPECT_TRUE(stream);
    return std::move(*stream);
  }
  // A CONNECT for `target` and what follows it, in one write.
  std::unique_ptr<net::Stream> ask(std::string_view target, std::string_view more = "") {
    auto stream = dial();
    write(*stream, fmt::format("CONNECT {} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n{}", target, more));
    return stream;
  }
  std::unique_ptr<net::Listener> serve(net::Network& on, std::string_view address, std::uint16_t port) {
    return on.listen({ip(address), port}).value();
  }
  std::unique_ptr<net::Listener> serve_kubelet() { return serve(*edge.host, "127.0.0.1", kKubeletPort); }
  std::unique_ptr<net::Stream> accept(net::Network& on, net::Listener& listener) {
    auto incoming = world.loop.run(listener.accept(), 10s);
    EXPECT_TRUE(incoming);
    return on.adopt(std::move(incoming.value()));
  }
  std::string read(net::Stream& stream) {
    std::byte buffer[4096];
    auto n = world.loop.run(stream.read(buffer), 200s);
    return n ? std::string(as_text(Bytes(buffer, *n))) : std::string(name(n.error().code()));
  }
  // Until the end.
  std::string read_all(net::Stream& stream) {
    std::string all;
    for (;;) {
      std::byte buffer[4096];
      auto n = world.loop.run(stream.read(buffer), 200s);
      if (!n || *n == 0) return all;
      all += as_text(Bytes(buffer, *n));
    }
  }
  void write(net::Stream& stream, std::string_view text) { ASSERT_TRUE(world.loop.run(stream.write(as_bytes(text)), 10s)); }
  std::string first_line(net::Stream& stream) {
    const std::string all = read(stream);
    return all.substr(0, all.find("\r\n"));
  }

  LinkWorld world;
  TestEdge& edge;
  KubeEgress edge_egress, cloud_egress;
  ConnectIngress connect;
  Doors cloud_doors, edge_doors;
  sim::Host& client;
  std::map<std::string, Where> places;
  std::vector<std::string> asked;
  Scope tasks;
};

}  // namespace fairlead::kube_plugin
