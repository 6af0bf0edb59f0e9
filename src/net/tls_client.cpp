#include <fmt/format.h>

#include "net/tls.h"
#include "net/tls_error.h"
#include "net/tls_options.h"
#include "net/tls_sessions.h"
#include "net/tls_stream.h"

namespace fairlead::net {
namespace {

// What one session needs as long as it lives.
struct Dialled {
  std::shared_ptr<gnutls_certificate_credentials_st> credentials;
  std::shared_ptr<TlsSessions> sessions;
  std::string server_name;
};

WallTime end_of_certificate(gnutls_session_t session) {
  unsigned count = 0;
  const gnutls_datum_t* shown = gnutls_certificate_get_peers(session, &count);
  if (shown == nullptr || count == 0) return {};
  auto certificate = pki::Certificate::from_der(from_u8(shown[0].data, shown[0].size));
  return certificate ? certificate->not_after() : WallTime{};
}

void keep_session(gnutls_session_t session) {
  const auto& dialled = TlsSession::of(session).kept<Dialled>();
  auto data = std::make_shared<pki::Datum>();
  if (gnutls_session_get_data2(session, data->out()) < 0) return;
  dialled.sessions->put(dialled.server_name, std::move(data), end_of_certificate(session));
}

// TLS 1.3: tickets come after the handshake, among the first bytes that are read.
int ticket_came(gnutls_session_t session, unsigned, unsigned, unsigned, const gnutls_datum_t*) {
  if (gnutls_protocol_get_version(session) == GNUTLS_TLS1_3) keep_session(session);
  return 0;
}

int verify(gnutls_session_t session) {
  TlsSession& self = TlsSession::of(session);
  return verify_peer(self, self.kept<Dialled>().server_name, GNUTLS_KP_TLS_WWW_SERVER);
}

class Client final : public TlsClient {
 public:
  static Result<std::shared_ptr<const TlsClient>> make(Options options) {
    auto client = std::make_shared<Client>(std::move(options.alpn));
    if (options.certificate) {
      TRY_ASSIGN(client->credentials_, credentials_of(*options.certificate));
    }
    if (options.ca_pem.empty()) {
      if (gnutls_certificate_set_x509_system_trust(client->credentials_.get()) <= 0)
        return fail(Code::not_found, "the system has no trusted CAs: install ca-certificates, or name a CA file for the Backend");
      return client;
    }
    TRY_ASSIGN(const std::vector<pki::Certificate> authorities, pki::Certificate::bundle_from_pem(options.ca_pem, options.ca_file));
    TRY(trust(*client->credentials_, authorities, options.ca_file));
    return client;
  }

  explicit Client(std::vector<std::string> alpn) : priorities_(new_priorities("")), alpn_(std::move(alpn)) {}

  Task<Result<std::unique_ptr<Stream>>> connect(Loop& loop, std::unique_ptr<Stream> transport, std::string server_name) const override {
    auto dialled = std::make_shared<Dialled>();
    if (server_name.ends_with('.')) server_name.pop_back();
    dialled->server_name = std::move(server_name);
    auto session = std::make_unique<TlsSession>(TlsSession::Side::client, std::move(transport), dialled);
    CO_TRY(prepare(session->native(), *dialled));
    std::string subject = fmt::format("the certificate of the server for \"{}\"", dialled->server_name);
    auto shaken = co_await shake_hands(loop, *session, std::move(subject));
    CO_TRY(shaken);
    if (gnutls_protocol_get_version(session->native()) == GNUTLS_TLS1_2 && gnutls_session_is_resumed(session->native()) == 0)
      keep_session(session->native());
    co_return std::make_unique<TlsStream>(loop, std::move(session));
  }

 private:
  Result<void> prepare(gnutls_session_t session, Dialled& dialled) const {
    dialled.credentials = credentials_;
    dialled.sessions = sessions_;
    pki::must(gnutls_priority_set(session, priorities_.get()), "set the priorities");
    pki::must(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials_.get()), "set the CAs");
    set_alpn(session, alpn_, 0);
    const std::string& name = dialled.server_name;
    // An address is no SNI (RFC 6066, 3).
    if (!IpAddress::parse(name) && gnutls_server_name_set(session, GNUTLS_NAME_DNS, name.data(), name.size()) < 0)
      return fail(Code::invalid, "\"{}\" cannot be the name of a TLS server", name);
    gnutls_session_set_verify_function(session, &verify);
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, GNUTLS_HOOK_POST, &ticket_came);
    if (auto kept = sessions_->get(name, std::chrono::system_clock::now()))
      std::ignore = gnutls_session_set_data(session, kept->get()->data, kept->get()->size);  // without it the handshake is a full one
    return {};
  }

  PrioritiesPtr priorities_;
  std::vector<std::string> alpn_;
  std::shared_ptr<gnutls_certificate_credentials_st> credentials_ = new_credentials();
  std::shared_ptr<TlsSessions> sessions_ = std::make_shared<TlsSessions>();  // shared with the sessions, which may outlive us
};

}  // namespace

Result<std::shared_ptr<const TlsClient>> TlsClient::make(Options options) { return Client::make(std::move(options)); }

}  // namespace fairlead::net
