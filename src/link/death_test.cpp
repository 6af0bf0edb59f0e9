// A process that dies, at each step of what a session does: the other side knows, all comes back, nothing is left.
#include <gtest/gtest.h>

#include "link/link_world.h"

namespace fairlead::link {
namespace {

Task<void> keep_echoing(LinkWorld& world, std::string node) {
  for (;;) {
    auto got = co_await echo(*world.cloud_link, to_node(node), 3000);
    static_cast<void>(got);
    co_await world.loop.sleep(3ms);
  }
}

// The death comes so long after the first packet: from inside the handshake over hello and flows to their ends.
class Death : public ::testing::TestWithParam<int> {
 protected:
  Duration at() const { return std::chrono::milliseconds(GetParam()); }
  static SessionOptions options() { return {.survive = 20s}; }
};

TEST_P(Death, OfTheEdgeIsKnownAndItComesBack) {
  LinkWorld world({.seed = 1, .rtt = 20ms}, options());
  TestEdge* edge = &world.edge("edge-a");
  Scope traffic(world.loop);
  traffic.spawn(keep_echoing(world, "edge-a"));
  world.loop.run_for(at());
  world.kill(*edge);
  world.loop.run_for(3s);
  // Whatever was under way has failed; nobody is shown as reachable who is dead.
  if (auto session = world.cloud_link->find(NodeName::parse("edge-a").value())) {
    EXPECT_NE(session->state(), SessionState::live) << "killed after " << to_text(at());
  }
  edge = &world.edge("edge-a");
  world.loop.run(edge->link->connected(), 5s);
  EXPECT_TRUE(world.loop.run(echo(*world.cloud_link, to_node("edge-a"), 1000), 5s));
  EXPECT_EQ(world.nodes->connected(), 1u);

  traffic.cancel_now();
  world.loop.run_for(30s);  // the dead one's session would be given up by now
  EXPECT_EQ(world.cloud_link->totals().flows_open, 0u);
  EXPECT_EQ(world.endpoint->connections(), 1u) << "connections of the dead are left";
  EXPECT_EQ(world.cloud->process.used(), 0u);
  EXPECT_EQ(edge->process.used(), 0u);
}

TEST_P(Death, OfTheCloudIsKnownAndTheEdgeComesBack) {
  LinkWorld world({.seed = 1, .rtt = 20ms}, options());
  TestEdge& edge = world.edge("edge-a");
  {
    Scope traffic(world.loop);
    traffic.spawn(keep_echoing(world, "edge-a"));
    world.loop.run_for(at());
  }
  world.restart_cloud();
  world.loop.run_for(world.quic.engine.keep_alive + 6s);
  EXPECT_EQ(world.nodes->connected(), 1u) << "killed after " << to_text(at());
  EXPECT_TRUE(world.loop.run(echo(*world.cloud_link, to_node("edge-a"), 1000), 5s));
  world.loop.run_for(1s);
  EXPECT_EQ(world.endpoint->connections(), 1u);
  EXPECT_EQ(edge.process.used(), 0u);
  EXPECT_EQ(edge.link->totals().flows_open, 0u);
}

INSTANTIATE_TEST_SUITE_P(Milliseconds, Death,
                         ::testing::Values(1, 5, 11, 15, 21, 25, 31, 35, 41, 45, 51, 55, 61, 65, 71, 81, 95, 200, 1000));

}  // namespace
}  // namespace fairlead::link
