#include "pki/identity.h"

#include "pki/identity_fixture.h"

namespace fairlead::pki {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST_F(Identities, AnEdgeIsTheNodeThatItsCertificateNames) {
  auto peer = check(edge, pki.trust(), ExpectEdge{});
  ASSERT_TRUE(peer) << peer.error().message;
  EXPECT_EQ(peer->role, Role::edge);
  EXPECT_EQ(peer->node->value(), "edge-a");
  EXPECT_EQ(peer->fingerprint, edge[0].fingerprint());
  EXPECT_EQ(peer->serial, edge[0].serial());
  EXPECT_EQ(peer->not_after, edge[0].not_after());
  EXPECT_EQ(fmt::format("{}", *peer), "node edge-a");
}

TEST_F(Identities, TheLongestNodeNameIsAccepted) {
  const std::string longest(NodeName::kMaxSize, 'a');
  auto peer = check(pki.edge(longest)->chain(), pki.trust(), ExpectEdge{});
  ASSERT_TRUE(peer) << peer.error().message;
  EXPECT_EQ(peer->node->value(), longest);
}

TEST_F(Identities, TheCloudIsTheHostThatWasDialled) {
  auto peer = check(cloud, pki.trust(), ExpectCloud{"Cloud.Example."});
  ASSERT_TRUE(peer) << peer.error().message;
  EXPECT_EQ(peer->role, Role::cloud);
  EXPECT_FALSE(peer->node);
  EXPECT_EQ(peer->host, "cloud.example");
  EXPECT_EQ(fmt::format("{}", *peer), "cloud at cloud.example");
}

TEST_F(Identities, TheCloudMayBeDialledByAddress) {
  for (const auto& [name, dialled, good] : std::vector<std::tuple<std::string, std::string, bool>>{{"192.0.2.7", "192.0.2.7", true},
                                                                                                   {"192.0.2.7", "192.0.2.8", false},
                                                                                                   {"2001:db8::1", "2001:DB8:0:0::1", true},
                                                                                                   {"2001:db8::1", "2001:db8::2", false},
                                                                                                   {"cloud.example", "192.0.2.7", false},
                                                                                                   {"192.0.2.7", "cloud.example", false}}) {
    auto peer = check(pki.cloud(name)->chain(), pki.trust(), ExpectCloud{dialled});
    EXPECT_EQ(peer.has_value(), good) << name << " dialled as " << dialled;
    if (!peer) EXPECT_EQ(peer.error().reason, RefusalReason::wrong_name);
  }
}

TEST_F(Identities, AnAddressThatStandsAmongTheDnsNamesDoesNotCount) {
  const Certificate c = odd({.dns_names = {"192.0.2.7"}, .uses = {GNUTLS_KP_TLS_WWW_SERVER}});
  EXPECT_EQ(refused_cloud({c}, "192.0.2.7").reason, RefusalReason::wrong_name);
}

TEST_F(Identities, AWildcardStandsForOneLabel) {
  const auto chain = pki.cloud("*.example.com")->chain();
  EXPECT_TRUE(check(chain, pki.trust(), ExpectCloud{"a.example.com"}));
  for (const char* host : {"example.com", "a.b.example.com", ".example.com", "a.example.org", "*.example.com.org", ""})
    EXPECT_EQ(refused_cloud(chain, host).reason, RefusalReason::wrong_name) << host;
}

TEST_F(Identities, TheCaItselfIsNoEdgeAndNoCloud) {
  EXPECT_EQ(refused_edge({pki.ca.certificate()}).reason, RefusalReason::wrong_usage);
  Refusal r = refused_cloud({odd({.dns_names = {"cloud.example"}, .uses = {GNUTLS_KP_TLS_WWW_SERVER}, .ca = true})});
  EXPECT_EQ(r.reason, RefusalReason::wrong_usage);
  EXPECT_THAT(r.message, HasSubstr("it is a CA's"));
}

TEST_F(Identities, RolesAreNotExchanged) {
  Refusal server = refused_edge(cloud);
  EXPECT_EQ(server.reason, RefusalReason::wrong_usage);
  EXPECT_EQ(server.alert(), 43);
  EXPECT_EQ(server.message,
            "the certificate of an edge is not for this use: it is a server's, not an edge's: issue the edge a new folder in the cloud "
            "(`fairlead cert "
            "issue`)");
  Refusal client = refused_cloud(edge);
  EXPECT_EQ(client.reason, RefusalReason::wrong_usage);
  EXPECT_THAT(client.for_peer, StartsWith("your certificate is not for this use: it is an edge's, not a cloud's"));
}

TEST_F(Identities, ACertificateWithoutAUseIsForNone) {
  EXPECT_EQ(refused_edge({odd({.common_names = {"system:node:a"}, .organizations = {"system:nodes"}})}).reason, RefusalReason::wrong_usage);
  EXPECT_EQ(refused_cloud({odd({.dns_names = {"cloud.example"}})}).reason, RefusalReason::wrong_usage);
  EXPECT_EQ(refused_cloud({odd({.dns_names = {"cloud.example"}, .uses = {GNUTLS_KP_ANY}})}).reason, RefusalReason::wrong_usage);
}

TEST_F(Identities, AnEdgeMustNameANodeProperly) {
  const std::vector<std::string> nodes = {"system:nodes"};
  const std::vector<Draft> drafts = {
      {.common_names = {"edge-a"}, .organizations = nodes},
      {.common_names = {"system:node:"}, .organizations = nodes},
      {.common_names = {"system:node:Edge_A"}, .organizations = nodes},
      {.common_names = {"system:node:" + std::string(254, 'a')}, .organizations = nodes},
      {.common_names = {"system:node:edge-a"}, .organizations = {"system:masters"}},
      {.common_names = {"system:node:edge-a"}},
      {.common_names = {"system:node:edge-a", "system:node:edge-b"}, .organizations = nodes},
      {.organizations = nodes},
  };
  for (Draft draft : drafts) {
    draft.uses = {GNUTLS_KP_TLS_WWW_CLIENT};
    Refusal r = refused_edge({odd(draft)});
    EXPECT_EQ(r.reason, RefusalReason::wrong_name) << testing::PrintToString(draft.common_names);
    EXPECT_EQ(r.alert(), 49);
    EXPECT_THAT(r.message, StartsWith("the certificate of an edge names no node ("));
    EXPECT_THAT(r.for_peer, StartsWith("your certificate names no node ("));
  }
}

TEST_F(Identities, TheWrongHostTellsTheRightOnes) {
  Refusal r = refused_cloud(cloud, "other.example");
  EXPECT_EQ(r.reason, RefusalReason::wrong_name);
  EXPECT_EQ(r.alert(), 49);
  EXPECT_EQ(r.message,
            "the certificate of the cloud at other.example is for cloud.example, not for other.example: dial one of its names, or issue "
            "the cloud a "
            "certificate that has other.example too");
  EXPECT_EQ(
      r.for_peer,
      "the edge dialled other.example, but your certificate is for cloud.example: have it dial one of these, or add other.example to the "
      "certificate's names");
}

TEST_F(Identities, TheCommonNameIsNoHostName) {
  Refusal r = refused_cloud({odd({.common_names = {"cloud.example"}, .uses = {GNUTLS_KP_TLS_WWW_SERVER}})});
  EXPECT_EQ(r.reason, RefusalReason::wrong_name);
  EXPECT_THAT(r.message, HasSubstr("is for no names"));
}

}  // namespace
}  // namespace fairlead::pki
