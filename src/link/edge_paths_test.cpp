// Addresses and interfaces that change under an edge: it moves, its flows go on, and nobody waits for a timer.
#include "link/edge_paths.h"

#include <gtest/gtest.h>

#include "link/link_world.h"

namespace fairlead::link {
namespace {

constexpr Duration kRtt = 50ms;

Task<void> echo_into(Peers& peers, Destination to, std::size_t size, std::optional<bool>& intact) {
  auto got = co_await echo(peers, std::move(to), size);
  intact = got && *got == size;
}

class Paths : public testing::Test {
 protected:
  explicit Paths(const sim::LinkOptions& link = {.seed = 5, .rtt = kRtt, .rate = 50'000'000})
      : world(link), host(world.net.host("edge-a", ip("10.0.0.5"))) {
    world.hosts["edge-a"] = &host;
  }
  void connect() {
    edge = &world.edge("edge-a");
    world.loop.run(edge->link->connected(), 30s);
  }
  void start_flow(std::size_t size = 6'000'000) {
    intact.reset();
    flows.spawn(echo_into(*world.cloud_link, to_node("edge-a"), size, intact));
    world.loop.run_for(500ms);
    ASSERT_FALSE(intact);
  }
  void finish_flow(Duration limit) {
    const TimePoint begun = world.loop.now();
    while (!intact && world.loop.now() - begun < limit) world.loop.run_for(10ms);
    EXPECT_EQ(intact, true) << log.text();
  }
  // From the cloud to the edge and back.
  Duration time_of_echo(Duration limit = 30s) {
    const TimePoint before = world.loop.now();
    EXPECT_TRUE(world.loop.run(echo(*world.cloud_link, to_node("edge-a"), 200), limit));
    return world.loop.now() - before;
  }
  net::IpAddress seen_by_cloud() { return world.cloud_link->status().at(0).address.ip; }
  PathsStatus paths() { return edge->link->status().paths; }
  std::uint64_t moves(MoveReason reason) { return paths().moves[static_cast<std::size_t>(reason)]; }
  std::uint64_t moves() {
    const PathsStatus now = paths();
    return std::accumulate(now.moves.begin(), now.moves.end(), std::uint64_t{0});
  }

