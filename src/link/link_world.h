// link_world.h: for tests: a cloud and edges in virtual time, with real certificates, real QUIC and a simulated network between.
// The cloud takes edges over TCP as well. With FAIRLEAD_LINK_TRANSPORT=h2 edges dial that alone: so are tests run that hold for both.
//
//   LinkWorld world({.seed = 7, .rtt = 50ms, .loss = 0.01});
//   TestEdge& edge = world.edge("edge-a");
//   world.loop.run(edge.link->connected());
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/log.h"
#include "h2/endpoint.h"
#include "link/cloud_link.h"
#include "link/edge_link.h"
#include "pki/link_secrets.h"
#include "pki/test_pki.h"
#include "runtime/sim_loop.h"
#include "sim/network.h"

namespace fairlead::link {

inline net::IpAddress ip(std::string_view text) { return net::IpAddress::parse(text).value(); }

// While it lives, log lines come here instead of to standard error.
class CapturedLog {
 public:
  CapturedLog() {
    lines().clear();
    log::capture([](log::Level level, std::string_view component, std::string_view text) {
      static constexpr std::string_view kLevels[] = {"debug", "info", "warn", "error", "off"};
      lines() += fmt::format("{} {}: {}\n", kLevels[static_cast<std::size_t>(level)], component, text);
    });
  }
  ~CapturedLog() { log::capture(nullptr); }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;
  const std::string& text() const { return lines(); }
  bool has(std::string_view part) const { return lines().find(part) != std::string::npos; }

 private:
  static std::string& lines() {
    static std::string all;
    return all;
  }
};

// Answers each flow as the test says, then echoes until the end.
class EchoEgress final : public Egress {
 public:
  explicit EchoEgress(Loop& loop) : loop_(loop) {}
  std::string_view plugin() const override { return "tcp"; }
  Task<void> serve(std::unique_ptr<Flow> flow) override {
    seen.push_back(flow->head().target);
    if (refuse_with) {
      Refusal refusal = *refuse_with;
      auto refusing = flow->refuse(std::move(refusal));
      co_await refusing;
      co_return;
    }
    if (delay > 0ns) co_await loop_.sleep(delay);
    auto accepted = co_await flow->accept();
    if (!accepted) co_return;
    for (;;) {
      auto bytes = co_await flow->peek();
      if (!bytes || bytes->empty()) break;
      const std::size_t n = bytes->size();
      if (!swallow) {
        auto written = co_await flow->write(*bytes);
        if (!written) co_return;
      }
      flow->consume(n);
    }
    static_cast<void>(flow->shut());
    ended++;
  }
  std::vector<std::string> seen;
  std::size_t ended = 0;
  std::optional<Refusal> refuse_with;
  Duration delay{};
  bool swallow = false;  // reads and says nothing

 private:
  Loop& loop_;
};

// One process of a side: what `app` builds for real.
struct TestSide {
  TestSide(Loop& loop, std::shared_ptr<const pki::Credentials> credentials)
      : trust(std::move(credentials), std::make_shared<const pki::RevocationList>()), echo(loop) {
    egresses.add(echo);
  }
  net::MemoryBudget process{256_MiB, 16_MiB};
  Trust trust;
  EchoEgress echo;
  EgressTable egresses;
};

struct TestEdge : TestSide {
  TestEdge(Loop& loop, std::shared_ptr<const pki::Credentials> credentials) : TestSide(loop, std::move(credentials)), tasks(loop) {}
  sim::Host* host = nullptr;
  std::unique_ptr<h2::Endpoint> over_tcp;  // null: there is no fallback
  std::unique_ptr<EdgeLink> link;
  Scope tasks;
};

inline FallbackOptions usual_fallback() {
  const char* transport = std::getenv("FAIRLEAD_LINK_TRANSPORT");
  return {.mode = transport != nullptr && std::string_view(transport) == "h2" ? FallbackMode::only : FallbackMode::off};
}

struct WorldOptions {
  sim::LinkOptions link;
  SessionOptions session;
  quic::EndpointSettings quic;
  std::size_t session_memory = 64_MiB;
  std::size_t greeting = 1024;
  FallbackOptions fallback = usual_fallback();  // of the edges
  h2::EndpointSettings h2 = {};
};

class LinkWorld {
 public:
  static constexpr std::uint16_t kPort = 8443;

