// tls_fixture.h: certificates and TLS connections for tests. For tests only.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "net/network.h"
#include "net/tls.h"
#include "pki/test_certificates.h"
#include "runtime/scope.h"

namespace fairlead::net {

// A CA whose certificates are valid now, by the machine's clock, which GnuTLS looks at.
struct TestCa {
  pki::Authority ca = pki::Authority::create(std::chrono::system_clock::now());

  std::string pem() const { return ca.certificate().to_pem(); }
  TlsCertificate server(const std::vector<std::string>& names, std::vector<std::string> hosts = {}) const {
    const pki::PrivateKey key = pki::PrivateKey::generate();
    const auto certificate =
        ca.issue_server(pki::HostName::parse_all(names).value(), key.public_key(), std::chrono::system_clock::now()).value();
    return with(certificate, key, std::move(hosts));
  }
  TlsCertificate with(const pki::Certificate& certificate, const pki::PrivateKey& key, std::vector<std::string> hosts = {}) const {
    TlsCertificate made{
        .chain_pem = certificate.to_pem(), .key_pem = key.to_pem().reveal(), .chain_file = "server.pem", .key_file = "server-key.pem"};
    made.hosts = std::move(hosts);
    return made;
  }
  // Exactly what is drafted.
  TlsCertificate drafted(const pki::Draft& draft, std::vector<std::string> hosts = {}) const {
    const pki::PrivateKey key = pki::PrivateKey::generate();
    return with(draft.sign(ca.certificate(), ca.key(), key.public_key()), key, std::move(hosts));
  }
  std::shared_ptr<const TlsServer> tls_server(const std::vector<std::string>& names) const {
    TlsServerOptions options;
    options.certificates.push_back(server(names));
    return TlsServer::make(std::move(options)).value();
  }
  std::shared_ptr<const TlsClient> tls_client() const {
    TlsClient::Options options;
    options.ca_pem = pem();
    return TlsClient::make(std::move(options)).value();
  }
};

using TlsOutcome = Result<std::unique_ptr<Stream>>;

inline Task<void> store_accepted(Loop& loop, const TlsServer& server, std::unique_ptr<Stream> transport, TlsOutcome& into, TlsPeer& peer) {
  into = co_await server.accept(loop, std::move(transport), peer);
}
inline Task<void> store_connected(Loop& loop, const TlsClient& client, std::unique_ptr<Stream> transport, std::string name,
                                  TlsOutcome& into) {
  into = co_await client.connect(loop, std::move(transport), std::move(name));
}

struct TlsPair {
  TlsOutcome dialled = fail(Code::internal, "not yet");
  TlsOutcome accepted = fail(Code::internal, "not yet");
  TlsPeer peer;
};
// The handshake of both sides over two ends of a transport.
inline Task<TlsPair> tls_pair(Loop& loop, std::shared_ptr<const TlsServer> server, std::shared_ptr<const TlsClient> client,
                              std::string name, std::unique_ptr<Stream> near, std::unique_ptr<Stream> far) {
  TlsPair pair;
  Scope scope(loop);
  scope.spawn(store_accepted(loop, *server, std::move(far), pair.accepted, pair.peer));
  scope.spawn(store_connected(loop, *client, std::move(near), std::move(name), pair.dialled));
  co_await scope.done();
  co_return pair;
}

}  // namespace fairlead::net
