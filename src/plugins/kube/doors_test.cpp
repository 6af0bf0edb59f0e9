#include "plugins/kube/doors.h"

#include <gtest/gtest.h>

#include "plugins/kube/kube_world.h"

namespace fairlead::kube_plugin {
namespace {

class DoorsOfBothSides : public KubeWorld {
 protected:
  DoorsOfBothSides() {
    edge.host->add_address(ip("169.254.20.1"));
    EXPECT_TRUE(edge_doors
                    .open({{{ip("127.0.0.1"), 6443}, link::Destination::cloud(), kApiServer},
                           {{ip("169.254.20.1"), 6443}, link::Destination::cloud(), kApiServer}})
                    .empty());
    cloud_egress.api_servers().set({{ip("192.0.2.101"), 6443}, {ip("192.0.2.102"), 6443}});
  }
  std::unique_ptr<net::Stream> dial_api(std::string_view at = "127.0.0.1") {
    auto stream = world.loop.run(edge.host->connect({ip(at), 6443}), 10s);
    EXPECT_TRUE(stream);
    return std::move(*stream);
  }
  sim::Host& first = world.net.host("api-1", ip("192.0.2.101"));
  sim::Host& second = world.net.host("api-2", ip("192.0.2.102"));
};

TEST_F(DoorsOfBothSides, AnEdgesClientReachesAnApiServerAtEachAddress) {
  auto one = serve(first, "192.0.2.101", 6443);
  auto two = serve(second, "192.0.2.102", 6443);
  auto kubelet = dial_api();
  write(*kubelet, "hello");
  auto served = accept(first, *one);
  EXPECT_EQ(read(*served), "hello");
  write(*served, "list and watch");
  EXPECT_EQ(read(*kubelet), "list and watch");

  auto pod = dial_api("169.254.20.1");
  write(*pod, "hello");
  auto there = accept(second, *two);
  EXPECT_EQ(read(*there), "hello") << "the one with fewer connections";
}

TEST_F(DoorsOfBothSides, AWatchThatIsQuietForHoursGoesOn) {
  auto one = serve(first, "192.0.2.101", 6443);
  auto watch = dial_api();
  auto served = accept(first, *one);
  world.loop.run_for(3h);
  write(*served, "event");
  EXPECT_EQ(read(*watch), "event");
}

TEST_F(DoorsOfBothSides, AnApiServerThatIsDownIsPassedOver) {
  auto two = serve(second, "192.0.2.102", 6443);
  for (int i = 0; i < 4; i++) {
    const TimePoint before = world.loop.now();
    auto kubelet = dial_api();
    write(*kubelet, "hello");
    auto served = accept(second, *two);
    EXPECT_EQ(read(*served), "hello");
    EXPECT_LT(world.loop.now() - before, 1s);
  }
  EXPECT_TRUE(cloud_egress.api_servers().states()[0].failing);

  // It is back, and is asked again after its rest.
  auto one = serve(first, "192.0.2.101", 6443);
  world.loop.run_for(ApiServers::kRest + 1s);
  auto kubelet = dial_api();
  write(*kubelet, "hello");
  auto served = accept(first, *one);
  EXPECT_EQ(read(*served), "hello");
  EXPECT_FALSE(cloud_egress.api_servers().states()[0].failing);
}

TEST_F(DoorsOfBothSides, AnApiServerThatDoesNotAnswerIsPassedOverInTime) {
  world.net.set_up(*world.cloud_host, first, false);
  auto two = serve(second, "192.0.2.102", 6443);
  const TimePoint before = world.loop.now();
  auto kubelet = dial_api();
  write(*kubelet, "hello");
  auto served = accept(second, *two);
  EXPECT_EQ(read(*served), "hello");
  EXPECT_LT(world.loop.now() - before, ApiServers::kTryFor + 1s);
}

TEST_F(DoorsOfBothSides, WithoutAnApiServerTheClientIsResetAtOnce) {
  auto kubelet = dial_api();
  EXPECT_EQ(read(*kubelet), "reset");
  EXPECT_EQ(edge_doors.counters().refused, 1u);
}

TEST_F(DoorsOfBothSides, WhileTheCloudIsGoneTheClientIsResetAtOnce) {
  world.net.set_up(*world.cloud_host, *edge.host, false);
  world.loop.run_for(world.session.survive + 1min);
  const TimePoint before = world.loop.now();
  auto kubelet = dial_api();
  EXPECT_EQ(read(*kubelet), "reset");
  EXPECT_LT(world.loop.now() - before, 100ms);
}

TEST_F(DoorsOfBothSides, APortOfTheCloudLeadsToItsNodesKubelet) {
  ASSERT_TRUE(cloud_doors
                  .open({{{ip("0.0.0.0"), 20'000}, link::Destination::to(node("edge-a")), kKubelet},
                         {{ip("0.0.0.0"), 20'001}, link::Destination::to(node("edge-b")), kKubelet}})
                  .empty());
  auto kubelet = serve_kubelet();
  auto api = dial(20'000);
  write(*api, "client hello");
  auto served = accept(*edge.host, *kubelet);
  EXPECT_EQ(read(*served), "client hello");
  write(*served, "server hello");
  EXPECT_EQ(read(*api), "server hello");

  auto nobody = dial(20'001);
  EXPECT_EQ(read(*nobody), "reset");

  // A node that is gone takes its door with it, and nobody's connection.
  ASSERT_TRUE(cloud_doors.open({}).empty());
  write(*api, "still there");
  EXPECT_EQ(read(*served), "still there");
  EXPECT_EQ(cloud_doors.listeners(), 0u);
}

}  // namespace
}  // namespace fairlead::kube_plugin
