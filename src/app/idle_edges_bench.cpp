// idle_edges: many edges that do nothing, in one process, to see what each costs the cloud.
//
//   idle_edges --dir CLOUD-DIR --cloud HOST:PORT [--count 1000]
//
// CLOUD-DIR must have the CA's key: each edge gets a certificate in memory. Prints "ready" when all are connected and stays until its
// standard input ends.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/host.h"
#include "app/version.h"
#include "base/log.h"
#include "link/edge_link.h"
#include "net/real_network.h"
#include "pki/folder.h"
#include "pki/random.h"

namespace fairlead::app {
namespace {

constexpr std::size_t kDialledAtOnce = 50;  // fewer than the cloud takes without asking for a Retry
constexpr std::size_t kSocketBuffer = 64_KiB;

// One edge: its certificate, and a link that is kept up.
class IdleEdge {
 public:
  static Result<std::unique_ptr<IdleEdge>> make(net::RealNetwork& network, const pki::Authority& authority, const net::HostPort& cloud,
                                                std::size_t number, net::MemoryBudget& memory) {
    TRY_ASSIGN(NodeName node, NodeName::parse(fmt::format("idle-{:05}", number)));
    const pki::PrivateKey key = pki::PrivateKey::generate();
    TRY_ASSIGN(pki::Certificate certificate, authority.issue_edge(node, key.public_key(), std::chrono::system_clock::now()));
    TRY_ASSIGN(pki::TrustStore trust, pki::TrustStore::from_certificates({authority.certificate()}));
    TRY_ASSIGN(auto credentials, pki::Credentials::make({std::move(certificate)}, key, std::move(trust)));
    return std::unique_ptr<IdleEdge>(new IdleEdge(network, std::move(credentials), cloud, std::move(node), memory));
  }
  link::EdgeLink& link() { return link_; }
  Loop& loop() { return network_.loop(); }

 private:
  IdleEdge(net::RealNetwork& network, std::shared_ptr<const pki::Credentials> credentials, const net::HostPort& cloud, NodeName node,
           net::MemoryBudget& memory)
      : network_(network),
        memory_(memory),
        trust_(std::move(credentials), std::make_shared<const pki::RevocationList>()),
        link_(network.loop(), network, [this](const net::SocketAddress& to) { return endpoint(to); }, trust_, egresses_,
              {.cloud = cloud, .node = std::move(node), .boot = BootId(pki::random_u64()), .software = software()}) {}

  Result<std::unique_ptr<quic::Endpoint>> endpoint(const net::SocketAddress& to) {
    const net::SocketAddress any{to.ip.is_v4() ? net::IpAddress() : net::IpAddress::v6({}), 0};
    const net::DatagramOptions options{.receive_buffer = kSocketBuffer, .send_buffer = kSocketBuffer};
    TRY_ASSIGN(auto socket, network_.bind(any, options));
    quic::EndpointSecrets secrets;
    pki::random_bytes(secrets.reset);
    return std::make_unique<quic::Endpoint>(network_.loop(), std::move(socket), quic::EndpointSettings{}, secrets, memory_,
                                            memory_.limit());
  }

  net::RealNetwork& network_;
  net::MemoryBudget& memory_;
  link::Trust trust_;
  link::EgressTable egresses_;
  link::EdgeLink link_;
};

using Edges = std::vector<std::unique_ptr<IdleEdge>>;

Task<void> connect_all(Edges& edges, Scope& tasks) {
  for (std::size_t i = 0; i < edges.size() + kDialledAtOnce; i++) {
    if (i < edges.size()) tasks.spawn(edges[i]->link().run());
    if (i >= kDialledAtOnce) co_await edges[i - kDialledAtOnce]->link().connected();
  }
  fmt::print("ready\n");
  std::fflush(stdout);
}

Task<void> leave(Edges& edges) {
  Loop& loop = edges.front()->loop();
  {
    Scope leaving(loop);
    for (auto& edge : edges) leaving.spawn(edge->link().drain(0s, "done"));
    co_await leaving.done();
  }
  co_await loop.sleep(10ms);  // for the last packets
}

void wait_for_end_of_input() {
  char ignored[256];
  while (::read(STDIN_FILENO, ignored, sizeof ignored) > 0) {
  }
}

Result<void> run(const std::string& dir, const net::HostPort& cloud, std::size_t count) {
  TRY_ASSIGN(const pki::Authority authority, pki::load_authority(dir));
  net::MemoryBudget memory(1_GiB, 0);
  AsioLoop loop;
  net::RealNetwork network(loop);
  Edges edges;
  for (std::size_t i = 0; i < count; i++) {
    TRY_ASSIGN(auto edge, IdleEdge::make(network, authority, cloud, i, memory));
    edges.push_back(std::move(edge));
  }
  Scope tasks(loop);
  tasks.spawn(connect_all(edges, tasks));
  std::thread input([&loop] {
    wait_for_end_of_input();
    loop.stop();
  });
  loop.run();
  input.join();
  loop.run(leave(edges));
  return {};
}

}  // namespace
}  // namespace fairlead::app

int main(int argc, char** argv) {
  using namespace fairlead;
  std::string dir, cloud, count = "1000";
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--dir") dir = argv[i + 1];
    if (option == "--cloud") cloud = argv[i + 1];
    if (option == "--count") count = argv[i + 1];
  }
  const auto to = net::HostPort::parse(cloud, 8443);
  const long number = std::strtol(count.c_str(), nullptr, 10);
  if (dir.empty() || !to || number < 1) {
    fmt::print(stderr, "usage: idle_edges --dir CLOUD-DIR --cloud HOST:PORT [--count 1000]\n");
    return 2;
  }
  log::configure(log::Level::warn, log::Format::text);
  app::prepare_process();
  const auto done = app::run(dir, *to, static_cast<std::size_t>(number));
  if (!done) fmt::print(stderr, "idle_edges: {}\n", done.error().describe());
  return done ? 0 : 1;
}