  explicit LinkWorld(const WorldOptions& options)
      : loop(options.link.seed),
        net(loop, options.link),
        pki(pki::KeyKind::ed25519, loop.wall_now()),
        session(options.session),
        quic(options.quic),
        session_memory(options.session_memory),
        greeting(options.greeting),
        fallback(options.fallback),
        h2(options.h2) {
    quic.engine.chance = options.link.seed;
    quic.engine.overload_code = h2.engine.overload_code = static_cast<std::uint64_t>(FlowCode::overloaded);
    cloud_host = &net.host("cloud.example", ip("192.0.2.1"));
    start_cloud();
  }
  explicit LinkWorld(const sim::LinkOptions& link = {}, const SessionOptions& session_options = {})
      : LinkWorld(WorldOptions{.link = link, .session = session_options}) {}
  ~LinkWorld() {
    edges.clear();
    stop_cloud();
  }

  void start_cloud(std::shared_ptr<const pki::Credentials> credentials = nullptr) {
    cloud = std::make_unique<TestSide>(loop, credentials ? credentials : pki.cloud("cloud.example"));
    nodes = std::make_unique<Nodes>();
    endpoint = make_endpoint(*cloud_host, {net::IpAddress(), kPort}, cloud->process);
    endpoint->serve({cloud->trust.credentials(), {std::string(CloudLink::kAlpn)}});
    cloud_link = std::make_unique<CloudLink>(loop, LoopIndex(0), *endpoint, *nodes, cloud->trust, cloud->egresses,
                                             CloudLink::Options{.session = session, .software = "test", .greeting = greeting});
    cloud_tasks = std::make_unique<Scope>(loop);
    cloud_tasks->spawn(cloud_link->run());
    over_tcp = std::make_unique<h2::Endpoint>(loop, *cloud_host, h2, cloud->process, session_memory);
    over_tcp->serve({cloud->trust.credentials(), {std::string(CloudLink::kAlpn)}}, cloud_host->listen({net::IpAddress(), kPort}).value());
    cloud_tasks->spawn(cloud_link->run_fallback(*over_tcp));
  }
  void stop_cloud() {
    cloud_tasks.reset();
    cloud_link.reset();
    endpoint.reset();
    over_tcp.reset();
    nodes.reset();
    cloud.reset();
  }
  // As kill -9 and a new start do it: nobody is told.
  void restart_cloud() {
    cloud_host->kill();
    stop_cloud();
    start_cloud();
  }

  TestEdge& edge(const std::string& name, std::shared_ptr<const pki::Credentials> credentials = nullptr, std::uint16_t port = kPort) {
    auto made = std::make_unique<TestEdge>(loop, credentials ? credentials : pki.edge(name));
    made->host = hosts[name] != nullptr ? hosts[name] : &net.host(name, ip("10.0.0." + std::to_string(hosts.size())));
    hosts[name] = made->host;
    TestEdge* side = made.get();
    made->link = std::make_unique<EdgeLink>(
        loop, *made->host,
        [this, side](const net::SocketAddress&) -> Result<std::unique_ptr<quic::Endpoint>> {
          auto made = make_endpoint(*side->host, {net::IpAddress(), 0}, side->process);
          made->renew_sockets_by([side] { return side->host->bind({net::IpAddress(), 0}); });
          return made;
        },
        made->trust, made->egresses,
        EdgeLink::Options{.session = session,
                          .cloud = {"cloud.example", port},
                          .node = NodeName::parse(name).value(),
                          .labels = {{"site", "test"}},
                          .boot = BootId(++boots),
                          .software = "test",
                          .paths = paths});
    if (fallback.mode != FallbackMode::off) {
      made->over_tcp = std::make_unique<h2::Endpoint>(loop, *made->host, h2, made->process, session_memory);
      made->link->set_fallback(*made->over_tcp, fallback);
    }
    made->tasks.spawn(made->link->run());
    edges.push_back(std::move(made));
    return *edges.back();
  }
  void kill(TestEdge& edge) {
    edge.host->kill();
    std::erase_if(edges, [&](auto& e) { return e.get() == &edge; });
  }

