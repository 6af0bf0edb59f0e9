#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "net/tls.h"
#include "net/tls_error.h"
#include "net/tls_options.h"
#include "net/tls_stream.h"
#include "pki/certificate.h"
#include "pki/gnutls_raii.h"
#include "pki/random.h"

namespace fairlead::net {
namespace {

// SNI as RFC 6066 has it: no dot at the end; compared without case.
std::string canonical_host(std::string_view host) {
  std::string text(host);
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// Empty: the client named no host.
std::string requested_host(gnutls_session_t session) {
  std::array<char, 256> name;
  std::size_t size = name.size();
  unsigned type = 0;
  if (gnutls_server_name_get(session, name.data(), &size, &type, 0) < 0 || type != GNUTLS_NAME_DNS) return {};
  return canonical_host({name.data(), size});
}

class Server final : public TlsServer, public std::enable_shared_from_this<Server> {
 public:
  static Result<std::shared_ptr<const TlsServer>> make(TlsServerOptions options) {
    if (options.certificates.empty()) return fail(Code::invalid, "a TLS listener without a certificate");
    auto server = std::make_shared<Server>(std::move(options.alpn), options.client_auth);
    const bool asks = options.client_auth != TlsServerOptions::ClientAuth::none;
    std::vector<pki::Certificate> authorities;
    if (asks) {
      TRY_ASSIGN(authorities, pki::Certificate::bundle_from_pem(options.client_ca_pem, options.client_ca_file));
      for (const pki::Certificate& authority : authorities)
        if (!authority.is_ca())
          return fail(Code::invalid, "{}: the certificate of \"{}\" is not a CA's", options.client_ca_file, authority.subject());
    }
    for (const TlsCertificate& certificate : options.certificates) {
      TRY_ASSIGN(CredentialsPtr credentials, credentials_of(certificate));
      if (asks) TRY(trust(*credentials, authorities, options.client_ca_file));
      server->add(certificate.hosts, credentials);
    }
    return server;
  }

  Server(std::vector<std::string> alpn, TlsServerOptions::ClientAuth client_auth)
      : priorities_(new_priorities("%SERVER_PRECEDENCE")), alpn_(std::move(alpn)), client_auth_(client_auth) {
    pki::must(gnutls_session_ticket_key_generate(ticket_key_.out()), "make a ticket key");
  }

  Task<Result<std::unique_ptr<Stream>>> accept(Loop& loop, std::unique_ptr<Stream> transport, TlsPeer& peer) const override {
    auto session = std::make_unique<TlsSession>(TlsSession::Side::server, std::move(transport), shared_from_this());
    prepare(*session);
    auto shaken = co_await shake_hands(loop, *session, "the client's certificate");
    CO_TRY(shaken);
    auto known = describe(*session);
    if (!known) {
      co_await say_farewell(loop, *session, GNUTLS_E_CERTIFICATE_ERROR);
      co_return fail(known.error());
    }
    peer = *std::move(known);
    co_return std::make_unique<TlsStream>(loop, std::move(session));
  }

 private:
  void add(const std::vector<std::string>& hosts, const CredentialsPtr& credentials) {
    if (hosts.empty() && !default_) default_ = credentials;
    for (const std::string& name : hosts) {
      const std::string host = canonical_host(name);
      if (host.starts_with("*."))
        wildcards_.emplace(host.substr(1), credentials);
      else
        exact_.emplace(host, credentials);
    }
  }

  // Null: none.
  gnutls_certificate_credentials_t find(std::string_view host) const {
    if (const auto exact = exact_.find(host); exact != exact_.end()) return exact->second.get();
    for (std::size_t dot = host.find('.', 1); dot < host.size(); dot = host.find('.', dot + 1))
      if (const auto wild = wildcards_.find(host.substr(dot)); wild != wildcards_.end()) return wild->second.get();
    return default_.get();
  }

  static int choose(gnutls_session_t session) {
    const Server& self = TlsSession::of(session).kept<Server>();
    gnutls_certificate_credentials_t credentials = self.find(requested_host(session));
    if (credentials == nullptr) return GNUTLS_E_UNRECOGNIZED_NAME;
    return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
  }

  static int verify(gnutls_session_t session) {
    unsigned count = 0;
    const bool shown = gnutls_certificate_get_peers(session, &count) != nullptr && count > 0;
    TlsSession& self = TlsSession::of(session);
    if (!shown && self.kept<Server>().client_auth_ == TlsServerOptions::ClientAuth::optional) return 0;
    return verify_peer(self, "", GNUTLS_KP_TLS_WWW_CLIENT);
  }

  void prepare(TlsSession& session) const {
    gnutls_session_t native = session.native();
    pki::must(gnutls_priority_set(native, priorities_.get()), "set the priorities");
    pki::must(gnutls_credentials_set(native, GNUTLS_CRD_CERTIFICATE, any_.get()), "set the certificate");
    pki::must(gnutls_session_ticket_enable_server(native, ticket_key_.get()), "set the ticket key");
    set_alpn(native, alpn_, GNUTLS_ALPN_MANDATORY);
    gnutls_handshake_set_post_client_hello_function(native, &choose);
    if (client_auth_ == TlsServerOptions::ClientAuth::none) return;
    const bool required = client_auth_ == TlsServerOptions::ClientAuth::required;
    gnutls_certificate_server_set_request(native, required ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
    gnutls_session_set_verify_function(native, &verify);
  }

  Result<TlsPeer> describe(TlsSession& session) const {
    gnutls_session_t native = session.native();
    TlsPeer peer{.server_name = requested_host(native),
                 .alpn = selected_alpn(native),
                 .resumed = gnutls_session_is_resumed(native) != 0,
                 .subject = {},
                 .fingerprint = {}};
    if (client_auth_ == TlsServerOptions::ClientAuth::none) return peer;
    const std::string doing = fmt::format("TLS handshake with {}: the client's certificate is refused", session.transport().peer());
    unsigned count = 0;
    const gnutls_datum_t* shown = gnutls_certificate_get_peers(native, &count);
    if (shown == nullptr || count == 0) {
      if (client_auth_ == TlsServerOptions::ClientAuth::optional) return peer;
      return fail(Code::unauthenticated, "{}: none was shown", doing);
    }
    // A resumed session brings the certificate of the first one, which may have expired since.
    if (peer.resumed && verify_peer(session, "", GNUTLS_KP_TLS_WWW_CLIENT) != 0)
      return fail(Code::unauthenticated, "{}: {}", doing, why_not_trusted(session.distrust()));
    const Bytes der = from_u8(shown[0].data, shown[0].size);
    auto certificate = pki::Certificate::from_der(der);
    if (!certificate) return fail(Error::wrap(Code::unauthenticated, doing, certificate.error()));
    peer.subject = certificate->subject();
    peer.fingerprint = to_hex(pki::sha256(der));
    return peer;
  }

  PrioritiesPtr priorities_;
  std::vector<std::string> alpn_;
  TlsServerOptions::ClientAuth client_auth_;
  pki::Datum ticket_key_;
  CredentialsPtr any_ = new_credentials();                                // until the client has named its host
  std::map<std::string, CredentialsPtr, std::less<>> exact_, wildcards_;  // wildcards: ".example.com"
  CredentialsPtr default_;
};

}  // namespace

Result<std::shared_ptr<const TlsServer>> TlsServer::make(TlsServerOptions options) { return Server::make(std::move(options)); }

}  // namespace fairlead::net
