// Components that end while much is going on, on every loop: nothing is used after it is gone (sanitizers look), nothing hangs.
#include <gtest/gtest.h>
#include <poll.h>

#include "app/component_ground.h"

namespace fairlead::app {
namespace {

constexpr int kFlows = 60;  // enough for flows between any two of three loops

// Flows from users to a service on the edge. The users read nothing, so that there are bytes at every place on the way.
class StalledFlows {
 public:
  StalledFlows(const fs::path& cloud_dir) : service_(listen_somewhere(target_)) {
    ::close(listen_somewhere(entrance_));  // a port that is free
    write(cloud_dir / kRoutesFolder / "t.yaml", rule(entrance_, target_));
    EXPECT_TRUE(until([&] { return add_user(); }));
    while (users_.size() < kFlows && add_user()) {
    }
    EXPECT_EQ(users_.size(), static_cast<std::size_t>(kFlows));
    const std::string much(std::size_t{1} << 20, 'x');
    for (std::size_t i = 0; i < users_.size(); i++) {
      const int fd = ::accept(service_, nullptr, nullptr);
      EXPECT_GE(fd, 0);
      services_.push_back(fd);
      EXPECT_GT(::send(fd, much.data(), much.size(), MSG_NOSIGNAL | MSG_DONTWAIT), 0);
    }
  }
  ~StalledFlows() {
    for (int fd : users_) ::close(fd);
    for (int fd : services_) ::close(fd);
    ::close(service_);
  }

  // Every end sees that it is over.
  void expect_over() {
    for (const auto& ends : {users_, services_})
      for (int fd : ends) {
        char piece[65536];
        ssize_t got = 1;
        while (got > 0) got = ::recv(fd, piece, sizeof piece, 0);
        EXPECT_TRUE(got == 0 || errno != EAGAIN) << "no end within ten seconds";
      }
  }

 private:
  bool add_user() {
    const int fd = connect_to(entrance_);
    if (fd < 0) return false;
    users_.push_back(fd);
    return ::send(fd, "hello", 5, MSG_NOSIGNAL) == 5;
  }

  std::uint16_t target_ = 0, entrance_ = 0;
  int service_;
  std::vector<int> users_, services_;
};

class Stopping : public Running {
 protected:
  void connect_both() {
    start_cloud();
    start_edge();
    ASSERT_TRUE(until([&] { return ready(cloud_dir) && ready(edge_dir); }));
  }
};

TEST_P(Stopping, TheCloudEndsAtOnceInMidTraffic) {
  connect_both();
  StalledFlows flows(cloud_dir);
  cloud->stop();
  stop(cloud, cloud_thread);
  flows.expect_over();
  EXPECT_TRUE(until([&] { return !ready(edge_dir); }));
}

TEST_P(Stopping, TheEdgeEndsAtOnceInMidTraffic) {
  connect_both();
  StalledFlows flows(cloud_dir);
  edge->stop();
  stop(edge, edge_thread);
  flows.expect_over();
}

TEST_P(Stopping, StalledFlowsEndWithTheDrainOfTheCloud) {
  connect_both();
  StalledFlows flows(cloud_dir);
  stop(cloud, cloud_thread);
  flows.expect_over();
}

TEST_P(Stopping, StalledFlowsEndWithTheDrainOfTheEdge) {
  connect_both();
  StalledFlows flows(cloud_dir);
  stop(edge, edge_thread);
  flows.expect_over();
}

TEST_P(Stopping, WhatWasMadeAndNeverRunGoesAway) {
  auto made = CloudApp::make({.dir = cloud_dir, .listen = net::SocketAddress::parse("127.0.0.1:0").value(), .handle_signals = false});
  ASSERT_TRUE(made);
  auto other = EdgeApp::make({.dir = edge_dir, .cloud = net::HostPort{"127.0.0.1", 1}, .labels = {}, .handle_signals = false});
  ASSERT_TRUE(other);
}

TEST_P(Stopping, ACloudThatComesBackHasItsEdgeAgain) {
  connect_both();
  for (int i = 0; i < 3; i++) {
    stop(cloud, cloud_thread);
    ASSERT_TRUE(until([&] { return !ready(edge_dir); }));
    start_cloud();
    ASSERT_TRUE(until([&] { return ready(edge_dir); }));
  }
}

INSTANTIATE_TEST_SUITE_P(Loops, Stopping, ::testing::Values(1, 3));

}  // namespace
}  // namespace fairlead::app
