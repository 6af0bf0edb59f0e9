// endpoint_ground.h: where endpoints are tested: a cloud that serves and an edge that dials, in virtual time. For tests only.
#pragma once
#include <gtest/gtest.h>

#include "h2/endpoint.h"
#include "net/mux_contract.h"
#include "pki/test_pki.h"
#include "sim/network.h"

namespace fairlead::h2 {

// A cloud at 192.0.2.1 and an edge at 10.0.0.5.
class EndpointGround {
 public:
  static constexpr std::uint16_t kPort = 8443;

  explicit EndpointGround(const sim::LinkOptions& link = {.seed = 1, .rtt = 50ms}, const EndpointSettings& settings = {})
      : loop(link.seed), net(loop, link), pki(pki::KeyKind::ed25519, loop.wall_now()) {
    server = std::make_unique<Endpoint>(loop, cloud, settings, process, session_memory);
    client = std::make_unique<Endpoint>(loop, edge, settings, process, session_memory);
    server->serve({pki.cloud("cloud.test"), {"fairlead/1"}}, cloud.listen({{}, kPort}).value());
  }

  Task<Result<std::unique_ptr<net::MuxConnection>>> dial(std::shared_ptr<const pki::Credentials> credentials, std::string alpn) {
    const net::SocketAddress to{net::IpAddress::parse("192.0.2.1").value(), kPort};
    auto transport = co_await edge.connect(to);
    if (!transport) co_return fail(transport.error());
    Endpoint::ClientOptions options{std::move(credentials), std::move(alpn), "cloud.test"};
    auto connection = co_await client->connect(*std::move(transport), std::move(options));
    co_return connection;
  }
  Task<Result<std::unique_ptr<net::MuxConnection>>> dial() { return dial(pki.edge("edge-a"), "fairlead/1"); }

  template <class T>
  T run(Task<T> task, Duration limit = 10min) {
    return loop.run(std::move(task), limit);
  }

  SimLoop loop;
  sim::Network net;
  pki::TestPki pki;
  sim::Host& cloud = net.host("cloud", net::IpAddress::parse("192.0.2.1").value());
  sim::Host& edge = net.host("edge", net::IpAddress::parse("10.0.0.5").value());
  net::MemoryBudget process{512_MiB, 32_MiB};
  std::size_t session_memory = 64_MiB;
  std::unique_ptr<Endpoint> server, client;
};

class Pair final : public net::MuxGround {
 public:
  explicit Pair(const sim::LinkOptions& link = {.seed = 1, .rtt = 50ms, .rate = 100'000'000}, const EndpointSettings& settings = {})
      : ground(link, settings) {
    edge_ = ground.run(ground.dial()).value();
    cloud_ = ground.run(ground.server->accept()).value();
  }
  ~Pair() override {
    edge_.reset();
    cloud_.reset();
  }
  SimLoop& loop() override { return ground.loop; }

  EndpointGround ground;
};

}  // namespace fairlead::h2
