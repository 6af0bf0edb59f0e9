// component_ground.h: a cloud and an edge in one process, on loopback, with real folders, sockets and threads, for tests.
#pragma once
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "admin/client.h"
#include "app/cloud_app.h"
#include "app/edge_app.h"
#include "pki/folder.h"

namespace fairlead::app {

namespace fs = std::filesystem;

inline WallTime now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

// Asks until `holds`, at most ten seconds: for what other threads bring about.
template <class Condition>
bool until(Condition holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/fairlead-app-test-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

inline void write(const fs::path& file, std::string_view text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

inline int listen_somewhere(std::uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  timeval limit{10, 0};  // a test fails, it does not hang
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), size), 0);
  EXPECT_EQ(::listen(fd, 100), 0);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  port = ntohs(at.sin_port);
  return fd;
}

inline int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  timeval limit{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

inline bool ready(const fs::path& dir) {
  auto answer = admin::get((dir / kAdminSocket).string(), "/readyz");
  return answer && answer->status == 200;
}

class Running : public ::testing::TestWithParam<int> {
 protected:
  Running() {
    cloud_dir = folder / "cloud";
    edge_dir = folder / "edge";
    EXPECT_TRUE(pki::init_cloud_folder(cloud_dir, pki::HostName::parse_all({"127.0.0.1"}).value(), now()));
    EXPECT_TRUE(pki::issue_edge_folder(cloud_dir, NodeName::parse("edge-a").value(), edge_dir, now()));
    write(cloud_dir / kConfigFile, fmt::format("loops: {}\naccessLog: off\ndrain: 1s\nlog: {{level: off}}\n", GetParam()));
    write(edge_dir / kConfigFile, "accessLog: off\ndrain: 1s\nlog: {level: off}\n");
  }
  ~Running() override {
    stop(cloud, cloud_thread);
    stop(edge, edge_thread);
  }

  // At the port that it had before, if it had one.
  void start_cloud() {
    const net::SocketAddress at{net::IpAddress::loopback_v4(), link.port};
    cloud = CloudApp::make({.dir = cloud_dir, .listen = at, .handle_signals = false}).value();
    link = cloud->link_address();
    cloud_thread = std::thread([this] { cloud->run(); });
  }
  void start_edge() {
    edge = EdgeApp::make({.dir = edge_dir, .cloud = net::HostPort{"127.0.0.1", link.port}, .labels = {}, .handle_signals = false}).value();
    edge_thread = std::thread([this] { edge->run(); });
  }
  template <class App>
  void stop(std::unique_ptr<App>& app, std::thread& thread) {
    if (!app) return;
    app->stop();
    thread.join();
    app.reset();
  }

  Folder folder;
  fs::path cloud_dir, edge_dir;
  net::SocketAddress link;
  std::unique_ptr<CloudApp> cloud;
  std::unique_ptr<EdgeApp> edge;
  std::thread cloud_thread, edge_thread;
};

inline std::string rule(std::uint16_t entrance, std::uint16_t target) {
  return fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: front}}
spec:
  gatewayClassName: fairlead
  addresses: [{{value: 127.0.0.1}}]
  listeners: [{{name: t, port: {}, protocol: TCP}}]
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: {{name: t}}
spec:
  parentRefs: [{{name: front}}]
  rules: [{{backendRefs: [{{group: fairlead.dev, kind: Backend, name: t}}]}}]
---
apiVersion: fairlead.dev/v1alpha1
kind: Backend
metadata: {{name: t}}
spec:
  location: {{nodeName: edge-a}}
  targets: [{{address: 127.0.0.1, port: {}}}]
)",
                     entrance, target);
}

}  // namespace fairlead::app
