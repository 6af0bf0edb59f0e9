// A join from end to end, and each way in which it is refused.
#include <gmock/gmock.h>

#include "enrol/join_world.h"
#include "pki/request.h"

namespace fairlead::enrol {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Join, GivesACertificateForTheNameThatOpensASession) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& edge = world.edge("host-a");
  const JoinToken token = world.token();
  auto joined = world.once(edge, world.ask(edge, token, "edge-a"));
  ASSERT_TRUE(joined) << joined.error().error.describe();

  auto chain = pki::Certificate::bundle_from_pem(joined->certificate_pem, "test").value();
  EXPECT_EQ(chain.front().common_name(), "system:node:edge-a");
  EXPECT_EQ(joined->trust_pem, world.pki.ca.certificate().to_pem());
  EXPECT_EQ(world.record(token).uses_left, 0u);
  const auto record = world.registry.node(node("edge-a")).value();
  ASSERT_TRUE(record && record->key && record->serial);
  EXPECT_EQ(*record->key, edge.key.public_key().fingerprint());
  EXPECT_EQ(*record->serial, chain.front().serial());
  EXPECT_THAT(world.audit(), HasSubstr("edge | 10.0.0.1:"));
  EXPECT_THAT(world.audit(), HasSubstr("node.join | edge-a | token " + token.id()));
  EXPECT_THAT(world.audit() + log.text(), Not(HasSubstr(token.text().reveal()))) << "a secret";

  link::TestSide side(world.loop, pki::Credentials::make(chain, edge.key, world.pki.trust()).value());
  link::EdgeLink link(
      world.loop, edge.host, [&](const net::SocketAddress& to) { return world.endpoints(edge)(to); }, side.trust, side.egresses,
      link::EdgeLink::Options{.cloud = {"cloud.example", JoinWorld::kPort}, .node = node("edge-a"), .boot = BootId(1), .software = "test"});
  Scope tasks(world.loop);
  tasks.spawn(link.run());
  world.loop.run(link.connected());
  EXPECT_TRUE(world.cloud_link->find(node("edge-a")));
  EXPECT_THAT(world.audit(), Not(HasSubstr("node.adopt")));
  tasks.cancel_now();
}

TEST(Join, EachTokenThatIsNoGoodIsRefusedByItsOwnCode) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& edge = world.edge("host-a");
  const auto refused = [&](const JoinToken& token, JoinCode code, std::string_view sentence) {
    EXPECT_EQ(name(world.code_of(edge, world.ask(edge, token, "edge-a"))), name(code));
    EXPECT_THAT(world.last_error, HasSubstr(std::string(sentence))) << "at the edge";
    EXPECT_THAT(world.last_error, HasSubstr(std::string(mend(code))));
    EXPECT_THAT(world.audit(), HasSubstr(fmt::format("join.refused | {} | ", name(code)))) << "at the cloud";
    EXPECT_THAT(log.text(), HasSubstr(std::string(sentence)));
    EXPECT_FALSE(world.registry.node(node("edge-a")).value()) << "nothing was bound";
  };
  refused(JoinToken::generate(), JoinCode::unknown_token, "has not given out such a token");

  const JoinToken expired = world.token({.lifetime = 1min});
  world.loop.run_for(61s);
  refused(expired, JoinCode::expired_token, "expired at 2026-01-01T00:01:");

  const JoinToken revoked = world.token();
  ASSERT_TRUE(world.registry.revoke_token(revoked.id(), kOperator, world.loop.wall_now()));
  refused(revoked, JoinCode::revoked_token, "was revoked");

  const JoinToken named = world.token({.node = node("edge-b")});
  refused(named, JoinCode::wrong_name, "is for node edge-b, not for edge-a");
  EXPECT_EQ(world.record(named).uses_left, 1u) << "a refused join spends nothing";

  const JoinToken spent = world.token();
  JoinWorld::Edge& other = world.edge("host-b");
  ASSERT_EQ(world.code_of(other, world.ask(other, spent, "edge-b")), JoinCode::ok);
  refused(spent, JoinCode::spent_token, "was used up");
}

TEST(Join, ATokenOfAnotherCloudIsUnknown) {
  link::CapturedLog log;
  JoinWorld world, elsewhere;
  JoinWorld::Edge& edge = world.edge("host-a");
  EXPECT_EQ(world.code_of(edge, world.ask(edge, elsewhere.token(), "edge-a")), JoinCode::unknown_token);
}

