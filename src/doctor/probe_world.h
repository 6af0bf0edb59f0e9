// probe_world.h: for tests: a cloud that lets edges measure, and an edge that does, in virtual time, with real certificates, real QUIC and a
// simulated network between.
#pragma once
#include <gtest/gtest.h>

#include <memory>

#include "doctor/examination.h"
#include "doctor/probe_server.h"
#include "link/cloud_link.h"
#include "pki/test_pki.h"
#include "runtime/sim_loop.h"
#include "sim/network.h"

namespace fairlead::doctor {

inline net::IpAddress ip(std::string_view text) { return net::IpAddress::parse(text).value(); }

class ProbeWorld {
 public:
  static constexpr std::uint16_t kPort = 8443;

  explicit ProbeWorld(const sim::LinkOptions& link = {.rtt = 40ms}, ProbeQuota::Options limits = {})
      : loop(link.seed),
        net(loop, link),
        pki(pki::KeyKind::ed25519, loop.wall_now()),
        cloud_host(net.host("cloud.example", ip("192.0.2.1"))),
        edge_host(net.host("edge-a", ip("10.0.0.5"))),
        trust(pki.cloud("cloud.example"), std::make_shared<const pki::RevocationList>()),
        quota(limits) {
    quic::EndpointSettings settings;
    settings.engine.chance = link.seed;
    const quic::EndpointSecrets secrets{};
    endpoint =
        std::make_unique<quic::Endpoint>(loop, cloud_host.bind({net::IpAddress(), kPort}, {}).value(), settings, secrets, memory, 64_MiB);
    endpoint->serve({trust.credentials(), {std::string(link::CloudLink::kAlpn), std::string(kProbeAlpn)}});
    server = std::make_unique<ProbeServer>(loop, trust, quota, ProbeServer::Options{.software = "test"});
    tasks = std::make_unique<Scope>(loop);
    tasks->spawn(take_all(*endpoint, *server));
  }
  // The cloud takes connections over TCP, too.
  void serve_tcp() {
    tcp = std::make_unique<h2::Endpoint>(loop, cloud_host, h2::EndpointSettings(), memory, 64_MiB);
    tcp->serve({trust.credentials(), {std::string(kProbeAlpn)}}, cloud_host.listen({net::IpAddress(), kPort}).value());
    tasks->spawn(take_all(*tcp, *server));
  }
  ~ProbeWorld() {
    tasks.reset();
    server.reset();
    tcp.reset();
    endpoint.reset();
  }

  Order order(std::set<std::string> only = {}) {
    return {.cloud = {"cloud.example", kPort},
            .node = NodeName::parse("edge-a").value(),
            .credentials = pki.edge("edge-a"),
            .only = std::move(only),
            .software = "test"};
  }
  Report examine(Order made) { return loop.run(doctor::examine(edge_host, std::move(made))); }
  Report examine(std::set<std::string> only = {}) { return examine(order(std::move(only))); }

  ProbeAsk ask() { return {.cloud = {"cloud.example", kPort}, .credentials = pki.edge("edge-a")}; }
  net::SocketAddress cloud_at() const { return {ip("192.0.2.1"), kPort}; }

  SimLoop loop;
  sim::Network net;
  pki::TestPki pki;
  sim::Host &cloud_host, &edge_host;
  net::MemoryBudget memory{256_MiB, 16_MiB};
  link::Trust trust;
  ProbeQuota quota;
  std::unique_ptr<quic::Endpoint> endpoint;
  std::unique_ptr<h2::Endpoint> tcp;  // none: serve_tcp()
  std::unique_ptr<ProbeServer> server;
  std::unique_ptr<Scope> tasks;

 private:
  template <class Endpoint>
  static Task<void> take_all(Endpoint& endpoint, ProbeServer& server) {
    for (;;) {
      auto connection = co_await endpoint.accept();
      if (!connection) co_return;
      server.take(*connection);
    }
  }
};

inline const Finding& finding(const Report& report, std::string_view check) {
  static const Finding none{.check = "none"};
  for (const Finding& f : report.findings)
    if (f.check == check) return f;
  ADD_FAILURE() << "no finding " << check << " in\n" << report_text(report);
  return none;
}
inline double number(const Finding& f, std::string_view key) {
  for (const auto& [k, v] : f.measured) {
    if (k != key) continue;
    if (const auto* d = std::get_if<double>(&v)) return *d;
    if (const auto* i = std::get_if<std::int64_t>(&v)) return static_cast<double>(*i);
  }
  ADD_FAILURE() << f.check << " has no " << key << ": " << f.summary;
  return -1;
}

}  // namespace fairlead::doctor
