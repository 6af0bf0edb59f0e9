// Several loops at one port, on real sockets.
#include "quic/steering.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "net/real_network.h"
#include "quic/endpoint_ground.h"
#include "runtime/asio_loop.h"

namespace fairlead::quic {
namespace {

net::SocketAddress loopback(bool v4 = true) { return net::SocketAddress::parse(v4 ? "127.0.0.1:0" : "[::1]:0").value(); }

// ---- what the kernel does

// How many have come at each socket once `count` have in all: a busy kernel takes its time, on the loopback too.
std::vector<std::size_t> arrivals(std::vector<std::unique_ptr<net::DatagramSocket>>& sockets, std::size_t count) {
  std::vector<std::size_t> came(sockets.size());
  const auto end = std::chrono::steady_clock::now() + 10s;
  for (std::size_t all = 0; all < count && std::chrono::steady_clock::now() < end;) {
    for (std::size_t i = 0; i < sockets.size(); i++) {
      std::vector<net::Received> got;
      net::receive_into(*sockets[i], 10, got);
      came[i] += got.size();
      all += got.size();
    }
  }
  return came;
}

class SteeringTest : public testing::TestWithParam<bool> {};

TEST_P(SteeringTest, TheFirstByteOfTheIdPicksTheSocketForEachSortOfHeader) {
  AsioLoop loop;
  net::RealNetwork network(loop);
  std::vector<net::Network*> networks(3, &network);
  auto sockets = bind_group(networks, loopback(GetParam())).value();
  auto sender = network.bind(loopback(GetParam()), {}).value();
  for (int first = 0; first < 256; first++) {
    for (const bool long_header : {false, true}) {
      std::vector<std::byte> packet(30, static_cast<std::byte>(first + 1));
      packet[0] = std::byte{static_cast<unsigned char>(long_header ? 0xc3 : 0x43)};
      packet[long_header ? 6 : 1] = static_cast<std::byte>(first);
      // Each is read before the next is sent, so that the kernel merges none.
      ASSERT_EQ(sender->send({.to = sockets[0]->local(), .from = {}, .ecn = net::Ecn::not_ect, .data = packet, .segment = packet.size()}),
                net::SendOutcome::sent);
      std::vector<std::size_t> wanted(sockets.size());
      wanted[static_cast<std::size_t>(first) % wanted.size()] = 1;
      EXPECT_EQ(arrivals(sockets, 1), wanted) << "first byte " << first;
    }
  }
}

TEST_P(SteeringTest, ADatagramWithoutAnIdDoesNoHarm) {
  AsioLoop loop;
  net::RealNetwork network(loop);
  std::vector<net::Network*> networks(2, &network);
  auto sockets = bind_group(networks, loopback(GetParam())).value();
  auto sender = network.bind(loopback(GetParam()), {}).value();
  for (std::size_t size = 1; size < 7; size++) {
    const std::vector<std::byte> packet(size, std::byte{0xc0});
    sender->send({.to = sockets[0]->local(), .from = {}, .ecn = net::Ecn::not_ect, .data = packet, .segment = size});
  }
  const std::vector<std::size_t> came = arrivals(sockets, 6);
  EXPECT_EQ(came[0] + came[1], 6u);
}

INSTANTIATE_TEST_SUITE_P(Family, SteeringTest, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& family) { return family.param ? "IPv4" : "IPv6"; });

TEST(BindGroup, ATakenPortIsAnError) {
  AsioLoop loop;
  net::RealNetwork network(loop);
  auto taken = network.bind(loopback(), {}).value();
  std::vector<net::Network*> networks(2, &network);
  const auto sockets = bind_group(networks, taken->local());
  ASSERT_FALSE(sockets);
  EXPECT_EQ(sockets.error().code(), Code::exists);
}

// ---- several loops

// A loop with a thread and a serving endpoint of its own.
struct ServingLoop {
  ~ServingLoop() { stop(); }
  void start(std::size_t index, std::size_t loops, std::unique_ptr<net::DatagramSocket> socket, net::MemoryBudget& process,
             StrayExchange& strays) {
    EndpointSettings settings;
    settings.loop = LoopIndex(static_cast<std::uint16_t>(index));
    settings.loops = static_cast<std::uint16_t>(loops);
    endpoint = std::make_unique<Endpoint>(loop, std::move(socket), settings, test_secrets(), process, 64_MiB, &strays);
    strays.attach(settings.loop, *endpoint);
    endpoint->serve(test_server());
    tasks.spawn(echo_all(loop, *endpoint));
    thread = std::thread([this] { loop.run(); });
  }
  void stop() {
    if (!thread.joinable()) return;
    loop.stop();
    thread.join();
  }
  AsioLoop loop;
  net::RealNetwork network{loop};
  std::unique_ptr<Endpoint> endpoint;
  Scope tasks{loop};
  std::thread thread;
};

// One flow on a connection of its own, from a socket of its own unless `shared` is given.
struct Clients {
  AsioLoop loop;
  net::RealNetwork network{loop};
  net::MemoryBudget memory{512_MiB, 32_MiB};
  std::vector<std::unique_ptr<Endpoint>> endpoints;
  int intact = 0;