TEST(Join, ATokenWithAWrongSecretIsUnknownAndNotSpent) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& edge = world.edge("host-a");
  const JoinToken token = world.token();
  std::string text = token.text().reveal();
  text.back() = text.back() == '0' ? '1' : '0';
  EXPECT_EQ(world.code_of(edge, world.ask(edge, JoinToken::parse(text).value(), "edge-a")), JoinCode::unknown_token);
  EXPECT_EQ(world.record(token).uses_left, 1u);
}

TEST(Join, AnotherCloudThanThePinnedIsToldNothing) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& edge = world.edge("host-a");
  JoinAsk ask = world.ask(edge, world.token(), "edge-a");
  ask.pin = pki::PrivateKey::generate().public_key().fingerprint();
  EXPECT_EQ(world.code_of(edge, ask), JoinCode::wrong_pin);
  EXPECT_THAT(world.last_error, HasSubstr("shows another CA, " + pin_text(world.pki.ca.certificate().fingerprint())));
  world.loop.run_for(1s);
  EXPECT_EQ(world.server->counters().refused + world.server->counters().joined, 0u) << "no request came";
  EXPECT_EQ(world.server->counters().cut, 1u);
  EXPECT_THAT(world.audit(), HasSubstr("join.refused | WRONG_PIN | the edge turned away: the cloud at"));
}

TEST(Join, WhoShowsThePinnedCAButWasNotIssuedByItIsNotTheCloud) {
  JoinWorld world;
  const pki::TestPki impostor(pki::KeyKind::ed25519, world.loop.wall_now());
  JoinWorld::Edge& edge = world.edge("host-a");
  const JoinAsk ask = world.ask(edge, JoinToken::generate(), "edge-a");
  const auto shows = [](const pki::Certificate& own, const pki::Certificate& authority) {
    return std::vector{std::vector(own.der().begin(), own.der().end()), std::vector(authority.der().begin(), authority.der().end())};
  };
  const WallTime now = world.loop.wall_now();
  const pki::Certificate& authority = world.pki.ca.certificate();
  EXPECT_FALSE(check_cloud(shows(*world.pki.cloud()->certificate(), authority), ask, now));
  EXPECT_EQ(check_cloud(shows(*impostor.cloud()->certificate(), authority), ask, now)->code, JoinCode::wrong_ca);
  EXPECT_EQ(check_cloud(shows(*impostor.cloud()->certificate(), impostor.ca.certificate()), ask, now)->code, JoinCode::wrong_pin);
  EXPECT_EQ(check_cloud(shows(*world.pki.cloud("elsewhere.example")->certificate(), authority), ask, now)->code, JoinCode::wrong_ca);
  EXPECT_EQ(check_cloud({}, ask, now)->code, JoinCode::wrong_pin);
  EXPECT_EQ(check_cloud({{std::byte{1}}}, ask, now)->code, JoinCode::wrong_pin);
}

TEST(Join, AnEdgeOfThePinnedCACannotPlayTheCloud) {
  link::CapturedLog log;
  JoinWorld world;
  const pki::PrivateKey key = pki::PrivateKey::generate(world.pki.kind);
  auto own = world.pki.ca.issue_edge(node("evil"), key.public_key(), world.pki.now).value();
  world.cloud_host.kill();
  world.stop_cloud();
  world.start_cloud(pki::Credentials::make({own, world.pki.ca.certificate()}, key, world.pki.trust()).value());
  JoinWorld::Edge& edge = world.edge("host-a");
  EXPECT_EQ(world.code_of(edge, world.ask(edge, world.token(), "edge-a")), JoinCode::wrong_ca);
}

TEST(Join, ANameThatIsBoundToAnotherKeyIsTaken) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& first = world.edge("host-a");
  JoinWorld::Edge& thief = world.edge("host-b");
  ASSERT_EQ(world.code_of(first, world.ask(first, world.token(), "edge-a")), JoinCode::ok);
  const JoinToken token = world.token();
  EXPECT_EQ(world.code_of(thief, world.ask(thief, token, "edge-a")), JoinCode::name_taken);
  EXPECT_EQ(world.record(token).uses_left, 1u);
  EXPECT_EQ(*world.registry.node(node("edge-a")).value()->key, first.key.public_key().fingerprint());

  ASSERT_TRUE(world.registry.forget_node(node("edge-a"), "disk died", kOperator, world.loop.wall_now()));
  EXPECT_EQ(world.code_of(thief, world.ask(thief, token, "edge-a")), JoinCode::ok) << "forgotten: free for the next";
  EXPECT_TRUE(world.retired.empty());
}

