#include "pki/credentials.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "pki/gnutls_raii.h"
#include "pki/identity.h"
#include "pki/link_secrets.h"
#include "pki/test_pki.h"

namespace fairlead::pki {
namespace {

using testing::HasSubstr;

constexpr WallTime kNow = TestPki::kNow;

// One end of TLS 1.3 over two strings. What QUIC and TLS over TCP do with Credentials.
class End {
 public:
  End(unsigned role, std::shared_ptr<const Credentials> credentials, std::string& in, std::string& out)
      : credentials_(std::move(credentials)), in_(in), out_(out) {
    gnutls_session_t raw = nullptr;
    must(gnutls_init(&raw, role | GNUTLS_NONBLOCK), "session");
    session_.reset(raw, gnutls_deinit);
    must(gnutls_priority_set_direct(raw, "NORMAL:-VERS-ALL:+VERS-TLS1.3", nullptr), "priority");
    must(gnutls_credentials_set(raw, GNUTLS_CRD_CERTIFICATE, credentials_->native()), "credentials");
    if (role == GNUTLS_SERVER) gnutls_certificate_server_set_request(raw, GNUTLS_CERT_REQUEST);
    gnutls_transport_set_ptr(raw, this);
    gnutls_transport_set_pull_function(raw, [](gnutls_transport_ptr_t p, void* data, std::size_t size) -> ssize_t {
      End& self = *static_cast<End*>(p);
      if (self.in_.empty()) return gnutls_transport_set_errno(self.session_.get(), EAGAIN), -1;
      size = std::min(size, self.in_.size());
      std::memcpy(data, self.in_.data(), size);
      self.in_.erase(0, size);
      return static_cast<ssize_t>(size);
    });
    gnutls_transport_set_push_function(raw, [](gnutls_transport_ptr_t p, const void* data, std::size_t size) -> ssize_t {
      static_cast<End*>(p)->out_.append(static_cast<const char*>(data), size);
      return static_cast<ssize_t>(size);
    });
  }
  gnutls_session_t session() const { return session_.get(); }

  std::expected<Identity, Refusal> check(const Expectation& expected, const RevocationList& revoked = {}) const {
    unsigned count = 0;
    const gnutls_datum_t* peers = gnutls_certificate_get_peers(session_.get(), &count);
    std::vector<Bytes> chain;
    for (unsigned i = 0; i < count; i++) chain.push_back(from_u8(peers[i].data, peers[i].size));
    return check_peer(chain, credentials_->trust(), expected, revoked, kNow);
  }

