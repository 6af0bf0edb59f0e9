#include "plugins/kube/tunnels.h"

#include <gtest/gtest.h>

#include "plugins/kube/connect_answer.h"
#include "plugins/kube/kube_world.h"

namespace fairlead::kube_plugin {
namespace {

class Draining : public KubeWorld {
 protected:
  Draining() {
    kubelet = serve_kubelet();
    quiet = ask("edge-a:10250");
    EXPECT_EQ(read(*quiet), kEstablished);
    quiet_there = accept(*edge.host, *kubelet);
    busy = ask("edge-a:10250");
    EXPECT_EQ(read(*busy), kEstablished);
    busy_there = accept(*edge.host, *kubelet);
    tasks.spawn(talk(world.loop, *busy));
  }
  static Task<void> talk(Loop& loop, net::Stream& stream) {
    for (;;) {
      auto written = co_await stream.write(as_bytes("x"));
      if (!written) co_return;
      co_await loop.sleep(100ms);
    }
  }
  void expect_only_the_quiet_one_ends() {
    const TimePoint before = world.loop.now();
    EXPECT_EQ(read(*quiet), "reset");
    EXPECT_EQ(read(*quiet_there), "reset");
    EXPECT_LT(world.loop.now() - before, 2 * Tunnels::kQuiet + 100ms);
    world.loop.run_for(5s);
    EXPECT_TRUE(read(*busy_there).starts_with("xx"));
    EXPECT_EQ(connect.connections(), 1u);
    tasks.cancel_now();
  }
  std::unique_ptr<net::Listener> kubelet;
  std::unique_ptr<net::Stream> quiet, quiet_there, busy, busy_there;
};

TEST_F(Draining, AnIngressEndsWhatIsQuietAndLeavesWhatIsAtWork) {
  connect.drain();
  expect_only_the_quiet_one_ends();
}

TEST_F(Draining, AnEgressEndsWhatIsQuietAndLeavesWhatIsAtWork) {
  edge_egress.drain();
  edge_egress.drain();
  expect_only_the_quiet_one_ends();
}

}  // namespace
}  // namespace fairlead::kube_plugin
