#include "net/tls_link.h"

#include <gnutls/gnutls.h>

#include "net/socket_stream.h"
#include "net/tls_options.h"
#include "net/tls_stream.h"

namespace fairlead::net {
namespace {

// As QUIC's: AES-128-GCM, ChaCha20-Poly1305 for machines without AES instructions, X25519.
const PrioritiesPtr& priorities() {
  static const PrioritiesPtr made = [] {
    gnutls_priority_t raw = nullptr;
    pki::must(gnutls_priority_init(
                  &raw, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-X25519", nullptr),
              "TLS priorities of the link");
    return PrioritiesPtr(raw, gnutls_priority_deinit);
  }();
  return made;
}

void prepare(TlsSession& session, const pki::Credentials& credentials, const std::vector<std::string>& alpns) {
  pki::must(gnutls_priority_set(session.native(), priorities().get()), "choose cipher suites");
  pki::must(gnutls_credentials_set(session.native(), GNUTLS_CRD_CERTIFICATE, credentials.native()), "use the certificate");
  set_alpn(session.native(), alpns, GNUTLS_ALPN_MANDATORY);
}

void make_ready(Stream& transport) {
  if (auto* socket = dynamic_cast<SocketStream*>(&transport)) socket->carry_many();  // a simulated one has no kernel
}

Task<Result<TlsLink>> finish(Loop& loop, std::unique_ptr<TlsSession> session, std::string subject) {
  auto shaken = co_await shake_hands(loop, *session, std::move(subject));
  CO_TRY(shaken);
  TlsLink link;
  link.alpn = selected_alpn(session->native());
  unsigned count = 0;
  const gnutls_datum_t* shown = gnutls_certificate_get_peers(session->native(), &count);
  for (unsigned i = 0; shown != nullptr && i < count; i++) {
    const Bytes der = from_u8(shown[i].data, shown[i].size);
    link.peer_chain.emplace_back(der.begin(), der.end());
  }
  link.stream = std::make_unique<TlsStream>(loop, std::move(session));
  if (link.alpn.empty()) co_return fail(Code::refused, "the peer speaks TLS, but not the protocol of the link");
  co_return link;
}

}  // namespace

Task<Result<TlsLink>> accept_tls_link(Loop& loop, std::unique_ptr<Stream> transport, std::shared_ptr<const pki::Credentials> credentials,
                                      std::vector<std::string> alpns) {
  make_ready(*transport);
  auto session = std::make_unique<TlsSession>(TlsSession::Side::server, std::move(transport), credentials);
  prepare(*session, *credentials, alpns);
  // Not REQUIRE: a client without a certificate is to be told so in words, after the handshake.
  gnutls_certificate_server_set_request(session->native(), GNUTLS_CERT_REQUEST);
  auto finishing = finish(loop, std::move(session), "the edge's certificate");
  auto link = co_await finishing;
  co_return link;
}

Task<Result<TlsLink>> connect_tls_link(Loop& loop, std::unique_ptr<Stream> transport, std::shared_ptr<const pki::Credentials> credentials,
                                       std::string alpn, std::string server_name) {
  make_ready(*transport);
  auto session = std::make_unique<TlsSession>(TlsSession::Side::client, std::move(transport), credentials);
  const std::vector<std::string> alpns = {std::move(alpn)};
  prepare(*session, *credentials, alpns);
  if (!server_name.empty() && gnutls_server_name_set(session->native(), GNUTLS_NAME_DNS, server_name.data(), server_name.size()) < 0)
    co_return fail(Code::invalid, "\"{}\" cannot be the name of a TLS server", server_name);
  auto finishing = finish(loop, std::move(session), "the cloud's certificate");
  auto link = co_await finishing;
  co_return link;
}

}  // namespace fairlead::net
