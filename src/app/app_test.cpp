#include <gtest/gtest.h>

#include "app/component_ground.h"
#include "app/status.h"

namespace fairlead::app {
namespace {

TEST_P(Running, ConnectsCarriesAndEnds) {
  start_cloud();
  start_edge();
  ASSERT_TRUE(until([&] { return ready(cloud_dir) && ready(edge_dir); }));

  std::uint16_t target = 0, entrance = 0;
  const int service = listen_somewhere(target);
  ::close(listen_somewhere(entrance));  // a port that is free
  write(cloud_dir / kRoutesFolder / "t.yaml", rule(entrance, target));
  std::vector<int> clients;
  ASSERT_TRUE(until([&] {
    const int fd = connect_to(entrance);
    if (fd >= 0) clients.push_back(fd);
    return fd >= 0;
  }));
  // More than one, so that with several loops some are moved to the session's loop.
  for (int i = 0; i < 20; i++) clients.push_back(connect_to(entrance));
  for (int fd : clients) {
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::send(fd, "ping", 4, MSG_NOSIGNAL), 4);
  }
  // They may arrive in another order than they were made: some are moved to another loop first.
  for (int fd : clients) {
    const int accepted = ::accept(service, nullptr, nullptr);
    ASSERT_GE(accepted, 0) << admin::get((cloud_dir / kAdminSocket).string(), "/metrics")->body;
    char text[4];
    ASSERT_EQ(::recv(accepted, text, 4, MSG_WAITALL), 4);
    ::close(accepted);
    ::close(fd);
  }
  ::close(service);
  auto metrics = admin::get((cloud_dir / kAdminSocket).string(), "/metrics");
  ASSERT_TRUE(metrics);
  EXPECT_NE(metrics->body.find("fairlead_sessions_accepted_total 1"), std::string::npos) << metrics->body;
  auto status = admin::get((cloud_dir / kAdminSocket).string(), "/v1/status");
  ASSERT_TRUE(status);
  EXPECT_NE(status->body.find(R"("name":"edge-a","connected":true)"), std::string::npos) << status->body;
  EXPECT_TRUE(status_text(status->body));

  stop(cloud, cloud_thread);
  ASSERT_TRUE(until([&] { return !ready(edge_dir); }));
}

TEST_P(Running, ARevokedNodeIsCutOffWithinASecondOrTwo) {
  start_cloud();
  start_edge();
  ASSERT_TRUE(until([&] { return ready(edge_dir); }));
  ASSERT_TRUE(pki::add_revocation(cloud_dir, NodeName::parse("edge-a").value(), "test"));
  ASSERT_TRUE(until([&] { return !ready(edge_dir); }));
  auto status = admin::get((edge_dir / kAdminSocket).string(), "/v1/status");
  ASSERT_TRUE(status);
  EXPECT_NE(status->body.find("revoked"), std::string::npos) << status->body;
}

TEST_P(Running, ASecondProcessOnAFolderIsRefused) {
  start_cloud();
  auto second = CloudApp::make({.dir = cloud_dir, .listen = net::SocketAddress::parse("127.0.0.1:0").value(), .handle_signals = false});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::exists);
}

TEST_P(Running, APortThatWasTakenAtTheStartIsOpenedOnceItIsFree) {
  std::uint16_t target = 0, entrance = 0;
  const int service = listen_somewhere(target);
  const int squatter = listen_somewhere(entrance);
  write(cloud_dir / kRoutesFolder / "t.yaml", rule(entrance, target));
  start_cloud();
  start_edge();
  ASSERT_TRUE(until([&] { return ready(cloud_dir) && ready(edge_dir); }));
  ::close(squatter);
  int client = -1;
  ASSERT_TRUE(until([&] {
    client = connect_to(entrance);
    return client >= 0;
  }));
  ::close(client);
  ::close(service);
}

TEST_P(Running, ABadManifestChangesNothingAndIsShown) {
  write(cloud_dir / kRoutesFolder / "bad.yaml", "kind: Nonsense\n");
  start_cloud();
  ASSERT_TRUE(until([&] { return ready(cloud_dir); }));
  auto status = admin::get((cloud_dir / kAdminSocket).string(), "/v1/status");
  ASSERT_TRUE(status);
  EXPECT_NE(status->body.find("bad.yaml"), std::string::npos) << status->body;
}

INSTANTIATE_TEST_SUITE_P(Loops, Running, ::testing::Values(1, 3));

}  // namespace
}  // namespace fairlead::app
