#include "quic/tls_session.h"

#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <stdexcept>

namespace fairlead::quic {
namespace {

// What QUIC v1 allows and Fairlead uses: AES-128-GCM, and ChaCha20-Poly1305 for machines without AES instructions; X25519 alone, so that
// no client's first guess is refused. Parsed once: doing it for each session costs time and memory.
gnutls_priority_t priority() {
  static const gnutls_priority_t cache = [] {
    gnutls_priority_t made = nullptr;
    const int rc =
        gnutls_priority_init(&made,
                             "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-X25519:"
                             "%DISABLE_TLS13_COMPAT_MODE",
                             nullptr);
    if (rc != 0) throw std::runtime_error(std::string("GnuTLS knows none of QUIC's cipher suites: ") + gnutls_strerror(rc));
    return made;
  }();
  return cache;
}

gnutls_datum_t view(Bytes bytes) { return {const_cast<unsigned char*>(as_u8(bytes)), static_cast<unsigned>(bytes.size())}; }

std::unexpected<Error> tls_failure(const char* doing, int rc) { return fail(Code::internal, "{}: {}", doing, gnutls_strerror(rc)); }

}  // namespace

TlsSession::TlsSession(std::shared_ptr<const pki::Credentials> credentials, ngtcp2_conn* conn)
    : credentials_(std::move(credentials)),
      ref_{[](ngtcp2_crypto_conn_ref* ref) { return static_cast<ngtcp2_conn*>(ref->user_data); }, conn} {}

TlsSession::~TlsSession() {
  if (session_ != nullptr) gnutls_deinit(session_);
}

Result<void> TlsSession::start(unsigned flags, const std::vector<std::string>& alpns) {
  if (int rc = gnutls_init(&session_, flags); rc != 0) return tls_failure("start TLS", rc);
  if (int rc = gnutls_priority_set(session_, priority()); rc != 0) return tls_failure("choose cipher suites", rc);
  if (int rc = gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials_->native()); rc != 0)
    return tls_failure("use the certificate", rc);
  std::vector<gnutls_datum_t> names;
  for (const std::string& alpn : alpns) names.push_back(view(as_bytes(alpn)));
  if (int rc = gnutls_alpn_set_protocols(session_, names.data(), static_cast<unsigned>(names.size()), GNUTLS_ALPN_MANDATORY); rc != 0)
    return tls_failure("offer the application protocol", rc);
  gnutls_session_set_ptr(session_, &ref_);
  return {};
}

Result<std::unique_ptr<TlsSession>> TlsSession::client(std::shared_ptr<const pki::Credentials> credentials, const std::string& alpn,
                                                       const std::string& server_name, Bytes ticket, ngtcp2_conn* conn) {
  std::unique_ptr<TlsSession> s(new TlsSession(std::move(credentials), conn));
  TRY(s->start(GNUTLS_CLIENT, {alpn}));
  if (ngtcp2_crypto_gnutls_configure_client_session(s->session_) != 0) return fail(Code::internal, "GnuTLS refused QUIC's extension");
  if (!server_name.empty()) {
    if (int rc = gnutls_server_name_set(s->session_, GNUTLS_NAME_DNS, server_name.data(), server_name.size()); rc != 0)
      return fail(Code::invalid, "server name \"{}\": {}", server_name, gnutls_strerror(rc));
  }
  // A ticket that cannot be read is as good as none: the handshake is a full one then.
  if (!ticket.empty()) static_cast<void>(gnutls_session_set_data(s->session_, ticket.data(), ticket.size()));
  return s;
}

Result<std::unique_ptr<TlsSession>> TlsSession::server(std::shared_ptr<const pki::Credentials> credentials,
                                                       const std::vector<std::string>& alpns, Bytes ticket_key, ngtcp2_conn* conn) {
  std::unique_ptr<TlsSession> s(new TlsSession(std::move(credentials), conn));
  // The ticket waits for the end of the handshake, whose secrets it carries: send_ticket().
  TRY(s->start(GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET, alpns));
  if (ngtcp2_crypto_gnutls_configure_server_session(s->session_) != 0) return fail(Code::internal, "GnuTLS refused QUIC's extension");
  // Not REQUIRE: a client without a certificate is to be told so in words, after the handshake.
  gnutls_certificate_server_set_request(s->session_, GNUTLS_CERT_REQUEST);
  if (!ticket_key.empty()) {
    const gnutls_datum_t key = view(ticket_key);
    if (int rc = gnutls_session_ticket_enable_server(s->session_, &key); rc != 0) return tls_failure("use the ticket key", rc);
    s->tickets_ = true;
  }
  return s;
}

std::vector<std::vector<std::byte>> TlsSession::peer_chain() const {
  unsigned count = 0;
  const gnutls_datum_t* list = gnutls_certificate_get_peers(session_, &count);
  std::vector<std::vector<std::byte>> chain;
  for (unsigned i = 0; list != nullptr && i < count; i++) {
    const Bytes der = from_u8(list[i].data, list[i].size);
    chain.emplace_back(der.begin(), der.end());
  }
  return chain;
}

std::string TlsSession::alpn() const {
  gnutls_datum_t name{};
  if (gnutls_alpn_get_selected_protocol(session_, &name) != 0) return {};
  return {reinterpret_cast<const char*>(name.data), name.size};
}

bool TlsSession::send_ticket() { return tickets_ && gnutls_session_ticket_send(session_, 1, 0) == 0; }

std::vector<std::byte> TlsSession::ticket() const {
  if ((gnutls_session_get_flags(session_) & GNUTLS_SFLAGS_SESSION_TICKET) == 0) return {};
  gnutls_datum_t data{};
  if (gnutls_session_get_data2(session_, &data) != 0) return {};
  const Bytes bytes = from_u8(data.data, data.size);
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  gnutls_memset(data.data, 0, data.size);  // it holds the resumption secret
  gnutls_free(data.data);
  return copy;
}

}  // namespace fairlead::quic
