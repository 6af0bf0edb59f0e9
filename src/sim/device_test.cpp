// Hosts with several interfaces: which one packets take, and what those that are down do.
#include <gtest/gtest.h>

#include "net/testing.h"
#include "runtime/scope.h"
#include "sim/network.h"

namespace fairlead::sim {
namespace {

net::IpAddress ip(const char* text) { return net::IpAddress::parse(text).value(); }

class DeviceTest : public testing::Test {
 protected:
  DeviceTest() { edge.add_device("wwan0", ip("10.1.0.5")); }
  // From which address the cloud sees what `socket` sends, and when; nothing when it does not come within a second.
  std::optional<net::SocketAddress> seen_from(net::DatagramSocket& socket) {
    const std::vector<std::byte> payload = net::pattern(100);
    static_cast<void>(socket.send({.to = {ip("192.0.2.1"), 8443}, .from = {}, .data = payload, .segment = payload.size()}));
    const TimePoint sent = loop.now();
    std::optional<net::SocketAddress> from;
    while (!from && loop.now() - sent < 1s) {
      loop.run_for(1ms);
      at_cloud->receive(10, [&](const net::Datagram& datagram) { from = datagram.from; });
    }
    took = loop.now() - sent;
    return from;
  }

  SimLoop loop{1};
  Network net{loop, {.seed = 1, .rtt = 20ms}};
  Host& cloud = net.host("cloud", ip("192.0.2.1"));
  Host& edge = net.host("edge", ip("10.0.0.5"));
  std::unique_ptr<net::DatagramSocket> at_cloud = cloud.bind({{}, 8443}).value();
  Duration took{};
};

TEST_F(DeviceTest, ASocketOfAnInterfaceUsesItsAddressAndItsPath) {
  net.path(edge, cloud, "wwan0").options().rtt = 200ms;
  auto any = edge.bind({{}, 0}).value();
  auto wwan = edge.bind({{}, 0}, {.device = "wwan0"}).value();
  EXPECT_EQ(seen_from(*any)->ip, ip("10.0.0.5"));
  EXPECT_LE(took, 11ms);
  EXPECT_EQ(seen_from(*wwan)->ip, ip("10.1.0.5"));
  EXPECT_GE(took, 100ms);
  EXPECT_FALSE(edge.bind({{}, 0}, {.device = "eth7"}));
}

TEST_F(DeviceTest, WhatIsBoundToNoneTakesTheFirstThatIsUp) {
  auto any = edge.bind({{}, 0}).value();
  auto eth = edge.bind({{}, 0}, {.device = "eth0"}).value();
  edge.set_device_up("eth0", false);
  EXPECT_EQ(edge.route_to(ip("192.0.2.1")).value(), (net::LocalRoute{ip("10.1.0.5"), "wwan0"}));
  EXPECT_FALSE(edge.route_to(ip("192.0.2.1"), "eth0"));
  EXPECT_EQ(seen_from(*any)->ip, ip("10.1.0.5"));
  EXPECT_FALSE(seen_from(*eth));
  edge.set_device_up("eth0", true);
  EXPECT_EQ(seen_from(*any)->ip, ip("10.0.0.5"));
  EXPECT_EQ(seen_from(*eth)->ip, ip("10.0.0.5"));
}

TEST_F(DeviceTest, WhatIsUnderWayToAnInterfaceThatGoesDownIsLost) {
  auto any = edge.bind({{}, 7000}).value();
  const std::vector<std::byte> payload = net::pattern(10);
  const auto send = [&] { static_cast<void>(at_cloud->send({.to = {ip("10.1.0.5"), 7000}, .from = {}, .data = payload, .segment = 10})); };
  const auto received = [&] {
    loop.run_for(100ms);
    return any->receive(10, [](const net::Datagram&) {});
  };
  send();
  EXPECT_EQ(received(), 1u);
  send();
  edge.set_device_up("wwan0", false);
  EXPECT_EQ(received(), 0u);
}

Task<void> count_changes(net::RouteWatch& watch, int& changes) {
  for (;;) {
    auto change = watch.changed();
    co_await change;
    changes++;
  }
}

TEST_F(DeviceTest, AWatchTellsOfChangesThatCameSinceItLookedLast) {
  auto watch = edge.watch_routes();
  int changes = 0;
  edge.add_address(ip("10.0.0.6"));
  Scope tasks(loop);
  tasks.spawn(count_changes(*watch, changes));
  loop.run_for(1ms);
  EXPECT_EQ(changes, 1);
  edge.change_address(ip("10.0.0.6"), ip("10.0.0.7"));
  edge.set_device_up("wwan0", false);
  loop.run_for(1ms);
  EXPECT_EQ(changes, 2);
  loop.run_for(1s);
  EXPECT_EQ(changes, 2);
}

}  // namespace
}  // namespace fairlead::sim
