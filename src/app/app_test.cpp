// A cloud and an edge in one process, on loopback, with real folders, sockets and threads.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "admin/client.h"
#include "app/cloud_app.h"
#include "app/edge_app.h"
#include "pki/folder.h"

namespace fairlead::app {
namespace {

namespace fs = std::filesystem;

WallTime now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

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

void write(const fs::path& file, std::string_view text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

int listen_somewhere(std::uint16_t& port) {
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

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
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

bool ready(const fs::path& dir) {
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

  void start_cloud() {
    cloud = CloudApp::make({.dir = cloud_dir, .listen = net::SocketAddress::parse("127.0.0.1:0").value(), .handle_signals = false}).value();
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

std::string rule(std::uint16_t entrance, std::uint16_t target) {
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