 private:
  std::shared_ptr<const Credentials> credentials_;
  std::string& in_;
  std::string& out_;
  std::shared_ptr<gnutls_session_int> session_;
};

struct Pair {
  Pair(std::shared_ptr<const Credentials> edge, std::shared_ptr<const Credentials> cloud, const Secret& ticket_key,
       const std::string& ticket = {})
      : client(GNUTLS_CLIENT, std::move(edge), to_client, to_server), server(GNUTLS_SERVER, std::move(cloud), to_server, to_client) {
    const gnutls_datum_t key = view(as_bytes(ticket_key.reveal()));
    must(gnutls_session_ticket_enable_server(server.session(), &key), "ticket");
    if (!ticket.empty()) must(gnutls_session_set_data(client.session(), ticket.data(), ticket.size()), "resume");
  }
  bool shake() {
    int c = GNUTLS_E_AGAIN, s = GNUTLS_E_AGAIN;
    for (int turn = 0; turn < 20 && (c != 0 || s != 0); turn++) {
      if (c != 0) c = gnutls_handshake(client.session());
      if (s != 0) s = gnutls_handshake(server.session());
    }
    return c == 0 && s == 0;
  }
  std::string ticket() {
    char byte = 0;
    gnutls_record_recv(client.session(), &byte, 1);  // reads the ticket that follows the handshake
    Datum data;
    must(gnutls_session_get_data2(client.session(), data.out()), "ticket");
    return data.text();
  }
  std::string to_client, to_server;
  End client, server;
};

class Handshakes : public testing::TestWithParam<KeyKind> {
 protected:
  TestPki pki{GetParam()};
  LinkSecrets secrets{MasterSecret::generate()};
};

TEST_P(Handshakes, BothSidesKnowEachOther) {
  Pair pair(pki.edge("edge-a"), pki.cloud("cloud.example"), secrets.session_ticket);
  ASSERT_TRUE(pair.shake());
  auto at_cloud = pair.server.check(ExpectEdge{});
  ASSERT_TRUE(at_cloud) << at_cloud.error().message;
  EXPECT_EQ(at_cloud->node->value(), "edge-a");
  auto at_edge = pair.client.check(ExpectCloud{"cloud.example"});
  EXPECT_TRUE(at_edge) << at_edge.error().message;
}

TEST_P(Handshakes, AResumedSessionIsCheckedLikeAFullOne) {
  // The ticket is opened by another replica, which has the same master secret.
  auto edge = pki.edge("edge-a");
  Pair first(edge, pki.cloud("cloud.example"), secrets.session_ticket);
  ASSERT_TRUE(first.shake());
  Pair second(edge, pki.cloud("cloud.example"), secrets.session_ticket, first.ticket());
  ASSERT_TRUE(second.shake());
  ASSERT_NE(gnutls_session_is_resumed(second.server.session()), 0);
  auto at_cloud = second.server.check(ExpectEdge{});
  ASSERT_TRUE(at_cloud) << at_cloud.error().message;
  EXPECT_EQ(at_cloud->node->value(), "edge-a");
  EXPECT_TRUE(second.client.check(ExpectCloud{"cloud.example"}));
  auto revoked = second.server.check(ExpectEdge{}, RevocationList::parse("node edge-a", "revoked").value());
  ASSERT_FALSE(revoked);
  EXPECT_EQ(revoked.error().reason, RefusalReason::revoked);
}

TEST_P(Handshakes, ATicketOfAnotherMasterSecretIsNotResumed) {
  auto edge = pki.edge("edge-a");
  Pair first(edge, pki.cloud("cloud.example"), secrets.session_ticket);
  ASSERT_TRUE(first.shake());
  Pair second(edge, pki.cloud("cloud.example"), LinkSecrets(MasterSecret::generate()).session_ticket, first.ticket());
  ASSERT_TRUE(second.shake());
  EXPECT_EQ(gnutls_session_is_resumed(second.server.session()), 0);
  EXPECT_TRUE(second.server.check(ExpectEdge{}));
}

TEST_P(Handshakes, WrongCaIsSeenByBothSidesAsSuch) {
  TestPki other{GetParam()};
  Pair pair(other.edge("edge-a"), pki.cloud("cloud.example"), secrets.session_ticket);
  ASSERT_TRUE(pair.shake());
  EXPECT_EQ(pair.server.check(ExpectEdge{}).error().reason, RefusalReason::wrong_ca);
  EXPECT_EQ(pair.client.check(ExpectCloud{"cloud.example"}).error().reason, RefusalReason::wrong_ca);
}

TEST_P(Handshakes, AnAnonymousClientIsRefusedForThat) {
  Pair pair(Credentials::anonymous(pki.trust()), pki.cloud("cloud.example"), secrets.session_ticket);
  ASSERT_TRUE(pair.shake());
  EXPECT_EQ(pair.server.check(ExpectEdge{}).error().reason, RefusalReason::no_certificate);
  EXPECT_TRUE(pair.client.check(ExpectCloud{"cloud.example"}));
}

TEST_P(Handshakes, ARotationLeavesRunningSessionsAlone) {
  std::shared_ptr<const Credentials> current = pki.cloud("cloud.example");
  Pair before(pki.edge("edge-a"), current, secrets.session_ticket);
  const Fingerprint old = current->certificate()->fingerprint();
  current = pki.cloud("cloud.example");
  ASSERT_TRUE(before.shake());
  EXPECT_EQ(before.client.check(ExpectCloud{"cloud.example"})->fingerprint, old);
  Pair after(pki.edge("edge-a"), current, secrets.session_ticket);
  ASSERT_TRUE(after.shake());
  EXPECT_EQ(after.client.check(ExpectCloud{"cloud.example"})->fingerprint, current->certificate()->fingerprint());
}

INSTANTIATE_TEST_SUITE_P(Keys, Handshakes, testing::Values(KeyKind::p256, KeyKind::ed25519),
                         [](const auto& kind) { return kind.param == KeyKind::p256 ? "P256" : "Ed25519"; });

TEST(Credentials, OneTrustStoreServesManyThreads) {
  TestPki pki;
  const TrustStore trust = pki.trust();
  const auto edge = pki.edge("edge-a");
  std::atomic<int> let_in = 0;
  auto check = [&] {
    const std::vector<Bytes> chain = {edge->certificate()->der()};
    for (int i = 0; i < 200; i++) let_in += check_peer(chain, trust, ExpectEdge{}, {}, kNow) ? 1 : 0;
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; i++) threads.emplace_back(check);
  threads.clear();
  EXPECT_EQ(let_in, 800);
}

TEST(Credentials, AKeyThatIsNotTheCertificatesIsRefused) {
  TestPki pki;
  auto made = Credentials::make(pki.edge("edge-a")->chain(), PrivateKey::generate(), pki.trust());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message(), "the key is not that of the certificate of \"CN=system:node:edge-a,O=system:nodes\"");
}

TEST(Credentials, AChainIsNeitherEmptyNorTooLong) {
  TestPki pki;
  const PrivateKey key = PrivateKey::generate();
  std::vector<Certificate> chain = {pki.ca.issue_edge(NodeName::parse("a").value(), key.public_key(), kNow).value()};
  EXPECT_EQ(Credentials::make({}, key, pki.trust()).error().message(), "no certificate to show");
  while (chain.size() < kMaxChain) chain.push_back(pki.ca.certificate());
  EXPECT_TRUE(Credentials::make(chain, key, pki.trust()));
  chain.push_back(pki.ca.certificate());
  EXPECT_EQ(Credentials::make(chain, key, pki.trust()).error().code(), Code::too_large);
}

TEST(TrustStore, HoldsOnlyCas) {
  TestPki pki;
  EXPECT_FALSE(TrustStore::from_certificates({}));
  auto store = TrustStore::from_pem(pki.edge("edge-a")->certificate()->to_pem(), "ca.pem");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().describe(), "ca.pem: the certificate of \"CN=system:node:edge-a,O=system:nodes\" is not a CA's");
  EXPECT_EQ(TrustStore::load("/nonexistent/ca.pem").error().describe(), "cannot read /nonexistent/ca.pem: No such file or directory");
}

}  // namespace
}  // namespace fairlead::pki