TEST(Join, ATokenForANameBindsItToANewKeyAndPutsTheOldOneOut) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& before = world.edge("host-a");
  JoinWorld::Edge& after = world.edge("host-b");
  ASSERT_EQ(world.code_of(before, world.ask(before, world.token(), "edge-a")), JoinCode::ok);
  EXPECT_EQ(world.code_of(after, world.ask(after, world.token({.node = node("edge-a")}), "edge-a")), JoinCode::ok);
  EXPECT_EQ(world.retired, std::vector{"edge-a " + before.key.public_key().fingerprint().to_text()});
  EXPECT_EQ(*world.registry.node(node("edge-a")).value()->key, after.key.public_key().fingerprint());
}

TEST(Join, ARevokedNameOrKeyStaysOut) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& edge = world.edge("host-a");
  const auto revoke = [&](const std::string& line) {
    world.cloud->trust.replace(std::make_shared<const pki::RevocationList>(pki::RevocationList::parse(line, "revoked").value()));
  };
  const JoinToken token = world.token();
  revoke("node edge-a\n");
  EXPECT_EQ(world.code_of(edge, world.ask(edge, token, "edge-a")), JoinCode::revoked_node);
  revoke("fingerprint " + edge.key.public_key().fingerprint().to_text() + "\n");
  EXPECT_EQ(world.code_of(edge, world.ask(edge, token, "edge-b")), JoinCode::revoked_node);
  revoke("\n");
  EXPECT_EQ(world.code_of(edge, world.ask(edge, token, "edge-b")), JoinCode::ok);
  ASSERT_TRUE(world.registry.set_revoked(node("edge-b"), true, "stolen", kOperator, world.loop.wall_now()));
  EXPECT_EQ(world.code_of(edge, world.ask(edge, world.token(), "edge-b")), JoinCode::revoked_node);
}

// A node that was off when its certificate expired, with no policy that lets it in.
struct Late {
  Late() {
    world.issuer.replace(std::make_shared<const Issuing>(Issuing{world.pki.ca, world.pki.ca.certificate().to_pem(), 1h}));
    EXPECT_TRUE(world.once(edge, world.ask(edge, world.token(), "edge-a")));
    world.loop.run_for(3h);
  }
  JoinCode come(const JoinWorld::Edge& with) {
    JoinAsk ask = world.ask(with, world.token(), "edge-a");
    ask.token.reset();
    ask.trust = world.pki.trust();
    return world.code_of(edge, ask);
  }
  void order(std::string_view name, std::optional<Duration> lasts) {
    std::optional<WallTime> until;
    if (lasts) until = world.loop.wall_now() + *lasts;
    ASSERT_TRUE(world.registry.set_late_until(node(name), until, "", kOperator, world.loop.wall_now()));
  }
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& edge = world.edge("host-a");
};

TEST(Join, AnOrderRenewsOneNodeThatIsLateUntilItsTimeIsOver) {
  Late late;
  EXPECT_EQ(late.come(late.edge), JoinCode::too_late);
  JoinWorld::Edge& other = late.world.edge("host-b");
  ASSERT_TRUE(late.world.once(other, late.world.ask(other, late.world.token(), "edge-b")));
  late.order("edge-b", 1h);
  EXPECT_EQ(late.come(late.edge), JoinCode::too_late) << "the order is for another";
  late.order("edge-a", 1h);
  EXPECT_EQ(late.come(late.edge), JoinCode::ok);
  EXPECT_EQ(late.come(late.edge), JoinCode::ok) << "its answer may have been lost";
  EXPECT_EQ(late.come(other), JoinCode::name_taken) << "its key alone";
  late.world.loop.run_for(2h);
  EXPECT_EQ(late.come(late.edge), JoinCode::too_late);
  EXPECT_THAT(late.world.last_error, testing::HasSubstr("fairlead node renew-grace"));
  late.order("edge-a", 1h);
  late.order("edge-a", std::nullopt);
  EXPECT_EQ(late.come(late.edge), JoinCode::too_late) << "taken back";
  EXPECT_THAT(late.world.audit(), testing::HasSubstr("node.renew-late | edge-a"));
}

TEST(Join, AnOrderDoesNotBringARevokedNodeBack) {
  Late late;
  late.order("edge-a", 1h);
  ASSERT_TRUE(late.world.registry.set_revoked(node("edge-a"), true, "stolen", kOperator, late.world.loop.wall_now()));
  EXPECT_EQ(late.come(late.edge), JoinCode::revoked_node);
}

TEST(Join, ACloudWithoutTheCAsKeySaysSo) {
  link::CapturedLog log;
  JoinWorld world;
  world.issuer.replace(std::make_shared<const Issuing>(Issuing{std::nullopt, world.pki.ca.certificate().to_pem()}));
  JoinWorld::Edge& edge = world.edge("host-a");
  const JoinToken token = world.token();
  EXPECT_EQ(world.code_of(edge, world.ask(edge, token, "edge-a")), JoinCode::no_authority);
  EXPECT_EQ(world.record(token).uses_left, 1u);
}

