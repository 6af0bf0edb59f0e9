// Joins over bad links, cut anywhere, from hostile edges and with hostile clouds.
#include <gmock/gmock.h>

#include "enrol/join_world.h"
#include "link/session.h"
#include "pki/request.h"

namespace fairlead::enrol {
namespace {

using testing::HasSubstr;

Task<Result<Joined>> patient_join(JoinWorld& world, JoinWorld::Edge& edge, const JoinAsk& ask) {
  return join(world.loop, edge.host, world.endpoints(edge), ask);
}

TEST(JoinNetwork, TwentyPercentOfLossDelaysAJoinAndSpendsNothingTwice) {
  link::CapturedLog log;
  for (std::uint64_t seed : link::sim_seeds(30)) {
    SCOPED_TRACE(seed);
    JoinWorld world({.seed = seed, .rtt = 80ms, .loss = 0.2});
    JoinWorld::Edge& edge = world.edge("host-a");
    const JoinToken token = world.token({.uses = 2});
    const JoinAsk ask = world.ask(edge, token, "edge-a");
    auto joined = world.loop.run(patient_join(world, edge, ask), 2min);
    ASSERT_TRUE(joined) << joined.error().describe();
    EXPECT_EQ(world.record(token).uses_left, 1u);
  }
}

// The link is cut `after` the beginning, for longer than a step; everything after that must come out as if nothing had happened.
TEST(JoinNetwork, CutAtAnyMomentItIsRepeatedAndSpendsOneUse) {
  link::CapturedLog log;
  std::size_t repeats = 0;
  for (Duration after = 0ms; after <= 250ms; after += 2ms) {
    SCOPED_TRACE(to_text(after));
    JoinWorld world({.rtt = 40ms});
    JoinWorld::Edge& edge = world.edge("host-a");
    const JoinToken token = world.token({.uses = 2});
    const JoinAsk ask = world.ask(edge, token, "edge-a");
    std::optional<Result<Joined>> joined;
    Scope scope(world.loop);
    WaitQueue done(world.loop);
    scope.spawn(detail::store<Result<Joined>>(patient_join(world, edge, ask), joined, done));
    world.loop.run_for(after);
    world.net.set_up(world.cloud_host, edge.host, false);
    world.loop.run_for(15s);
    world.net.set_up(world.cloud_host, edge.host, true);
    world.loop.run_for(60s);
    ASSERT_TRUE(joined && *joined);
    EXPECT_EQ(world.record(token).uses_left, 1u);
    if (world.server->counters().joined > 1) repeats++;
    world.loop.run_for(30s);
    EXPECT_EQ(world.server->under_way(), 0u) << "nothing is left behind";
  }
  EXPECT_GT(repeats, 0u) << "some cut came between the decision and its answer";
}

TEST(JoinNetwork, EitherSideKilledAtAnyMomentTheNextTryJoinsWithTheSameKey) {
  link::CapturedLog log;
  for (Duration after = 0ms; after <= 200ms; after += 4ms) {
    for (const bool cloud_dies : {false, true}) {
      SCOPED_TRACE(to_text(after) + (cloud_dies ? " cloud" : " edge"));
      JoinWorld world({.rtt = 40ms});
      JoinWorld::Edge& edge = world.edge("host-a");
      const JoinToken token = world.token({.uses = 2});
      const JoinAsk ask = world.ask(edge, token, "edge-a");
      {
        Scope scope(world.loop);
        std::optional<Result<Joined>> joined;
        WaitQueue done(world.loop);
        scope.spawn(detail::store<Result<Joined>>(patient_join(world, edge, ask), joined, done));
        world.loop.run_for(after);
        if (!cloud_dies) edge.host.kill();
        if (cloud_dies) world.restart_cloud();
        if (cloud_dies) world.loop.run_for(40s);
        if (cloud_dies) ASSERT_TRUE(joined && *joined) << "the edge goes on by itself";
      }
      auto again = world.loop.run(patient_join(world, edge, ask), 2min);
      ASSERT_TRUE(again) << again.error().describe();
      EXPECT_EQ(world.record(token).uses_left, 1u);
    }
  }
}

TEST(JoinNetwork, ASilentEdgeIsLetGoOfAfterAStep) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& edge = world.edge("host-a");
  auto from = world.make_endpoint(edge.host, {net::IpAddress(), 0}, edge.process);
  quic::Endpoint::ClientOptions options;
  options.tls.credentials = pki::Credentials::anonymous();
  options.tls.alpn = std::string(kJoinAlpn);
  auto connection = world.loop.run(from->connect({link::ip("192.0.2.1"), JoinWorld::kPort}, std::move(options)));
  ASSERT_TRUE(connection);
  world.loop.run_for(world.server_options.step - 1s);
  EXPECT_FALSE((*connection)->close_state());
  EXPECT_EQ(world.server->under_way(), 1u);
  world.loop.run_for(1s + world.server_options.farewell + 1s);
  ASSERT_TRUE((*connection)->close_state());
  EXPECT_EQ((*connection)->close_state()->code, static_cast<std::uint64_t>(JoinCode::deadline));
  EXPECT_EQ(world.server->under_way(), 0u);
}

// A connection of the join protocol in a test's own hands.
struct RawEdge {
  RawEdge(JoinWorld& w, JoinWorld::Edge& edge) : world(w), endpoint(w.make_endpoint(edge.host, {net::IpAddress(), 0}, edge.process)) {
    quic::Endpoint::ClientOptions options;
    options.tls.credentials = pki::Credentials::anonymous();
    options.tls.alpn = std::string(kJoinAlpn);
    connection = world.loop.run(endpoint->connect({link::ip("192.0.2.1"), JoinWorld::kPort}, std::move(options))).value();
    stream = world.loop.run(connection->accept()).value();
    auto body = world.loop.run(link::read_frame(*stream)).value();
    nonce = decode_join_challenge(body).value().nonce;
  }
  void say(Bytes bytes) { static_cast<void>(world.loop.run(stream->write(bytes))); }
  JoinCode answer() {
    auto body = world.loop.run(link::read_frame(*stream));
    return body ? decode_join_answer(*body).value().code : JoinCode::internal;
  }
  JoinWorld& world;
  std::unique_ptr<quic::Endpoint> endpoint;
  std::unique_ptr<net::MuxConnection> connection;
  std::unique_ptr<net::MuxStream> stream;
  Nonce nonce{};
};

std::string csr(const pki::PrivateKey& key, std::string_view name, const Nonce& nonce) {
  const pki::CertificateRequest request = pki::CertificateRequest::make(key, node(name), to_hex(nonce));
  return std::string(as_text(request.der()));
}

TEST(JoinNetwork, ARequestThatWasMadeForAnotherConnectionIsRefused) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& edge = world.edge("host-a");
  const JoinToken token = world.token();
  RawEdge first(world, edge);
  const std::string copied = csr(edge.key, "edge-a", first.nonce);
  RawEdge second(world, edge);
  second.say(encode(JoinRequest{.token = token.text(), .request = copied}));
  EXPECT_EQ(second.answer(), JoinCode::replayed_request);
  EXPECT_THAT(world.audit(), HasSubstr("REPLAYED_REQUEST"));
  first.say(encode(JoinRequest{.token = token.text(), .request = copied}));
  EXPECT_EQ(first.answer(), JoinCode::ok);
}

