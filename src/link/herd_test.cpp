// Many edges that come back at once: nobody is refused, and nobody waits for long.
#include <gtest/gtest.h>

#include "link/link_world.h"

namespace fairlead::link {
namespace {

constexpr std::size_t kEdges = 150;  // a handshake is real work: bench/run-link has the thousand

class Herd : public testing::Test {
 protected:
  Herd() : world({.seed = 9, .rtt = 50ms, .jitter = 10ms, .loss = 0.01}) {
    for (std::size_t i = 0; i < kEdges; i++) {
      const std::string name = fmt::format("edge-{:04}", i);
      world.hosts[name] = &world.net.host(name, ip(fmt::format("10.1.{}.{}", i / 250, i % 250 + 1)));
      world.edge(name);
    }
    until_all_are_back(30s);
    world.loop.run_for(10s);  // sessions that have held
  }
  // How long it took.
  Duration until_all_are_back(Duration limit) {
    const TimePoint begun = world.loop.now();
    while (world.nodes->connected() < kEdges && world.loop.now() - begun < limit) world.loop.run_for(50ms);
    EXPECT_EQ(world.nodes->connected(), kEdges);
    return world.loop.now() - begun;
  }
  void expect_that_nobody_was_refused() {
    EXPECT_EQ(world.endpoint->counters().dropped_half_open, 0u);
    EXPECT_EQ(world.cloud_link->counters().refused_hello + world.cloud_link->counters().refused_identity, 0u);
    EXPECT_EQ(world.cloud_link->counters().accepted, kEdges);
  }

  CapturedLog log;
  LinkWorld world;
};

TEST_F(Herd, AfterARestartOfTheCloudAllAreBackWithinTenSeconds) {
  world.restart_cloud();
  EXPECT_LT(until_all_are_back(60s), 10s);
  expect_that_nobody_was_refused();
}

TEST_F(Herd, AfterAMinuteWithoutACloudAllAreBackSoon) {
  world.cloud_host->kill();
  world.stop_cloud();
  world.loop.run_for(1min);
  world.start_cloud();
  EXPECT_LT(until_all_are_back(2min), 20s);
  expect_that_nobody_was_refused();
}

TEST_F(Herd, AfterAnOutageTheSameSessionsGoOn) {
  for (auto& edge : world.edges) world.net.set_up(*world.cloud_host, *edge->host, false);
  world.loop.run_for(1min);
  for (auto& edge : world.edges) world.net.set_up(*world.cloud_host, *edge->host, true);
  world.loop.run_for(10s);
  std::size_t live = 0;
  for (const SessionStatus& session : world.cloud_link->status()) live += session.state == SessionState::live ? 1 : 0;
  EXPECT_EQ(live, kEdges);
  EXPECT_EQ(world.cloud_link->counters().accepted, kEdges);
}

}  // namespace
}  // namespace fairlead::link
