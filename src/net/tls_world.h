// tls_world.h: two simulated hosts and TLS between them, with peers that do what no good one does. For tests only.
#pragma once
#include <gtest/gtest.h>

#include <functional>

#include "net/tls_fixture.h"
#include "net/tls_options.h"
#include "net/tls_stream.h"
#include "pki/test_certificates.h"
#include "sim/two_hosts.h"

namespace fairlead::net {

// A client of GnuTLS's own that verifies nothing, and shows its certificate whoever the server trusts.
struct RawClient {
  std::string priorities = "NORMAL";
  std::string server_name;
  std::vector<std::string> alpn;
  std::optional<TlsCertificate> shows;
  std::string resumes;  // session data
};
struct RawKept {
  std::shared_ptr<gnutls_certificate_credentials_st> credentials = new_credentials();
  std::optional<pki::Certificate> certificate;
  std::optional<pki::PrivateKey> key;
};
inline int show(gnutls_session_t session, const gnutls_datum_t*, int, const gnutls_pk_algorithm_t*, int, gnutls_retr2_st* shown) {
  const RawKept& kept = TlsSession::of(session).kept<RawKept>();
  static gnutls_x509_crt_t chain[1];
  chain[0] = kept.certificate->native();
  shown->cert_type = GNUTLS_CRT_X509;
  shown->key_type = GNUTLS_PRIVKEY_X509;
  shown->cert.x509 = chain;
  shown->ncerts = 1;
  shown->key.x509 = kept.key->native();
  shown->deinit_all = 0;
  return 0;
}
inline std::unique_ptr<TlsSession> raw_session(const RawClient& client, std::unique_ptr<Stream> transport) {
  auto kept = std::make_shared<RawKept>();
  if (client.shows) {
    kept->certificate = pki::Certificate::bundle_from_pem(client.shows->chain_pem, "the client's").value().front();
    kept->key = pki::PrivateKey::from_pem(Secret(client.shows->key_pem), "the client's").value();
    gnutls_certificate_set_retrieve_function(kept->credentials.get(), &show);
  }
  auto session = std::make_unique<TlsSession>(TlsSession::Side::client, std::move(transport), kept);
  pki::must(gnutls_priority_set_direct(session->native(), client.priorities.c_str(), nullptr), "priorities");
  pki::must(gnutls_credentials_set(session->native(), GNUTLS_CRD_CERTIFICATE, kept->credentials.get()), "credentials");
  if (!client.server_name.empty())
    pki::must(gnutls_server_name_set(session->native(), GNUTLS_NAME_DNS, client.server_name.data(), client.server_name.size()), "name");
  set_alpn(session->native(), client.alpn, 0);
  if (!client.resumes.empty())
    pki::must(gnutls_session_set_data(session->native(), client.resumes.data(), client.resumes.size()), "resume");
  return session;
}

class TlsWorld : public sim::TwoHosts {
 protected:
  struct Transports {
    std::unique_ptr<Stream> near, far;
  };
  Transports transports() {
    sim::Pair pair = loop_.run(sim::connect_pair(edge_, cloud_));
    return {std::move(pair.near), std::move(pair.far)};
  }
  TlsPair connect(std::shared_ptr<const TlsServer> server, std::shared_ptr<const TlsClient> client, std::string name) {
    Transports ends = transports();
    return loop_.run(tls_pair(loop_, std::move(server), std::move(client), std::move(name), std::move(ends.near), std::move(ends.far)));
  }

  struct RawOutcome {
    Result<void> client = fail(Code::internal, "not yet");
    TlsOutcome server = fail(Code::internal, "not yet");
    TlsPeer peer;
    TlsSession* session = nullptr;    // of the client
    std::unique_ptr<Stream> dialled;  // owns it
  };
  RawOutcome raw(const TlsServer& server, const RawClient& client) {
    Transports ends = transports();
    auto session = raw_session(client, std::move(ends.near));
    RawOutcome outcome;
    outcome.session = session.get();
    loop_.run(raw_handshake(loop_, server, *session, std::move(ends.far), outcome));
    outcome.dialled = std::make_unique<TlsStream>(loop_, std::move(session));
    return outcome;
  }

  TestCa ca_;

 private:
  static Task<void> store_shaken(Loop& loop, TlsSession& session, Result<void>& into) {
    into = co_await shake_hands(loop, session, "nobody");
  }
  static Task<void> raw_handshake(Loop& loop, const TlsServer& server, TlsSession& session, std::unique_ptr<Stream> far, RawOutcome& into) {
    Scope scope(loop);
    scope.spawn(store_accepted(loop, server, std::move(far), into.server, into.peer));
    scope.spawn(store_shaken(loop, session, into.client));
    co_await scope.done();
  }
};

}  // namespace fairlead::net
