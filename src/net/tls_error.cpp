#include "net/tls_error.h"

#include <fmt/format.h>

#include <algorithm>

#include "pki/gnutls_raii.h"

namespace fairlead::net {
namespace {

std::string_view alert_name(gnutls_alert_description_t alert) {
  const char* name = gnutls_alert_get_strname(alert);
  if (name == nullptr) return "unknown";
  return std::string_view(name).substr(std::string_view("GNUTLS_A_").size());
}

// What an alert of the peer means for the one who reads our log.
struct Meaning {
  Code code;
  std::string_view text;
};
Meaning meaning(gnutls_alert_description_t alert) {
  switch (alert) {
    case GNUTLS_A_UNKNOWN_CA: return {Code::unauthenticated, "it does not trust the CA of the certificate that it was shown"};
    case GNUTLS_A_CERTIFICATE_EXPIRED: return {Code::unauthenticated, "the certificate that it was shown has expired, by its clock"};
    case GNUTLS_A_CERTIFICATE_REVOKED: return {Code::unauthenticated, "the certificate that it was shown is revoked"};
    case GNUTLS_A_BAD_CERTIFICATE:
    case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
    case GNUTLS_A_CERTIFICATE_UNKNOWN: return {Code::unauthenticated, "it does not accept the certificate that it was shown"};
    case GNUTLS_A_CERTIFICATE_REQUIRED: return {Code::unauthenticated, "it wants a client certificate"};
    case GNUTLS_A_ACCESS_DENIED: return {Code::forbidden, "it denies access"};
    case GNUTLS_A_PROTOCOL_VERSION: return {Code::unsupported, "it speaks neither TLS 1.2 nor TLS 1.3"};
    case GNUTLS_A_HANDSHAKE_FAILURE:
    case GNUTLS_A_INSUFFICIENT_SECURITY: return {Code::unsupported, "no cipher or kind of key in common"};
    case GNUTLS_A_UNRECOGNIZED_NAME: return {Code::refused, "it has no certificate for this name"};
    case GNUTLS_A_NO_APPLICATION_PROTOCOL: return {Code::unsupported, "no application protocol (ALPN) in common"};
    case GNUTLS_A_CLOSE_NOTIFY:
    case GNUTLS_A_USER_CANCELED: return {Code::closed, "it gave up"};
    default: return {Code::refused, "it refused"};
  }
}

bool is_http(std::string_view greeting) {
  static constexpr std::string_view kMethods[] = {"GET /",    "POST /",  "HEAD /",   "PUT /",  "DELETE /",
                                                  "OPTIONS ", "PATCH /", "CONNECT ", "TRACE /"};
  return std::ranges::any_of(kMethods,
                             [&](std::string_view m) { return greeting.starts_with(m.substr(0, std::min(m.size(), greeting.size()))); }) &&
         greeting.size() >= 5;
}

// A record begins with its type (20..23) and the version 3.x.
bool is_tls(std::string_view greeting) { return greeting.size() < 2 || (greeting[0] >= 20 && greeting[0] <= 23 && greeting[1] == 3); }

}  // namespace

std::string why_not_trusted(unsigned status) {
  if ((status & GNUTLS_CERT_EXPIRED) != 0) return "it has expired: renew it, and check the clocks of both machines";
  if ((status & GNUTLS_CERT_NOT_ACTIVATED) != 0) return "it is not valid yet: check the clocks of both machines";
  if ((status & GNUTLS_CERT_REVOKED) != 0) return "it is revoked";
  if ((status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0) return "it is not issued by a CA that is trusted here: give that CA's certificate";
  if ((status & GNUTLS_CERT_UNEXPECTED_OWNER) != 0) return "it is for another name";
  if ((status & (GNUTLS_CERT_SIGNER_NOT_CA | GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE)) != 0) return "who signed it was not allowed to";
  if ((status & GNUTLS_CERT_SIGNATURE_FAILURE) != 0) return "its signature is wrong";
  if ((status & GNUTLS_CERT_INSECURE_ALGORITHM) != 0) return "its key or signature is too weak (RSA under 2048 bits, SHA-1)";
  if ((status & GNUTLS_CERT_PURPOSE_MISMATCH) != 0) return "it is for another use (extended key usage)";
  pki::Datum text;
  if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, text.out(), 0) < 0) return "it is not valid";
  return text.text();
}

Error handshake_failure(const TlsSession& session, int code, std::string_view subject) {
  const std::string doing = fmt::format("TLS handshake with {}", session.transport().peer());
  const auto because = [&](Code c, std::string_view why) { return Error(c, fmt::format("{}: {}", doing, why)); };
  const bool server = session.side() == TlsSession::Side::server;
  if (session.transport_failure()) return Error::wrap(doing, *session.transport_failure());
  if (server && is_http(session.greeting())) return because(Code::invalid, "plain HTTP at a TLS port");
  if (!is_tls(session.greeting()))
    return because(Code::invalid,
                   server ? "what the client sent is not TLS" : "what the server sent is not TLS: is it a port of plain HTTP?");
  switch (code) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
    case GNUTLS_E_WARNING_ALERT_RECEIVED: {
      const gnutls_alert_description_t alert = gnutls_alert_get(session.native());
      return because(meaning(alert).code, fmt::format("the peer ended it with alert {}: {}", alert_name(alert), meaning(alert).text));
    }
    case GNUTLS_E_PREMATURE_TERMINATION: return because(Code::reset, "the peer ended the connection before it was done");
    case GNUTLS_E_CERTIFICATE_ERROR:
      return because(Code::unauthenticated, fmt::format("{} is refused: {}", subject, why_not_trusted(session.distrust())));
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED: return because(Code::unauthenticated, fmt::format("{} is refused: none was shown", subject));
    case GNUTLS_E_UNRECOGNIZED_NAME: return because(Code::not_found, "there is no certificate for the name that the client asked for");
    case GNUTLS_E_NO_APPLICATION_PROTOCOL:
      return because(Code::unsupported, "the client speaks none of the application protocols (ALPN) that are spoken here");
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET: return because(Code::unsupported, "the peer speaks neither TLS 1.2 nor TLS 1.3");
    case GNUTLS_E_NO_CIPHER_SUITES:
    case GNUTLS_E_NO_COMMON_KEY_SHARE: return because(Code::unsupported, "no cipher or kind of key in common");
    default: break;
  }
  const int alert = gnutls_error_to_alert(code, nullptr);
  return because(Code::invalid,
                 fmt::format("{} (alert {})", gnutls_strerror(code),
                             alert < 0 ? std::string_view("none") : alert_name(static_cast<gnutls_alert_description_t>(alert))));
}

Error broken_session(const TlsSession& session, int code, const SocketAddress& peer) {
  if (session.transport_failure()) return *session.transport_failure();
  if (code == GNUTLS_E_PREMATURE_TERMINATION)
    return {Code::reset, fmt::format("read from {}: the connection ended without TLS's close_notify: it was cut off", peer)};
  if (code == GNUTLS_E_FATAL_ALERT_RECEIVED) {
    const gnutls_alert_description_t alert = gnutls_alert_get(session.native());
    const Code kind = meaning(alert).code == Code::unauthenticated ? Code::unauthenticated : Code::reset;
    return {kind, fmt::format("{} broke off with TLS alert {}: {}", peer, alert_name(alert), meaning(alert).text)};
  }
  return {Code::reset, fmt::format("TLS with {} broke: {}", peer, gnutls_strerror(code))};
}

}  // namespace fairlead::net
