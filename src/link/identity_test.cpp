// Who may not connect, and that both sides are told why.
#include <gtest/gtest.h>

#include "base/log.h"
#include "link/link_world.h"

namespace fairlead::link {
namespace {

std::string logged;  // all lines of the test

class LinkIdentity : public ::testing::Test {
 protected:
  LinkIdentity() {
    logged.clear();
    log::capture([](log::Level, std::string_view, std::string_view text) { logged += std::string(text) + "\n"; });
  }
  ~LinkIdentity() override { log::capture(nullptr); }

  // The edge must not get in; its own status and the cloud's log say why.
  void expect_refusal(LinkWorld& world, TestEdge& edge, std::string_view at_edge, std::string_view at_cloud) {
    world.loop.run_for(5s);
    EXPECT_EQ(world.nodes->connected(), 0u);
    EXPECT_EQ(edge.link->session(), nullptr);
    EXPECT_NE(edge.link->status().last_error.find(at_edge), std::string::npos) << edge.link->status().last_error;
    EXPECT_NE(logged.find(at_cloud), std::string::npos) << logged;
  }
};

TEST_F(LinkIdentity, AnEdgeOfAnotherCaIsRefused) {
  LinkWorld world({.rtt = 20ms});
  pki::TestPki other(pki::KeyKind::ed25519, world.loop.wall_now());
  const pki::PrivateKey key = pki::PrivateKey::generate(pki::KeyKind::ed25519);
  auto certificate =
      other.ca.issue_edge(NodeName::parse("edge-a").value(), key.public_key(), world.loop.wall_now(), pki::kEdgeLifetime).value();
  // It trusts this cloud, so that it is the cloud that refuses.
  auto credentials = pki::Credentials::make({certificate}, key, world.pki.trust()).value();
  TestEdge& edge = world.edge("edge-a", credentials);
  expect_refusal(world, edge, "does not trust the CA of your certificate", "is from another CA");
}

TEST_F(LinkIdentity, ACloudOfAnotherCaIsRefused) {
  LinkWorld world({.rtt = 20ms});
  pki::TestPki other(pki::KeyKind::ed25519, world.loop.wall_now());
  const pki::PrivateKey key = pki::PrivateKey::generate(pki::KeyKind::ed25519);
  auto certificate =
      world.pki.ca.issue_edge(NodeName::parse("edge-a").value(), key.public_key(), world.loop.wall_now(), pki::kEdgeLifetime).value();
  TestEdge& edge = world.edge("edge-a", pki::Credentials::make({certificate}, key, other.trust()).value());
  expect_refusal(world, edge, "is from another CA", "does not trust the CA of your certificate");
}

TEST_F(LinkIdentity, AnExpiredEdgeIsRefused) {
  LinkWorld world({.rtt = 20ms});
  TestEdge& edge = world.edge("edge-a", world.pki.edge("edge-a", 1min));
  world.loop.run(edge.link->connected(), 10s);
  world.kill(edge);
  auto old = world.pki.edge("edge-a", 1min);
  world.loop.run_for(10min);
  TestEdge& late = world.edge("edge-a", old);
  expect_refusal(world, late, "your certificate expired at", "expired at");
}

TEST_F(LinkIdentity, AnEdgeThatIsNotYetValidIsRefused) {
  LinkWorld world({.rtt = 20ms});
  const pki::PrivateKey key = pki::PrivateKey::generate(pki::KeyKind::ed25519);
  const WallTime tomorrow = world.loop.wall_now() + 24h;
  auto certificate = world.pki.ca.issue_edge(NodeName::parse("edge-a").value(), key.public_key(), tomorrow, pki::kEdgeLifetime).value();
  TestEdge& edge = world.edge("edge-a", pki::Credentials::make({certificate}, key, world.pki.trust()).value());
  expect_refusal(world, edge, "your certificate is valid only from", "is valid only from");
}

TEST_F(LinkIdentity, AnExpiredCloudIsRefused) {
  LinkWorld world({.rtt = 20ms});
  world.stop_cloud();
  world.start_cloud(world.pki.cloud("cloud.example", 1min));
  world.loop.run_for(10min);
  TestEdge& edge = world.edge("edge-a");
  expect_refusal(world, edge, "the certificate of the cloud at cloud.example expired at", "your certificate expired at");
}

TEST_F(LinkIdentity, AnEdgesCertificateIsNoClouds) {
  LinkWorld world({.rtt = 20ms});
  world.stop_cloud();
  world.start_cloud(world.pki.edge("edge-b"));
  TestEdge& edge = world.edge("edge-a");
  expect_refusal(world, edge, "it is an edge's, not a cloud's", "your certificate is not for this use");
}

TEST_F(LinkIdentity, ACertificateThatExpiresEndsItsSession) {
  LinkWorld world({.rtt = 20ms});
  TestEdge& edge = world.edge("edge-a", world.pki.edge("edge-a", 1min));
  world.loop.run(edge.link->connected(), 10s);
  world.loop.run_for(2min);
  world.cloud_link->check_sessions();
  expect_refusal(world, edge, "expired", "expired");
}

TEST_F(LinkIdentity, ACloudUnderAnotherNameIsRefused) {
  LinkWorld world({.rtt = 20ms});
  world.stop_cloud();
  world.start_cloud(world.pki.cloud("other.example"));
  TestEdge& edge = world.edge("edge-a");
  expect_refusal(world, edge, "cloud.example", "the edge dialled cloud.example");
}

TEST_F(LinkIdentity, ACloudsCertificateIsNoEdges) {
  LinkWorld world({.rtt = 20ms});
  TestEdge& edge = world.edge("edge-a", world.pki.cloud("cloud.example"));
  expect_refusal(world, edge, "your certificate is not for this use", "it is a server's, not an edge's");
  EXPECT_GT(world.cloud_link->counters().refused_identity, 0u);
}

TEST_F(LinkIdentity, ARevokedNodeIsRefusedAndCutOff) {
  LinkWorld world({.rtt = 20ms});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  auto list = pki::RevocationList::parse("node edge-a # left on a train\n", "revoked").value();
  world.cloud->trust.replace(std::make_shared<const pki::RevocationList>(std::move(list)));
  world.cloud_link->check_sessions();
  // It comes back with its session ticket at once, and is refused again: the check does not depend on a full handshake.
  expect_refusal(world, edge, "has revoked your certificate", "is revoked");
  EXPECT_GT(world.cloud_link->counters().refused_identity, 0u);
}

// Writes until the flow is over; its packets leave every few milliseconds.
Task<void> write_on(Loop& loop, Peers& peers, bool& over) {
  wire::FlowOpen open{.plugin = "tcp", .backend = "default/echo", .target = "127.0.0.1:7"};
  auto flow = co_await peers.open(Destination::cloud(), std::move(open));
  if (!flow) co_return;
  const std::vector<std::byte> some(500);
  for (;;) {
    auto written = co_await (*flow)->write(some);
    if (!written) break;
    co_await loop.sleep(3ms);
  }
  over = true;
}

// The edge's packets come from another address from 0 ms on, and it is revoked some time before or after: while its old path is in use,
// while packets of both are under way, while the new one is being validated, and after. Nothing of it is served from that moment on, and
// neither the migrated session nor the next tries (with its ticket) bring it back.
TEST_F(LinkIdentity, ARevokedNodeDoesNotComeBackFromAnotherAddress) {
  for (int revoked_at = -30; revoked_at <= 90; revoked_at += 4) {
    LinkWorld world({.rtt = 20ms});
    world.cloud->echo.swallow = true;
    sim::Nat& nat = world.net.nat(ip("198.51.100.9"));
    TestEdge& edge = world.edge("edge-a");
    edge.host->set_nat(nat);
    world.loop.run(edge.link->connected(), 10s);
    bool over = false;
    edge.tasks.spawn(write_on(world.loop, *edge.link, over));
    world.loop.run_for(1s);
    ASSERT_EQ(world.cloud_link->totals().flows_open, 1u);

    const auto revoke = [&] {
      auto list = pki::RevocationList::parse("node edge-a\n", "revoked").value();
      world.cloud->trust.replace(std::make_shared<const pki::RevocationList>(std::move(list)));
      world.cloud_link->check_sessions();
    };
    if (revoked_at < 0) {
      revoke();
      world.loop.run_for(std::chrono::milliseconds(-revoked_at));
      nat.rebind();
    } else {
      nat.rebind();
      world.loop.run_for(std::chrono::milliseconds(revoked_at));
      revoke();
    }
    world.loop.run_for(0ms);
    EXPECT_EQ(world.nodes->connected(), 0u) << revoked_at;
    EXPECT_EQ(world.cloud_link->totals().flows_open, 0u) << revoked_at;
    const std::size_t served = world.cloud->echo.seen.size();
    world.loop.run_for(60s);
    EXPECT_TRUE(over) << revoked_at;
    EXPECT_EQ(world.nodes->connected(), 0u) << revoked_at;
    EXPECT_EQ(world.cloud_link->counters().accepted, 1u) << revoked_at;
    EXPECT_EQ(world.cloud->echo.seen.size(), served) << revoked_at;
    EXPECT_EQ(edge.link->session(), nullptr) << revoked_at;
    EXPECT_NE(edge.link->status().last_error.find("has revoked your certificate"), std::string::npos) << edge.link->status().last_error;
  }
}

TEST_F(LinkIdentity, ANodeThatIsRevokedBeforeItComesIsRefused) {
  LinkWorld world({.rtt = 20ms});
  auto credentials = world.pki.edge("edge-a");
  const std::string line = "fingerprint " + credentials->certificate()->fingerprint().to_text() + "\n";
  world.cloud->trust.replace(std::make_shared<const pki::RevocationList>(pki::RevocationList::parse(line, "revoked").value()));
  TestEdge& edge = world.edge("edge-a", credentials);
  expect_refusal(world, edge, "has revoked your certificate", "is revoked");
}

// Each of these comes back by a session ticket, for which TLS asks for no certificate.
TEST_F(LinkIdentity, AResumedSessionIsCheckedAsAnyOther) {
  for (const bool revoked : {false, true}) {
    LinkWorld world({.rtt = 20ms});
    TestEdge& edge = world.edge("edge-a");
    world.loop.run(edge.link->connected(), 10s);
    world.loop.run_for(1s);
    if (revoked) {
      auto list = pki::RevocationList::parse("node edge-a\n", "revoked").value();
      world.cloud->trust.replace(std::make_shared<const pki::RevocationList>(std::move(list)));
    }
    edge.link->session()->end(wire::SessionCode::ok, "once more");
    world.loop.run_for(130ms + 60ms);  // the first try, whatever it waits
    if (revoked) {
      EXPECT_EQ(edge.link->session(), nullptr);
      EXPECT_EQ(world.cloud_link->counters().accepted, 1u);
      EXPECT_GE(world.cloud_link->counters().refused_identity, 1u);
    } else {
      ASSERT_TRUE(edge.link->session());
      EXPECT_TRUE(edge.link->session()->carrier().resumed());
      EXPECT_TRUE(world.cloud_link->find(NodeName::parse("edge-a").value())->carrier().resumed());
    }
  }
}

TEST_F(LinkIdentity, ANodeMayNotCallItselfAnother) {
  LinkWorld world({.rtt = 20ms});
  TestEdge& edge = world.edge("edge-a", world.pki.edge("edge-b"));
  expect_refusal(world, edge, "its certificate says \"edge-b\"", "its certificate says \"edge-b\"");
}

}  // namespace
}  // namespace fairlead::link