TEST(JoinNetwork, ACertificateRequestThatCannotBeIsRefusedAndSpendsNothing) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& edge = world.edge("host-a");
  const JoinToken token = world.token();
  const auto answer_to = [&](const std::function<std::string(const Nonce&)>& request) {
    RawEdge raw(world, edge);
    raw.say(encode(JoinRequest{.token = token.text(), .request = request(raw.nonce)}));
    return raw.answer();
  };
  EXPECT_EQ(answer_to([](const Nonce&) { return std::string(); }), JoinCode::bad_request);
  EXPECT_EQ(answer_to([](const Nonce&) { return std::string(1000, 'x'); }), JoinCode::bad_request);
  EXPECT_EQ(answer_to([&](const Nonce& n) { return csr(edge.key, "edge-a", n).substr(0, 100); }), JoinCode::bad_request);
  EXPECT_EQ(answer_to([&](const Nonce& n) {
              std::string broken = csr(edge.key, "edge-a", n);
              broken.back() = static_cast<char>(broken.back() ^ 1);  // of the signature
              return broken;
            }),
            JoinCode::bad_request);
  EXPECT_EQ(answer_to([](const Nonce&) { return std::string(pki::CertificateRequest::kMaxSize + 1, 'x'); }), JoinCode::bad_request);
  EXPECT_EQ(world.record(token).uses_left, 1u);
}

