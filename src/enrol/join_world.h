// join_world.h: for tests: a cloud that takes joins and sessions, and edges that join, in virtual time, with real certificates, real QUIC, a
// real registry on disk and a simulated network between.
#pragma once
#include <gtest/gtest.h>

#include "enrol/adoption.h"
#include "enrol/join_client.h"
#include "enrol/join_server.h"
#include "link/link_world.h"
#include "pki/test_certificates.h"

namespace fairlead::enrol {

inline const Actor kOperator{"operator test", "cli"};
inline NodeName node(std::string_view name) { return NodeName::parse(name).value(); }

// The registry's calls are made at once.
class DeskAtOnce final : public RegistryDesk {
 public:
  explicit DeskAtOnce(Registry& registry) : registry_(registry) {}
  void post(Work work) override { work(registry_); }
  void note(AuditLine line) override { ASSERT_TRUE(registry_.note({&line, 1})); }

 private:
  Registry& registry_;
};

// The cloud's certificate with that of its CA, as load_cloud() has it.
inline std::shared_ptr<const pki::Credentials> with_authority(const pki::TestPki& pki, const pki::Certificate& shown_ca) {
  const pki::PrivateKey key = pki::PrivateKey::generate(pki.kind);
  auto own = pki.ca.issue_server(pki::HostName::parse_all({"cloud.example"}).value(), key.public_key(), pki.now).value();
  return pki::Credentials::make({std::move(own), shown_ca}, key, pki.trust()).value();
}
inline std::shared_ptr<const pki::Credentials> with_authority(const pki::TestPki& pki) { return with_authority(pki, pki.ca.certificate()); }

class JoinWorld {
 public:
  static constexpr std::uint16_t kPort = 8443;

  explicit JoinWorld(const sim::LinkOptions& link = {}, JoinServer::Options options = {})
      : server_options(options),
        loop(link.seed),
        net(loop, link),
        pki(pki::KeyKind::ed25519, loop.wall_now()),
        registry(Registry::open(folder.path()).value()),
        desk(registry),
        issuer(std::make_shared<const Issuing>(Issuing{pki.ca, pki.ca.certificate().to_pem()})),
        cloud_host(net.host("cloud.example", link::ip("192.0.2.1"))) {
    quic.engine.chance = link.seed;
    start_cloud();
  }
  ~JoinWorld() { stop_cloud(); }

  void start_cloud(std::shared_ptr<const pki::Credentials> credentials = nullptr) {
    cloud = std::make_unique<link::TestSide>(loop, credentials ? credentials : with_authority(pki));
    nodes = std::make_unique<link::Nodes>();
    endpoint = make_endpoint(cloud_host, {net::IpAddress(), kPort}, cloud->process);
    endpoint->serve({cloud->trust.credentials(), {std::string(link::CloudLink::kAlpn), std::string(kJoinAlpn)}});
    limiter = std::make_unique<TryLimiter>();
    server = std::make_unique<JoinServer>(
        loop, issuer, desk, cloud->trust, *limiter,
        [this](const NodeName& name, const pki::Fingerprint& key) -> Result<void> {
          retired.emplace_back(name.value() + " " + key.to_text());
          return {};
        },
        server_options);
    cloud_link = std::make_unique<link::CloudLink>(
        loop, LoopIndex(0), *endpoint, *nodes, cloud->trust, cloud->egresses,
        link::CloudLink::Options{
            .software = "test",
            .divert = [this](std::unique_ptr<net::MuxConnection>& c) { return server->take(c); },
            .connected = [this](const pki::Identity& peer,
                                const net::SocketAddress& from) { note_connected(desk, peer, from, loop.wall_now()); }});
    cloud_tasks = std::make_unique<Scope>(loop);
    cloud_tasks->spawn(cloud_link->run());
  }
  void stop_cloud() {
    cloud_tasks.reset();
    cloud_link.reset();
    server.reset();
    endpoint.reset();
    nodes.reset();
    cloud.reset();
  }
  // As kill -9 and a new start do it.
  void restart_cloud() {
    cloud_host.kill();
    stop_cloud();
    start_cloud();
  }

  // An edge's machine. Its address tells it from others.
  struct Edge {
    Edge(sim::Host& at, pki::KeyKind kind) : host(at), key(pki::PrivateKey::generate(kind)) {}
    sim::Host& host;
    net::MemoryBudget process{64_MiB, 4_MiB};
    pki::PrivateKey key;
  };
  Edge& edge(const std::string& name) {
    edges.push_back(std::make_unique<Edge>(net.host(name, link::ip("10.0.0." + std::to_string(edges.size() + 1))), pki.kind));
    return *edges.back();
  }
  std::unique_ptr<quic::Endpoint> make_endpoint(sim::Host& host, const net::SocketAddress& at, net::MemoryBudget& process) {
    quic::EndpointSecrets secrets;
    return std::make_unique<quic::Endpoint>(loop, host.bind(at).value(), quic, secrets, process, 16_MiB);
  }

  JoinToken token(TokenWish wish = {}) { return registry.create_token(wish, kOperator, loop.wall_now()).value(); }
  JoinAsk ask(const Edge& edge, const JoinToken& token, std::string_view name) {
    return {.cloud = {"cloud.example", kPort},
            .token = token,
            .pin = pki.ca.certificate().fingerprint(),
            .node = node(name),
            .key = edge.key,
            .software = "test"};
  }
  MakeEndpoint endpoints(Edge& edge) {
    return [this, &edge](const net::SocketAddress&) -> Result<std::unique_ptr<quic::Endpoint>> {
      return make_endpoint(edge.host, {net::IpAddress(), 0}, edge.process);
    };
  }

  // One try.
  std::expected<Joined, JoinFailure> once(Edge& edge, const JoinAsk& asked) {
    auto from = make_endpoint(edge.host, {net::IpAddress(), 0}, edge.process);
    return loop.run(try_join(loop, *from, {link::ip("192.0.2.1"), asked.cloud.port}, asked));
  }
  JoinCode code_of(Edge& edge, const JoinAsk& asked) {
    auto joined = once(edge, asked);
    if (joined) return JoinCode::ok;
    last_error = joined.error().error.describe();
    return joined.error().refusal ? joined.error().refusal->code : JoinCode::internal;
  }

  TokenRecord record(const JoinToken& token) {
    const auto all = registry.tokens().value();
    return *std::ranges::find_if(all, [&](const TokenRecord& t) { return t.id == token.id(); });
  }
  std::string audit() {
    std::string text;
    const auto lines = registry.audit(1000).value();
    for (const AuditLine& line : lines)
      text += fmt::format("{} | {} | {} | {} | {}\n", line.who, line.from, line.what, line.subject, line.detail);
    return text;
  }

  pki::TestFolder folder;
  JoinServer::Options server_options;
  quic::EndpointSettings quic;
  SimLoop loop;
  sim::Network net;
  pki::TestPki pki;
  Registry registry;
  DeskAtOnce desk;
  Issuer issuer;
  sim::Host& cloud_host;
  std::vector<std::string> retired;
  std::string last_error;
  std::unique_ptr<link::TestSide> cloud;
  std::unique_ptr<link::Nodes> nodes;
  std::unique_ptr<quic::Endpoint> endpoint;
  std::unique_ptr<TryLimiter> limiter;
  std::unique_ptr<JoinServer> server;
  std::unique_ptr<link::CloudLink> cloud_link;
  std::unique_ptr<Scope> cloud_tasks;
  std::vector<std::unique_ptr<Edge>> edges;
};

}  // namespace fairlead::enrol