  SimLoop loop;
  sim::Network net;
  pki::TestPki pki;
  SessionOptions session;
  quic::EndpointSettings quic;
  std::size_t session_memory, greeting;
  FallbackOptions fallback;
  h2::EndpointSettings h2;
  EdgePaths::Options paths;  // of edges that are made from now on
  sim::Host* cloud_host = nullptr;
  std::unique_ptr<TestSide> cloud;
  std::unique_ptr<Nodes> nodes;
  std::unique_ptr<quic::Endpoint> endpoint;
  std::unique_ptr<h2::Endpoint> over_tcp;
  std::unique_ptr<CloudLink> cloud_link;
  std::unique_ptr<Scope> cloud_tasks;
  std::map<std::string, sim::Host*> hosts;
  std::uint64_t boots = 0;
  std::vector<std::unique_ptr<TestEdge>> edges;

  std::unique_ptr<quic::Endpoint> make_endpoint(sim::Host& host, const net::SocketAddress& at, net::MemoryBudget& process) {
    quic::EndpointSecrets secrets;  // the same for each start, as the cloud's secret.key is
    return std::make_unique<quic::Endpoint>(loop, host.bind(at).value(), quic, secrets, process, session_memory);
  }
};

// Opens a flow to `node` from the cloud, sends `size` bytes, shuts, and reads them back. True if they are the same.
inline Task<void> send_pattern(Flow& flow, std::size_t size) {
  for (std::size_t sent = 0; sent < size;) {
    auto room = co_await flow.prepare();
    if (!room) co_return;
    const std::size_t n = std::min(room->size(), size - sent);
    for (std::size_t i = 0; i < n; i++) (*room)[i] = static_cast<std::byte>((sent + i) * 31 >> 3);
    flow.commit(n);
    sent += n;
  }
  static_cast<void>(flow.shut());
}

inline Task<Result<std::size_t>> read_pattern(Flow& flow) {
  std::size_t got = 0;
  for (;;) {
    auto bytes = co_await flow.peek();
    if (!bytes) co_return std::unexpected(bytes.error());
    if (bytes->empty()) co_return got;
    for (std::size_t i = 0; i < bytes->size(); i++)
      if ((*bytes)[i] != static_cast<std::byte>((got + i) * 31 >> 3)) co_return fail(Code::internal, "byte {} is wrong", got + i);
    got += bytes->size();
    flow.consume(bytes->size());
  }
}

inline Task<FlowResult<std::size_t>> echo(Peers& peers, Destination to, std::size_t size) {
  wire::FlowOpen open{.plugin = "tcp", .backend = "default/echo", .target = "127.0.0.1:7"};
  auto flow = co_await peers.open(std::move(to), std::move(open));
  if (!flow) co_return std::unexpected(flow.error());
  Scope sending((*flow)->loop());
  sending.spawn(send_pattern(**flow, size));
  auto reply = co_await (*flow)->reply();
  if (!reply) co_return std::unexpected(reply.error());
  auto got = co_await read_pattern(**flow);
  if (!got) co_return refuse((*flow)->peer_code(), got.error().describe(), Delivered::maybe);
  co_return *got;
}

// The seeds of a simulation test: FAIRLEAD_SIM_SEEDS of them, or FAIRLEAD_SIM_SEED alone.
inline std::vector<std::uint64_t> sim_seeds(std::uint64_t usual) {
  const auto number = [](const char* name) { return std::getenv(name) != nullptr ? std::strtoull(std::getenv(name), nullptr, 10) : 0; };
  if (const std::uint64_t only = number("FAIRLEAD_SIM_SEED"); only != 0) return {only};
  const std::uint64_t count = number("FAIRLEAD_SIM_SEEDS");
  std::vector<std::uint64_t> seeds(count != 0 ? count : usual);
  std::iota(seeds.begin(), seeds.end(), 1);
  return seeds;
}

inline Destination to_node(std::string_view name) { return Destination::to(NodeName::parse(name).value()); }

}  // namespace fairlead::link