TEST(JoinNetwork, GarbageAtEachStepHurtsNobodyElse) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& edge = world.edge("host-a");
  const auto garbage = [&](std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::byte& b : bytes) b = static_cast<std::byte>(world.loop.random().below(256));
    return bytes;
  };
  {
    RawEdge raw(world, edge);  // a frame of garbage
    std::vector<std::byte> frame = garbage(41);
    frame[0] = std::byte{40};
    frame[1] = std::byte{0xff};
    raw.say(frame);
    EXPECT_EQ(raw.answer(), JoinCode::bad_request);
  }
  {
    RawEdge raw(world, edge);  // a frame that is too large, before its body
    raw.say(std::array{std::byte{0xbf}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}});
    EXPECT_EQ(raw.answer(), JoinCode::bad_request);
  }
  {
    RawEdge raw(world, edge);  // an end, where a request should be
    static_cast<void>(raw.stream->shut());
    EXPECT_EQ(raw.answer(), JoinCode::bad_request);
  }
  {
    RawEdge raw(world, edge);  // the stream is broken off
    raw.stream->abort(7);
    world.loop.run_for(10s);
    EXPECT_TRUE(raw.connection->close_state());
  }
  {
    RawEdge raw(world, edge);  // streams and datagrams that nobody asked for
    std::vector<std::unique_ptr<net::MuxStream>> streams;
    for (int i = 0; i < 200; i++) {
      auto stream = world.loop.run(raw.connection->open(net::Priority::bulk, world.loop.now() + 1s));
      if (!stream) break;
      const std::vector<std::byte> bytes = garbage(1000);
      static_cast<void>(world.loop.run((*stream)->write(bytes)));
      raw.connection->send_datagram(garbage(500), net::Priority::bulk);
      streams.push_back(*std::move(stream));
    }
    raw.say(encode(JoinRequest{.token = world.token().text(), .request = csr(edge.key, "edge-x", raw.nonce)}));
    EXPECT_EQ(raw.answer(), JoinCode::ok);
  }
  {
    RawEdge raw(world, edge);  // more after the request
    raw.say(encode(JoinRequest{.token = JoinToken::generate().text(), .request = "x"}));
    raw.say(garbage(50'000));
    EXPECT_EQ(raw.answer(), JoinCode::unknown_token);
  }
  JoinWorld::Edge& good = world.edge("host-b");
  EXPECT_EQ(world.code_of(good, world.ask(good, world.token(), "edge-b")), JoinCode::ok);
  world.loop.run_for(30s);
  EXPECT_EQ(world.server->under_way(), 0u);
  EXPECT_EQ(world.cloud->process.used(), 0u);
}

// A cloud of the right CA that answers as the test says.
Task<void> play_cloud(JoinWorld& world, std::vector<std::byte> first, std::vector<std::byte> second) {
  for (;;) {
    auto connection = co_await world.endpoint->accept();
    if (!connection) co_return;
    auto stream = co_await (*connection)->open(net::Priority::control, TimePoint::max());
    if (!stream) continue;
    auto written = co_await (*stream)->write(first);
    if (!written) continue;
    auto body = co_await link::read_frame(**stream);
    if (!body) continue;
    auto answered = co_await (*stream)->write(second);
    if (!answered) continue;
    static_cast<void>((*stream)->shut());
    net::MuxClose how = co_await (*connection)->closed();
    static_cast<void>(how);
  }
}

TEST(JoinNetwork, GarbageFromTheCloudIsAFailureThatIsTriedAgain) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& edge = world.edge("host-a");
  const JoinAsk ask = world.ask(edge, world.token(), "edge-a");
  const pki::PrivateKey other = pki::PrivateKey::generate(pki::KeyKind::ed25519);
  const std::string ca = world.pki.ca.certificate().to_pem();
  const WallTime now = world.loop.wall_now();
  const auto certificate = [&](std::string_view name, const pki::PrivateKey& key) {
    return world.pki.ca.issue_edge(node(name), key.public_key(), now).value().to_pem();
  };
  const pki::TestPki elsewhere(pki::KeyKind::ed25519, now);
  const std::vector<std::byte> challenge = encode(JoinChallenge{});
  const std::vector<std::byte> garbage{std::byte{3}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};
  const std::vector<std::pair<std::vector<std::byte>, std::vector<std::byte>>> scripts = {
      {garbage, {}},
      {challenge, garbage},
      {challenge, encode(JoinAnswer{.certificate_pem = "x", .trust_pem = "y"})},
      {challenge, encode(JoinAnswer{.certificate_pem = certificate("edge-b", edge.key), .trust_pem = ca})},
      {challenge, encode(JoinAnswer{.certificate_pem = certificate("edge-a", other), .trust_pem = ca})},
      {challenge, encode(JoinAnswer{.certificate_pem = certificate("edge-a", edge.key), .trust_pem = elsewhere.ca.certificate().to_pem()})},
  };
  for (const auto& [first, second] : scripts) {
    world.cloud_tasks->cancel_now();
    world.cloud_tasks->spawn(play_cloud(world, first, second));
    auto joined = world.once(edge, ask);
    ASSERT_FALSE(joined);
    EXPECT_FALSE(joined.error().is_final()) << joined.error().error.describe();
  }
}

