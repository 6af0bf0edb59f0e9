#include "sim/host.h"

#include <algorithm>

#include "sim/two_hosts.h"

namespace fairlead::sim {
namespace {

using net::Ecn;
using net::SendOutcome;

using HostTest = TwoHosts;

TEST_F(HostTest, ADatagramTakesHalfTheRttAndLoopbackNone) {
  auto far = bound(cloud_, 100);
  auto near = bound(edge_);
  auto own = bound(edge_, 200);
  say(*near, cloud_at(100), "there");
  say(*near, {ip("127.0.0.1"), 200}, "here");
  say(*near, {ip("10.0.0.5"), 200}, "here, too");
  loop_.run_for(1ms);
  std::vector<net::Received> all;
  EXPECT_EQ(net::receive_into(*own, 10, all), 2u);
  EXPECT_EQ(all[0].from.ip, ip("127.0.0.1"));
  EXPECT_EQ(all[1].from.ip, ip("10.0.0.5"));
  loop_.run_until(TimePoint(25ms - 1ns));
  EXPECT_EQ(net::receive_into(*far, 10, all), 0u);
  loop_.run_until(TimePoint(25ms));
  EXPECT_EQ(net::receive_into(*far, 10, all), 1u);
}

TEST_F(HostTest, AFullReceiveBufferDropsAndCounts) {
  auto far = cloud_.bind(cloud_at(100), {.receive_buffer = 10'000}).value();
  auto near = bound(edge_);
  for (int i = 0; i < 100; i++) say(*near, far->local(), std::string(488, 'x'));  // 1000 bytes each with the kernel's own
  EXPECT_EQ(heard(*far).size(), 10u);
  EXPECT_EQ(cloud_.overflowed(), 90u);
  say(*near, far->local(), "room again");
  EXPECT_EQ(heard(*far).size(), 1u);
}

Task<void> wait_until_writable(net::DatagramSocket& socket, bool& writable) {
  co_await socket.writable();
  writable = true;
}

TEST_F(HostTest, HeldSendsWouldBlockUntilTheyAreLetGo) {
  auto socket = bound(edge_);
  edge_.hold_sends(true);
  EXPECT_EQ(say(*socket, cloud_at(1), "x"), SendOutcome::would_block);
  bool writable = false;
  Scope scope(loop_);
  scope.spawn(wait_until_writable(*socket, writable));
  loop_.run_for(1s);
  EXPECT_FALSE(writable);
  edge_.hold_sends(false);
  loop_.run_for(1s);
  EXPECT_TRUE(writable);
  EXPECT_EQ(say(*socket, cloud_at(1), "x"), SendOutcome::sent);
}

TEST_F(HostTest, TheDeviceRefusesWhatIsOverItsMtu) {
  edge_.set_device_mtu(1500);
  auto socket = bound(edge_);
  auto send = [&](std::size_t size) {
    const std::vector<std::byte> data(size);
    return socket->send({.to = cloud_at(1), .from = {}, .ecn = Ecn::ect0, .data = data, .segment = size});
  };
  EXPECT_EQ(send(1472), SendOutcome::sent);
  EXPECT_EQ(send(1473), SendOutcome::too_large);
}

TEST_F(HostTest, SocketsThatShareAPortArePickedByTheirPeer) {
  std::vector<std::unique_ptr<net::DatagramSocket>> group;
  for (int i = 0; i < 4; i++) group.push_back(cloud_.bind(cloud_at(100), {.reuse_port = true}).value());
  EXPECT_EQ(cloud_.bind(cloud_at(100)).error().code(), Code::exists);
  std::vector<std::size_t> shares(4);
  for (int peer = 0; peer < 40; peer++) {
    auto near = bound(edge_);
    for (int i = 0; i < 3; i++) say(*near, cloud_at(100), "x");
    loop_.run_for(100ms);
    for (std::size_t i = 0; i < 4; i++) {
      const std::size_t got = heard(*group[i]).size();
      EXPECT_TRUE(got == 0 || got == 3) << "all of one peer go to one socket";
      shares[i] += got;
    }
  }
  EXPECT_EQ(shares[0] + shares[1] + shares[2] + shares[3], 120u);
  EXPECT_TRUE(std::ranges::all_of(shares, [](std::size_t n) { return n > 0; }));
}

TEST_F(HostTest, AddressesThatAreNotItsOwnCannotBeBound) {
  EXPECT_EQ(cloud_.bind({ip("10.0.0.5"), 1}).error().code(), Code::unreachable);
  EXPECT_EQ(cloud_.listen({ip("10.0.0.5"), 1}).error().code(), Code::unreachable);
  EXPECT_EQ(cloud_.source_for(ip("2001:db8::1")).error().code(), Code::unreachable);
}

TEST_F(HostTest, AnUnknownAddressIsUnreachable) {
  EXPECT_EQ(loop_.run(code_of_connect(edge_, {ip("203.0.113.1"), 80})), Code::unreachable);
  auto socket = bound(edge_);
  EXPECT_EQ(say(*socket, {ip("203.0.113.1"), 80}, "x"), SendOutcome::sent);
}

TEST_F(HostTest, NamesResolve) {
  net_.add_name("cloud.example", {ip("192.0.2.1"), ip("2001:db8::1")});
  EXPECT_EQ(loop_.run(edge_.resolve("cloud")).value(), std::vector{ip("192.0.2.1")});
  EXPECT_EQ(loop_.run(edge_.resolve("cloud.example"))->size(), 2u);
  EXPECT_EQ(loop_.run(edge_.resolve("localhost")).value(), std::vector{ip("127.0.0.1")});
  EXPECT_EQ(loop_.run(edge_.resolve("nowhere")).error().code(), Code::unreachable);
}

TEST_F(HostTest, OtherHostsDoNotChangeWhatHappensOnAPath) {
  auto run = [](bool busy) {
    SimLoop loop(1);
    Network net(loop, {.seed = 5, .rtt = 50ms, .jitter = 9ms, .loss = 0.2});
    Host& other = net.host("other", ip("192.0.2.77"));
    Host& a = net.host("a", ip("192.0.2.1"));
    Host& b = net.host("b", ip("192.0.2.2"));
    auto from = a.bind({}).value();
    auto to = b.bind({{}, 100}).value();
    auto noise = other.bind({}).value();
    for (std::size_t i = 0; i < 200; i++) {
      const net::DatagramBatch one{.to = {ip("192.0.2.2"), 100}, .from = {}, .ecn = Ecn::ect0, .data = as_bytes("x"), .segment = 1};
      from->send(one);
      net::DatagramBatch elsewhere = one;
      elsewhere.to.port = 1;
      if (busy) noise->send(elsewhere);
      loop.run_for(1ms);
    }
    loop.run_for(1s);
    std::vector<net::Received> all;
    net::receive_into(*to, 1000, all);
    return std::pair(all.size(), net.path(a, b).counters().lost);
  };
  EXPECT_EQ(run(false), run(true));
  EXPECT_GT(run(false).second, 0u);
}

}  // namespace
}  // namespace fairlead::sim
