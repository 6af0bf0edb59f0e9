// The kube plug-in in a running cloud and edge: real sockets and files.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "app/component_ground.h"

namespace fairlead::app {
namespace {

int connect_to_path(const fs::path& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  timeval limit{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  path.string().copy(to.sun_path, sizeof to.sun_path - 1);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return fd;
  ::close(fd);
  return -1;
}

std::string receive(int fd) {
  char text[1024];
  const ssize_t n = ::recv(fd, text, sizeof text, 0);
  return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : "";
}

class Kube : public Running {
 protected:
  Kube() : kubelet(listen_somewhere(kubelet_port)), api(listen_somewhere(api_port)) {
    ::close(listen_somewhere(entrance));  // a port that is free
    ::close(listen_somewhere(node_port));
    configure_cloud("");
    write(edge_dir / kConfigFile, fmt::format("accessLog: off\ndrain: 1s\nlog: {{level: off}}\nkube:\n  kubelet: 127.0.0.1:{}\n"
                                              "  apiServer: {{listen: [127.0.0.1:{}]}}\n",
                                              kubelet_port, entrance));
  }
  ~Kube() override {
    ::close(kubelet);
    ::close(api);
  }
  void configure_cloud(const std::string& more) {
    write(cloud_dir / kConfigFile,
          fmt::format("loops: {}\naccessLog: off\ndrain: 1s\nlog: {{level: off}}\nkube:\n  apiServers: [127.0.0.1:{}]\n{}", GetParam(),
                      api_port, more));
  }
  fs::path socket() const { return cloud_dir / "connect.sock"; }
  // Sends `text` to `from` and expects it at a connection to `service`.
  void expect_led(int from, int service) {
    ASSERT_GE(from, 0);
    ASSERT_EQ(::send(from, "hello", 5, MSG_NOSIGNAL), 5);
    const int there = ::accept(service, nullptr, nullptr);
    ASSERT_GE(there, 0);
    EXPECT_EQ(receive(there), "hello");
    ::close(there);
    ::close(from);
  }
  std::uint16_t kubelet_port = 0, api_port = 0, entrance = 0, node_port = 0;
  int kubelet, api;
};

TEST_P(Kube, TheApiServersSocketLeadsToTheKubeletOfANamedNode) {
  start_cloud();
  start_edge();
  ASSERT_TRUE(until([&] { return ready(cloud_dir) && ready(edge_dir); }));
  struct stat found{};
  ASSERT_EQ(::stat(socket().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  for (int i = 0; i < 5; i++) {
    const int fd = connect_to_path(socket());
    ASSERT_GE(fd, 0);
    const std::string head = "CONNECT edge-a:10250 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    ASSERT_EQ(::send(fd, head.data(), head.size(), MSG_NOSIGNAL), static_cast<ssize_t>(head.size()));
    EXPECT_EQ(receive(fd), "HTTP/1.1 200 Connection established\r\n\r\n");
    expect_led(fd, kubelet);
  }
}

TEST_P(Kube, ASocketThatADeadCloudLeftBehindIsReplaced) {
  const int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  socket().string().copy(at.sun_path, sizeof at.sun_path - 1);
  ASSERT_EQ(::bind(left, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  ::close(left);
  start_cloud();
  ASSERT_TRUE(until([&] { return ready(cloud_dir); }));
  const int fd = connect_to_path(socket());
  EXPECT_GE(fd, 0);
  ::close(fd);
  stop(cloud, cloud_thread);
  EXPECT_FALSE(fs::exists(socket()));
}

TEST_P(Kube, AnEdgesPortLeadsToTheApiServer) {
  start_cloud();
  start_edge();
  ASSERT_TRUE(until([&] { return ready(cloud_dir) && ready(edge_dir); }));
  for (int i = 0; i < 5; i++) expect_led(connect_to(entrance), api);
  auto status = admin::get((edge_dir / kAdminSocket).string(), "/v1/status");
  ASSERT_TRUE(status);
  EXPECT_NE(status->body.find(fmt::format(R"("address":"127.0.0.1:{}","route":"","open":true)", entrance)), std::string::npos)
      << status->body;
}

TEST_P(Kube, ANodesPortIsTheSameAfterARestartOfTheCloud) {
  configure_cloud(fmt::format("  kubelet: {{mode: node-address, listen: 127.0.0.1, ports: {}-{}}}\n", node_port, node_port + 5));
  start_cloud();
  start_edge();
  ASSERT_TRUE(until([&] { return ready(cloud_dir) && ready(edge_dir); }));
  int fd = -1;
  ASSERT_TRUE(until([&] { return (fd = connect_to(node_port)) >= 0; }));
  expect_led(fd, kubelet);
  stop(cloud, cloud_thread);
  EXPECT_TRUE(fs::exists(cloud_dir / kKubeletPorts));
  start_cloud();
  fd = connect_to(node_port);
  EXPECT_GE(fd, 0) << "from the start, before the node is back";
  ::close(fd);
  ASSERT_TRUE(until([&] { return ready(edge_dir); }));
  for (int i = 0; i < 5; i++) expect_led(connect_to(node_port), kubelet);
}

INSTANTIATE_TEST_SUITE_P(Loops, Kube, ::testing::Values(1, 3));

}  // namespace
}  // namespace fairlead::app