TEST(JoinNetwork, ASourceOverItsLimitWaitsAndOthersDoNot) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& bad = world.edge("host-bad");
  JoinWorld::Edge& good = world.edge("host-good");
  const JoinAsk ask = world.ask(bad, JoinToken::generate(), "edge-a");
  const std::uint32_t burst = TryLimiter::Options().burst;
  for (std::uint32_t i = 0; i < burst; i++) ASSERT_EQ(world.code_of(bad, ask), JoinCode::unknown_token) << i;
  for (std::uint32_t i = 0; i < 100; i++) EXPECT_EQ(world.code_of(bad, ask), JoinCode::too_many_tries);
  EXPECT_EQ(world.code_of(good, world.ask(good, world.token(), "edge-b")), JoinCode::ok);
  EXPECT_EQ(world.code_of(bad, world.ask(bad, world.token(), "edge-a")), JoinCode::too_many_tries);

  const auto lines = world.registry.audit(1000).value();
  const auto limited = std::ranges::count_if(lines, [](const AuditLine& l) { return l.subject == "TOO_MANY_TRIES"; });
  EXPECT_EQ(limited, 1) << "a flood is one line";

  world.loop.run_for(TryLimiter::Options().refill);
  EXPECT_EQ(world.code_of(bad, world.ask(bad, world.token(), "edge-a")), JoinCode::ok);
}

TEST(JoinNetwork, ManyEdgesBehindOneAddressJoin) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& site = world.edge("host-nat");
  const std::uint32_t edges = 3 * TryLimiter::Options().burst;
  const JoinToken token = world.token({.uses = edges});
  for (std::uint32_t i = 0; i < edges; i++) {
    site.key = pki::PrivateKey::generate(pki::KeyKind::ed25519);
    ASSERT_EQ(world.code_of(site, world.ask(site, token, "edge-" + std::to_string(i))), JoinCode::ok) << i;
  }
}

TEST(JoinNetwork, SilentConnectionsMakeRoomTheLongestFirst) {
  link::CapturedLog log;
  JoinWorld world({}, {.concurrent = 2});
  JoinWorld::Edge& silent = world.edge("host-silent");
  RawEdge one(world, silent), two(world, silent);
  JoinWorld::Edge& edge = world.edge("host-a");
  EXPECT_EQ(world.code_of(edge, world.ask(edge, world.token(), "edge-a")), JoinCode::ok);
  world.loop.run_for(1s);
  ASSERT_TRUE(one.connection->close_state());
  EXPECT_EQ(one.connection->close_state()->code, static_cast<std::uint64_t>(JoinCode::overloaded));
  EXPECT_FALSE(two.connection->close_state());
}

// Keeps what was posted until it is let go of, as a slow disk does.
class SlowDesk final : public RegistryDesk {
 public:
  explicit SlowDesk(RegistryDesk& desk) : desk_(desk) {}
  void post(Work work) override { held_.push_back(std::move(work)); }
  void note(AuditLine line) override { desk_.note(std::move(line)); }
  void let_go() {
    for (Work& work : std::exchange(held_, {})) desk_.post(std::move(work));
  }

 private:
  RegistryDesk& desk_;
  std::vector<Work> held_;
};

TEST(JoinNetwork, WhoComesWhileAllPlacesAreBeingDecidedAboutIsToldToComeAgain) {
  link::CapturedLog log;
  JoinWorld world;
  SlowDesk slow(world.desk);
  world.server = std::make_unique<JoinServer>(world.loop, world.issuer, slow, world.cloud->trust, *world.limiter, nullptr,
                                              JoinServer::Options{.concurrent = 1});
  JoinWorld::Edge& first = world.edge("host-a");
  JoinWorld::Edge& second = world.edge("host-b");
  const JoinAsk ask = world.ask(first, world.token(), "edge-a");
  std::optional<Result<Joined>> joined;
  Scope scope(world.loop);
  WaitQueue done(world.loop);
  scope.spawn(detail::store<Result<Joined>>(patient_join(world, first, ask), joined, done));
  world.loop.run_for(1s);
  EXPECT_EQ(world.code_of(second, world.ask(second, world.token(), "edge-b")), JoinCode::overloaded);
  slow.let_go();
  world.loop.run_for(1s);
  EXPECT_TRUE(joined && *joined);
  scope.cancel_now();
}

}  // namespace
}  // namespace fairlead::enrol
