// two_hosts.h: a cloud and an edge, 25 ms apart, on which the simulated network is tested. For tests only.
#pragma once
#include <gtest/gtest.h>

#include "net/testing.h"
#include "sim/host.h"
#include "sim/network.h"

namespace fairlead::sim {

inline net::IpAddress ip(const char* text) { return net::IpAddress::parse(text).value(); }

class TwoHosts : public testing::Test {
 protected:
  net::SocketAddress cloud_at(std::uint16_t port) const { return {ip("192.0.2.1"), port}; }
  std::unique_ptr<net::DatagramSocket> bound(Host& host, std::uint16_t port = 0) { return host.bind({{}, port}).value(); }
  net::SendOutcome say(net::DatagramSocket& socket, const net::SocketAddress& to, std::string_view what) {
    return socket.send({.to = to, .from = {}, .ecn = net::Ecn::ect0, .data = as_bytes(what), .segment = 1200});
  }
  // What has come to the socket once all that is on its way has arrived.
  std::vector<net::Received> heard(net::DatagramSocket& socket) {
    loop_.run_for(200ms);
    std::vector<net::Received> all;
    net::receive_into(socket, 1000, all);
    return all;
  }

  SimLoop loop_{1};
  Network net_{loop_, {.seed = 1, .rtt = 50ms}};
  Host& cloud_ = net_.host("cloud", ip("192.0.2.1"));
  Host& edge_ = net_.host("edge", ip("10.0.0.5"));
};

inline Task<Code> code_of_connect(Host& host, net::SocketAddress to) {
  auto stream = co_await host.connect(to);
  co_return stream ? Code::internal : stream.error().code();
}

struct Pair {
  std::unique_ptr<net::Listener> listener;
  std::unique_ptr<net::Stream> near;  // of the edge
  std::unique_ptr<net::Stream> far;   // of the cloud
};
inline Task<Pair> connect_pair(Host& edge, Host& cloud) {
  Pair pair;
  pair.listener = cloud.listen({ip("192.0.2.1"), 0}).value();
  auto near = co_await edge.connect(pair.listener->local());
  auto far = co_await pair.listener->accept();
  pair.near = std::move(near).value();
  pair.far = cloud.adopt(std::move(far).value());
  co_return pair;
}

}  // namespace fairlead::sim