  CapturedLog log;
  LinkWorld world;
  sim::Host& host;
  TestEdge* edge = nullptr;
  std::optional<bool> intact;
  Scope flows{world.loop};
};

// ---- as the routing table says

TEST_F(Paths, WithANewAddressInMidFlowTheFlowGoesOnAndTheNextRequestIsQuick) {
  connect();
  start_flow();
  host.change_address(ip("10.0.0.5"), ip("10.0.0.6"));
  EXPECT_LT(time_of_echo(), 300ms);
  EXPECT_EQ(seen_by_cloud(), ip("10.0.0.6"));
  EXPECT_EQ(moves(MoveReason::address), 1u);
  finish_flow(30s);
  EXPECT_EQ(edge->link->totals().sessions, 1u);
}

TEST_F(Paths, WhileNothingIsSaidTheCloudLearnsOfANewAddressAtOnce) {
  connect();
  world.loop.run_for(1s);
  host.change_address(ip("10.0.0.5"), ip("10.0.0.6"));
  world.loop.run_for(EdgePaths::kSettle + kRtt + 5ms);
  EXPECT_EQ(seen_by_cloud(), ip("10.0.0.6"));
  EXPECT_LT(time_of_echo(), 2 * kRtt);
}

TEST_F(Paths, ADefaultRouteByAnotherInterfaceIsFollowedThereAndBack) {
  host.add_device("wwan0", ip("10.1.0.5"));
  connect();
  start_flow();
  host.set_device_up("eth0", false);
  world.loop.run_for(100ms);
  EXPECT_LT(time_of_echo(), 300ms);
  EXPECT_EQ(seen_by_cloud(), ip("10.1.0.5"));
  EXPECT_EQ(paths().route->device, "wwan0");
  host.set_device_up("eth0", true);
  EXPECT_LT(time_of_echo(), 300ms);
  EXPECT_EQ(seen_by_cloud(), ip("10.0.0.5"));  // its socket is bound to no interface, and goes by the first
  finish_flow(30s);
  EXPECT_EQ(moves(MoveReason::interface), 2u);
  EXPECT_EQ(edge->link->totals().sessions, 1u);
}

TEST_F(Paths, WhenTheOnlyInterfaceIsBackTheFlowGoesOnAtOnce) {
  connect();
  start_flow();
  host.set_device_up("eth0", false);
  world.loop.run_for(60s);
  EXPECT_FALSE(paths().route);
  EXPECT_EQ(moves(), 0u);
  host.set_device_up("eth0", true);
  world.loop.run_for(EdgePaths::kSettle + kRtt / 2 + 5ms);  // the cloud hears of it
  EXPECT_LT(time_of_echo(), 800ms);
  EXPECT_EQ(moves(MoveReason::returned), 1u);
  finish_flow(30s);
  EXPECT_EQ(edge->link->totals().sessions, 1u);
}

TEST_F(Paths, ManyChangesAtOnceAreOneMove) {
  connect();
  for (int i = 6; i < 30; i++) host.change_address(ip("10.0.0." + std::to_string(i - 1)), ip("10.0.0." + std::to_string(i)));
  world.loop.run_for(1s);
  EXPECT_EQ(moves(), 1u);
  host.add_address(ip("10.7.7.7"));  // of no use for the cloud
  world.loop.run_for(1s);
  EXPECT_EQ(moves(), 1u);
  EXPECT_LT(time_of_echo(), 2 * kRtt);
}

TEST_F(Paths, AnAddressThatChangesEachSecondNeverEndsTheSession) {
  connect();
  start_flow(3'000'000);
  for (int i = 6; i < 40; i++) {
    host.change_address(ip("10.0.0." + std::to_string(i - 1)), ip("10.0.0." + std::to_string(i)));
    world.loop.run_for(1s);
  }
  finish_flow(30s);
  EXPECT_LT(time_of_echo(), 2 * kRtt);
  EXPECT_EQ(moves(), 34u);
  EXPECT_EQ(edge->link->totals().sessions, 1u);
}

TEST_F(Paths, AnEdgeWithoutANetworkDialsWhenItHasOne) {
  host.set_device_up("eth0", false);
  TestEdge& made = world.edge("edge-a");
  world.loop.run_for(5min);  // it tries each 5 s or so by now
  for (int i = 0; i < 20; i++) {
    host.set_device_up("eth0", true);
    const TimePoint before = world.loop.now();
    world.loop.run(made.link->connected(), 30s);
    EXPECT_LT(world.loop.now() - before, EdgePaths::kSettle + 4 * kRtt) << i;
    host.set_device_up("eth0", false);
    world.loop.run_for(3min);  // the session is given up
    EXPECT_FALSE(made.link->session()) << i;
  }
}

// ---- several uplinks

class Uplinks : public Paths {
 protected:
  Uplinks() {
    host.add_device("wwan0", ip("10.1.0.5"), &world.net.nat(ip("198.51.100.9"), 30s));
    rtt_of_wwan(80ms);
    world.paths.uplinks = {"eth0", "wwan0"};
  }
  void rtt_of_wwan(Duration rtt) { world.net.set_options(*world.cloud_host, host, {.seed = 5, .rtt = rtt, .rate = 50'000'000}, "wwan0"); }
  void rtt_of_eth(Duration rtt, double loss = 0) {
    world.net.set_options(*world.cloud_host, host, {.seed = 5, .rtt = rtt, .loss = loss, .rate = 50'000'000});
  }
  std::string in_use() {
    for (const UplinkStatus& uplink : paths().uplinks)
      if (uplink.in_use) return uplink.device;
    return "none";
  }
};

TEST_F(Uplinks, TheNearerOneIsUsedAndTheOtherIsKeptAlive) {
  connect();
  EXPECT_EQ(in_use(), "eth0");
  world.loop.run_for(5min);
  EXPECT_EQ(in_use(), "eth0");
  EXPECT_EQ(moves(), 0u);
  for (const UplinkStatus& uplink : paths().uplinks) {
    EXPECT_TRUE(uplink.usable && uplink.alive) << uplink.device;
    EXPECT_LT(uplink.rtt - (uplink.device == "eth0" ? kRtt : 80ms), 1ms) << uplink.device;
    EXPECT_EQ(uplink.loss, 0);
  }
}

TEST_F(Uplinks, TheSwitchToAnotherCostsNoRoundTrip) {
  connect();
  world.loop.run_for(1min);
  host.set_device_up("eth0", false);
  world.loop.run_for(EdgePaths::kSettle);
  // What the edge asks now takes one round trip of the other.
  const TimePoint before = world.loop.now();
  ASSERT_TRUE(world.loop.run(echo(*edge->link, Destination::cloud(), 200), 10s));
  EXPECT_LT(world.loop.now() - before, 80ms + 10ms);
  EXPECT_EQ(moves(MoveReason::down), 1u);
}

TEST_F(Uplinks, WhenOneGoesDownInMidFlowTheOtherCarriesOn) {
  connect();
  world.loop.run_for(1min);
  start_flow();
  host.set_device_up("eth0", false);
  world.loop.run_for(EdgePaths::kSettle);
  EXPECT_LT(time_of_echo(), 300ms);
  EXPECT_EQ(seen_by_cloud(), ip("198.51.100.9"));
  EXPECT_EQ(moves(MoveReason::down), 1u);
  finish_flow(30s);
  EXPECT_EQ(edge->link->totals().sessions, 1u);
}

TEST_F(Uplinks, OneThatIsSilentIsLeftWithinASecond) {
  connect();
  world.loop.run_for(1min);
  start_flow();
  world.net.set_up(*world.cloud_host, host, false);  // the interface stays up
  world.loop.run_for(700ms);
  EXPECT_EQ(in_use(), "wwan0");
  EXPECT_EQ(moves(MoveReason::silent), 1u);
  EXPECT_LT(time_of_echo(), 400ms);
  finish_flow(30s);
}

TEST_F(Uplinks, AnIdleOneThatDiesSilentlyIsLeftToo) {
  connect();
  world.net.set_up(*world.cloud_host, host, false);
  world.loop.run_for(6s);  // a keep-alive finds it
  EXPECT_EQ(in_use(), "wwan0");
  EXPECT_LT(time_of_echo(), 300ms);
}

TEST_F(Uplinks, WhenTheCloudItselfIsAwayItStaysWhereItIs) {
  connect();
  start_flow();
  world.net.set_up(*world.cloud_host, host, false);
  world.net.set_up(*world.cloud_host, host, false, "wwan0");
  world.loop.run_for(90s);
  EXPECT_EQ(moves(), 0u);
  world.net.set_up(*world.cloud_host, host, true);
  world.net.set_up(*world.cloud_host, host, true, "wwan0");
  finish_flow(2min);
}

TEST_F(Uplinks, OneThatHasBecomeMuchWorseIsLeftForTheBetterAndNotForALittleBetter) {
  connect();
  world.loop.run_for(1min);
  rtt_of_eth(100ms);
  world.loop.run_for(5min);
  EXPECT_EQ(in_use(), "eth0") << "100 ms against 80";
  rtt_of_eth(200ms);
  world.loop.run_for(3min);
  EXPECT_EQ(in_use(), "wwan0");
  EXPECT_EQ(moves(MoveReason::better), 1u);
  rtt_of_eth(70ms);
  world.loop.run_for(5min);
  EXPECT_EQ(in_use(), "wwan0");
  rtt_of_eth(20ms);
  world.loop.run_for(3min);
  EXPECT_EQ(in_use(), "eth0");
  EXPECT_EQ(moves(), 2u);
}

TEST_F(Uplinks, LossCountsAsWell) {
  connect();
  rtt_of_eth(50ms, 0.3);
  world.loop.run_for(10min);
  EXPECT_EQ(in_use(), "wwan0");
  EXPECT_LE(moves(), 3u);
}

TEST_F(Uplinks, OneThatComesLaterIsTakenUp) {
  host.set_device_up("wwan0", false);
  connect();
  world.loop.run_for(10s);
  EXPECT_FALSE(paths().uplinks.at(1).usable);
  host.set_device_up("wwan0", true);
  world.loop.run_for(200ms);
  EXPECT_TRUE(paths().uplinks.at(1).alive);
  host.set_device_up("eth0", false);
  world.loop.run_for(EdgePaths::kSettle);
  EXPECT_LT(time_of_echo(), 300ms);
}

TEST_F(Uplinks, TheOneThatAnswersIsDialled) {
  world.net.set_up(*world.cloud_host, host, false);
  const TimePoint before = world.loop.now();
  connect();
  EXPECT_EQ(in_use(), "wwan0");
  EXPECT_LT(world.loop.now() - before, 1s);
}

TEST_F(Uplinks, WhereProbesAreNotAnsweredOneThatFallsSilentIsLeftAllTheSame) {
  // A firewall that lets no unknown version pass.
  for (const char* device : {"eth0", "wwan0"})
    world.net.path(host, *world.cloud_host, device).set_filter([](const net::Datagram& d) { return d.payload[1] != std::byte{0x1a}; });
  connect();
  EXPECT_EQ(in_use(), "eth0");
  world.loop.run_for(2min);
  EXPECT_EQ(moves(), 0u);
  start_flow();
  world.net.set_up(*world.cloud_host, host, false);
  world.loop.run_for(3s);
  EXPECT_EQ(in_use(), "wwan0");
  finish_flow(30s);
}

TEST_F(Uplinks, WithoutAnyWayItWaitsForOne) {
  host.set_device_up("eth0", false);
  host.set_device_up("wwan0", false);
  TestEdge& made = world.edge("edge-a");
  world.loop.run_for(1min);
  EXPECT_FALSE(made.link->session());
  host.set_device_up("wwan0", true);
  const TimePoint before = world.loop.now();
  world.loop.run(made.link->connected(), 30s);
  EXPECT_LT(world.loop.now() - before, 2s);
}

}  // namespace
}  // namespace fairlead::link
