// Certificates that are replaced while sessions are up.
#include <gtest/gtest.h>

#include <array>

#include "link/link_world.h"

namespace fairlead::link {
namespace {

const NodeName kNode = NodeName::parse("edge-a").value();

struct Renewal : testing::Test {
  LinkWorld world{sim::LinkOptions{.rtt = 20ms}};
  pki::PrivateKey key = pki::PrivateKey::generate(pki::KeyKind::ed25519);

  pki::Certificate certificate(Duration lifetime) {
    return world.pki.ca.issue_edge(kNode, key.public_key(), world.loop.wall_now(), lifetime).value();
  }
  std::shared_ptr<const pki::Credentials> shown(const pki::Certificate& certificate) {
    return pki::Credentials::make({certificate}, key, world.pki.trust()).value();
  }
  bool is_connected() const { return world.nodes->connected() == 1; }
};

TEST_F(Renewal, ASessionLivesAsLongAsTheLatestCertificateOfItsKey) {
  TestEdge& edge = world.edge("edge-a", shown(certificate(1min)));
  world.loop.run(edge.link->connected(), 10s);
  const pki::Certificate later = certificate(10min);
  world.cloud_link->renewed(kNode, later);
  world.loop.run_for(5min);
  world.cloud_link->check_sessions();
  world.loop.run_for(1s);
  EXPECT_TRUE(is_connected());
  EXPECT_EQ(world.cloud_link->counters().accepted, 1u);
  world.loop.run_for(6min);
  world.cloud_link->check_sessions();
  world.loop.run_for(100ms);
  EXPECT_FALSE(is_connected());
}

TEST_F(Renewal, ACertificateOfAnotherKeyKeepsNoSessionAlive) {
  TestEdge& edge = world.edge("edge-a", shown(certificate(1min)));
  world.loop.run(edge.link->connected(), 10s);
  const pki::PrivateKey other = pki::PrivateKey::generate(pki::KeyKind::ed25519);
  world.cloud_link->renewed(kNode, world.pki.ca.issue_edge(kNode, other.public_key(), world.loop.wall_now(), 1h).value());
  world.loop.run_for(2min);
  world.cloud_link->check_sessions();
  world.loop.run_for(100ms);
  EXPECT_FALSE(is_connected());
}

TEST_F(Renewal, ANewCertificateIsShownAtTheNextConnectionInsteadOfATicketOfTheOldOne) {
  TestEdge& edge = world.edge("edge-a", shown(certificate(1h)));
  world.loop.run(edge.link->connected(), 10s);
  world.loop.run_for(1s);
  const pki::Certificate later = certificate(2h);
  edge.trust.replace(shown(later));
  edge.link->session()->end(wire::SessionCode::ok, "once more");
  world.loop.run_for(1s);
  ASSERT_TRUE(is_connected());
  EXPECT_FALSE(edge.link->session()->carrier().resumed());
  EXPECT_EQ(world.cloud_link->find(kNode)->peer().serial, later.serial());
}

TEST_F(Renewal, TheEdgeTakesALaterCertificateOfTheCloudAndNoOther) {
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  const pki::PrivateKey cloud_key = pki::PrivateKey::generate(pki::KeyKind::ed25519);
  const auto issue = [&](const pki::Authority& ca, const std::string& host) {
    return ca.issue_server(pki::HostName::parse_all({host}).value(), cloud_key.public_key(), world.loop.wall_now(), 1h).value();
  };
  const pki::TestPki other(pki::KeyKind::ed25519, world.loop.wall_now());
  const pki::Certificate good = issue(world.pki.ca, "cloud.example"), foreign = issue(other.ca, "cloud.example"),
                         elsewhere = issue(world.pki.ca, "other.example");
  for (const pki::Certificate* bad : {&foreign, &elsewhere}) {
    const std::array<Bytes, 1> chain{bad->der()};
    EXPECT_FALSE(edge.link->cloud_has_renewed(chain));
  }
  EXPECT_FALSE(edge.link->cloud_has_renewed({}));
  const std::array<Bytes, 1> chain{good.der()};
  EXPECT_TRUE(edge.link->cloud_has_renewed(chain));
  EXPECT_EQ(edge.link->session()->peer().serial, good.serial());
}

}  // namespace
}  // namespace fairlead::link
