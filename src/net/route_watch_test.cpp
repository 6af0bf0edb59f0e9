// What the kernel tells of interfaces and routes, in a network namespace of the test's own.
#include "net/route_watch.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <thread>

#include "net/network.h"
#include "net/real_network.h"
#include "runtime/timer.h"

namespace fairlead::net {
namespace {

Task<Result<int>> one_change(RouteWatch& watch) {
  auto change = watch.changed();
  co_await change;
  co_return 1;
}
Task<void> hear(Loop& loop, RouteWatch& watch, Duration limit, bool& heard) {
  auto changed = co_await with_deadline<int>(loop, loop.now() + limit, "hear of a change", one_change(watch));
  heard = changed.has_value();
}

// Each test has a thread of its own, and only that one enters the namespace.
class RouteWatchTest : public testing::Test {
 protected:
  void inside(void (*test)(RouteWatchTest&)) {
    std::thread([&] {
      if (::unshare(CLONE_NEWNET) != 0) {
        allowed_ = false;
        return;
      }
      AsioLoop loop;
      RealNetwork network(loop);
      loop_ = &loop;
      network_ = &network;
      test(*this);
    }).join();
    if (!allowed_) GTEST_SKIP() << "needs the right to make a network namespace";
  }
  // A child of this thread, so in its namespace.
  static bool ip(const std::string& words) { return std::system(("PATH=$PATH:/sbin:/usr/sbin ip " + words).c_str()) == 0; }
  bool heard(RouteWatch& watch, Duration limit) {
    bool heard = false;
    loop_->run(hear(*loop_, watch, limit, heard));
    return heard;
  }
  // Until nothing more is told: one change makes several.
  void settle(RouteWatch& watch) {
    while (heard(watch, 50ms)) {
    }
  }
  Result<LocalRoute> route(const char* to, std::string_view device = {}) {
    return network_->route_to(IpAddress::parse(to).value(), device);
  }

  AsioLoop* loop_ = nullptr;
  RealNetwork* network_ = nullptr;
  bool allowed_ = true;

  static void tells(RouteWatchTest& t) {
    auto watch = t.network_->watch_routes();
    EXPECT_FALSE(t.heard(*watch, 20ms));
    for (const char* change : {"link set lo up", "addr add 192.0.2.7/24 dev lo", "route add 198.51.100.0/24 dev lo",
                               "addr del 192.0.2.7/24 dev lo", "link set lo down"}) {
      ASSERT_TRUE(ip(change)) << change;
      EXPECT_TRUE(t.heard(*watch, 5s)) << change;
      t.settle(*watch);
    }
    // What came while nobody listened is told.
    ASSERT_TRUE(ip("link set lo up"));
    EXPECT_TRUE(t.heard(*watch, 5s));
  }

  static void finds(RouteWatchTest& t) {
    ASSERT_TRUE(ip("link set lo up"));
    EXPECT_FALSE(t.route("203.0.113.1"));
    // Two ends that both are here are enough to have two interfaces with a carrier.
    ASSERT_TRUE(ip("link add one type veth peer name two"));
    ASSERT_TRUE(ip("addr add 10.9.1.2/24 dev one") && ip("addr add 10.9.2.2/24 dev two"));
    ASSERT_TRUE(ip("link set one up") && ip("link set two up"));
    ASSERT_TRUE(ip("route add default via 10.9.1.1 metric 10") && ip("route add default via 10.9.2.1 metric 20"));
    EXPECT_EQ(t.route("203.0.113.1").value(), (LocalRoute{IpAddress::parse("10.9.1.2").value(), "one"}));
    EXPECT_EQ(t.route("203.0.113.1", "two").value(), (LocalRoute{IpAddress::parse("10.9.2.2").value(), "two"}));
    ASSERT_TRUE(ip("route del default via 10.9.1.1"));
    EXPECT_EQ(t.route("203.0.113.1").value().device, "two");
    // The far end is down: the address and its route stay, the carrier is gone.
    ASSERT_TRUE(ip("link set one down"));
    const auto without_carrier = t.route("203.0.113.1", "two");
    ASSERT_FALSE(without_carrier);
    EXPECT_NE(without_carrier.error().describe().find("two"), std::string::npos) << without_carrier.error().describe();
    EXPECT_FALSE(t.route("203.0.113.1"));
    EXPECT_FALSE(t.route("203.0.113.1", "three"));
  }

  static void binds(RouteWatchTest& t) {
    ASSERT_TRUE(ip("link set lo up"));
    EXPECT_TRUE(t.network_->bind({IpAddress(), 0}, {.device = "lo"}));
    const auto nowhere = t.network_->bind({IpAddress(), 0}, {.device = "eth7"});
    ASSERT_FALSE(nowhere);
    EXPECT_NE(nowhere.error().describe().find("eth7"), std::string::npos);
  }
};

TEST_F(RouteWatchTest, TellsOfInterfacesAddressesAndRoutes) { inside(tells); }
TEST_F(RouteWatchTest, FindsTheSourceAndTheInterfaceOrSaysThatThereIsNoWay) { inside(finds); }
TEST_F(RouteWatchTest, ASocketOfAnInterfaceThatIsNotThereIsRefused) { inside(binds); }

}  // namespace
}  // namespace fairlead::net