TEST(Join, AnEdgeWhoseClockIsBehindIsToldOfItsClock) {
  link::CapturedLog log;
  JoinWorld world;
  // Made tomorrow, as an edge sees it whose clock stands in the past: nothing of that cloud is valid yet.
  const pki::TestPki tomorrow(pki::KeyKind::ed25519, world.loop.wall_now() + 24h);
  world.cloud_host.kill();
  world.stop_cloud();
  world.start_cloud(with_authority(tomorrow));
  JoinWorld::Edge& edge = world.edge("host-a");
  JoinAsk ask = world.ask(edge, world.token(), "edge-a");
  ask.pin = tomorrow.ca.certificate().fingerprint();
  EXPECT_EQ(world.code_of(edge, ask), JoinCode::wrong_time);
  EXPECT_FALSE(is_final(JoinCode::wrong_time)) << "the clock may be set meanwhile";
  EXPECT_THAT(world.last_error, HasSubstr("2026-01-01")) << "what this machine's says";
  EXPECT_THAT(world.last_error, HasSubstr("the cloud's clock says 2026-01-01"));
}

TEST(Join, TheSameKeyWithTheSameTokenAgainSpendsNothing) {
  link::CapturedLog log;
  JoinWorld world;
  JoinWorld::Edge& edge = world.edge("host-a");
  const JoinToken token = world.token({.uses = 2});
  for (int i = 0; i < 3; i++) EXPECT_EQ(world.code_of(edge, world.ask(edge, token, "edge-a")), JoinCode::ok);
  EXPECT_EQ(world.record(token).uses_left, 1u);
  world.loop.run_for(2h);
  EXPECT_EQ(world.code_of(edge, world.ask(edge, token, "edge-a")), JoinCode::ok) << "the token has expired meanwhile";
  EXPECT_EQ(world.code_of(edge, world.ask(edge, token, "edge-b")), JoinCode::expired_token) << "another name is no repeat";
  world.loop.run_for(24h);
  EXPECT_EQ(world.code_of(edge, world.ask(edge, token, "edge-a")), JoinCode::expired_token) << "nobody repeats for so long";
}

Task<void> join_into(JoinWorld& world, JoinWorld::Edge& edge, const JoinAsk& ask, std::vector<std::string>& results) {
  auto from = world.make_endpoint(edge.host, {net::IpAddress(), 0}, edge.process);
  const net::SocketAddress to{link::ip("192.0.2.1"), JoinWorld::kPort};
  auto joined = co_await try_join(world.loop, *from, to, ask);
  results.emplace_back(joined ? "OK" : joined.error().refusal ? name(joined.error().refusal->code) : joined.error().error.message());
}

TEST(Join, OfTwoAtTheSameInstantWithOneTokenOneComesIn) {
  link::CapturedLog log;
  JoinWorld world({.rtt = 20ms});
  const JoinToken token = world.token();
  JoinWorld::Edge& a = world.edge("host-a");
  JoinWorld::Edge& b = world.edge("host-b");
  const JoinAsk ask_a = world.ask(a, token, "edge-a"), ask_b = world.ask(b, token, "edge-b");
  std::vector<std::string> results;
  Scope scope(world.loop);
  scope.spawn(join_into(world, a, ask_a, results));
  scope.spawn(join_into(world, b, ask_b, results));
  world.loop.run(scope.done());
  EXPECT_THAT(results, testing::UnorderedElementsAre("OK", "SPENT_TOKEN"));
  EXPECT_EQ(world.registry.nodes().value().size(), 1u);
}

TEST(Join, TwoThatWantOneNameAtTheSameInstantDoNotBothGetIt) {
  link::CapturedLog log;
  JoinWorld world({.rtt = 20ms});
  const JoinToken token = world.token({.uses = 2});
  JoinWorld::Edge& a = world.edge("host-a");
  JoinWorld::Edge& b = world.edge("host-b");
  const JoinAsk ask_a = world.ask(a, token, "edge-a"), ask_b = world.ask(b, token, "edge-a");
  std::vector<std::string> results;
  Scope scope(world.loop);
  scope.spawn(join_into(world, a, ask_a, results));
  scope.spawn(join_into(world, b, ask_b, results));
  world.loop.run(scope.done());
  EXPECT_THAT(results, testing::UnorderedElementsAre("OK", "NAME_TAKEN"));
  EXPECT_EQ(world.record(token).uses_left, 1u);
}

}  // namespace
}  // namespace fairlead::enrol