  Endpoint& add() {
    endpoints.push_back(
        std::make_unique<Endpoint>(loop, network.bind(loopback(), {}).value(), EndpointSettings{}, test_secrets(), memory, 64_MiB));
    return *endpoints.back();
  }
};
Task<void> one_flow(Clients& clients, Endpoint& endpoint, net::SocketAddress to, std::vector<Mux>& connections) {
  Mux connection = co_await dial(endpoint, to);
  if (!connection) co_return;
  const bool good = co_await echo(clients.loop, *connection, 20'000);
  if (good) clients.intact++;
  connections.push_back(std::move(connection));
}
Task<void> many_flows(Clients& clients, int count, bool one_socket, net::SocketAddress to) {
  std::vector<Mux> connections;
  Scope flows(clients.loop);
  for (int i = 0; i < count; i++) {
    if (i == 0 || !one_socket) clients.add();
    flows.spawn(one_flow(clients, *clients.endpoints.back(), to, connections));
    if (i % 20 == 19) co_await flows.done();  // not a storm: each gets its answers well within its timers
  }
  co_await flows.done();
}

class LoopsTest : public testing::Test {
 protected:
  void serve(std::vector<std::unique_ptr<net::DatagramSocket>> sockets) {
    address_ = sockets[0]->local();
    for (std::size_t i = 0; i < loops_.size(); i++) loops_[i].start(i, loops_.size(), std::move(sockets[i]), process_, strays_);
  }
  void run(int flows, bool one_socket) {
    clients_.loop.run(many_flows(clients_, flows, one_socket, address_));
    EXPECT_EQ(clients_.intact, flows);
    for (ServingLoop& loop : loops_) loop.stop();
  }
  const Endpoint::Counters& counters(std::size_t i) const { return loops_[i].endpoint->counters(); }

  net::MemoryBudget process_{512_MiB, 32_MiB};
  std::array<ServingLoop, 2> loops_;
  StrayExchange strays_{{&loops_[0].loop, &loops_[1].loop}};
  Clients clients_;
  net::SocketAddress address_;
};

TEST_F(LoopsTest, ConnectionsLandOnTheLoopThatTheirIdsName) {
  std::vector<net::Network*> networks = {&loops_[0].network, &loops_[1].network};
  serve(bind_group(networks, loopback()).value());
  run(200, false);
  // An endpoint feeds what has its own ids, passes on what is another loop's and counts the rest: nothing of the last two was there.
  for (std::size_t i = 0; i < loops_.size(); i++) {
    EXPECT_EQ(counters(i).strays_passed, 0u);
    EXPECT_EQ(counters(i).unknown, 0u);
  }
}

TEST_F(LoopsTest, ManyConnectionsOfOneSocketFindTheirLoops) {
  std::vector<net::Network*> networks = {&loops_[0].network, &loops_[1].network};
  serve(bind_group(networks, loopback()).value());
  run(200, true);
  for (std::size_t i = 0; i < loops_.size(); i++) EXPECT_EQ(counters(i).unknown, 0u) << "the kernel may merge, but nothing is lost by it";
}

TEST_F(LoopsTest, StraysArePassedToTheLoopThatOwnsThem) {
  // Without the filter the kernel picks by address: half of the connections talk to the wrong socket from the first packet to the last.
  std::vector<std::unique_ptr<net::DatagramSocket>> sockets;
  sockets.push_back(loops_[0].network.bind(loopback(), {.reuse_port = true}).value());
  sockets.push_back(loops_[1].network.bind(sockets[0]->local(), {.reuse_port = true}).value());
  serve(std::move(sockets));
  run(100, false);
  for (std::size_t i = 0; i < loops_.size(); i++) {
    EXPECT_GT(counters(i).strays_passed, 0u);
    EXPECT_EQ(counters(i).unknown, 0u);
  }
  EXPECT_EQ(strays_.dropped(), 0u);
}

// ---- the exchange

class ExchangeTest : public testing::Test {
 protected:
  static net::Datagram junk() { return {.from = {}, .to = {}, .ecn = net::Ecn::not_ect, .payload = as_bytes("junk")}; }

  EndpointGround ground_;
  std::unique_ptr<Endpoint> endpoint_ = ground_.endpoint(ground_.cloud, EndpointGround::kPort);
};

TEST_F(ExchangeTest, SoManyWaitForALoopAndNoMore) {
  StrayExchange exchange({&ground_.loop});
  exchange.attach(LoopIndex(0), *endpoint_);
  for (std::size_t i = 0; i < StrayExchange::kMaxQueued; i++) exchange.pass_on(LoopIndex(0), junk());
  EXPECT_EQ(exchange.dropped(), 0u);
  exchange.pass_on(LoopIndex(0), junk());
  EXPECT_EQ(exchange.dropped(), 1u);
  ground_.loop.settle();
  EXPECT_EQ(endpoint_->counters().unknown, StrayExchange::kMaxQueued) << "each was looked at";
  exchange.pass_on(LoopIndex(0), junk());
  ground_.loop.settle();
  EXPECT_EQ(endpoint_->counters().unknown, StrayExchange::kMaxQueued + 1);
}

TEST_F(ExchangeTest, WhatComesForAnEndpointThatIsGoneIsDropped) {
  auto exchange = std::make_unique<StrayExchange>(std::vector<Loop*>{&ground_.loop});
  exchange->attach(LoopIndex(0), *endpoint_);
  exchange->pass_on(LoopIndex(0), junk());
  exchange->detach(LoopIndex(0));
  endpoint_.reset();
  exchange->pass_on(LoopIndex(0), junk());
  exchange.reset();
  ground_.loop.settle();
}

TEST_F(ExchangeTest, AStrayIsNotPassedOnTwice) {
  // Two loops that disagree about who is who must not play ping-pong.
  StrayExchange exchange({&ground_.loop, &ground_.loop});
  EndpointSettings settings;
  settings.loops = 2;
  Endpoint first(ground_.loop, ground_.socket(ground_.edge), settings, test_secrets(), ground_.process, 1_MiB, &exchange);
  exchange.attach(LoopIndex(0), first);
  exchange.attach(LoopIndex(1), first);
  std::vector<std::byte> packet(50, std::byte{0x41});  // an id of loop 1
  first.feed_stray({.from = {}, .to = {}, .ecn = net::Ecn::not_ect, .payload = packet});
  ground_.loop.settle();
  EXPECT_EQ(first.counters().strays_passed, 0u);
  EXPECT_EQ(first.counters().unknown, 1u);
}

// ---- a busy socket

Task<void> tick(Loop& loop, int& ticks) {
  for (;;) {
    co_await loop.sleep(1ms);
    ticks++;
  }
}
Task<void> bulk(Loop& loop, Endpoint& endpoint, net::SocketAddress to, bool& intact) {
  Mux connection = co_await dial(endpoint, to);
  if (!connection) co_return;
  intact = co_await echo(loop, *connection, 64'000'000);
}

TEST(BusyLoop, TimersAreServedWhileTheSocketIsSaturated) {
  AsioLoop loop;
  net::RealNetwork network(loop);
  net::MemoryBudget memory{512_MiB, 32_MiB};
  Endpoint server(loop, network.bind(loopback(), {}).value(), {}, test_secrets(), memory, 64_MiB);
  Endpoint client(loop, network.bind(loopback(), {}).value(), {}, test_secrets(), memory, 64_MiB);
  server.serve(test_server());
  Scope tasks(loop);
  tasks.spawn(echo_all(loop, server));
  int ticks = 0;
  tasks.spawn(tick(loop, ticks));
  bool intact = false;
  loop.run(bulk(loop, client, server.local(), intact));
  EXPECT_TRUE(intact);
  // A starved timer would fire once, when all is over. How often it does beyond that is a matter of the machine.
  EXPECT_GT(ticks, 5);
}

}  // namespace
}  // namespace fairlead::quic
