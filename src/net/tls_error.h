// tls_error.h: why TLS failed, as a sentence for a person: what happened, the alert's name, what to do. For tls_*.cpp only.
#pragma once
#include <string>
#include <string_view>

#include "net/tls_session.h"

namespace fairlead::net {

// `code` is GnuTLS's. `subject` is whom the certificate should be for: "the server's certificate for shop.example".
Error handshake_failure(const TlsSession& session, int code, std::string_view subject);
// Of a connection that was up.
Error broken_session(const TlsSession& session, int code, const SocketAddress& peer);

// Of gnutls_certificate_status_t: "it has expired".
std::string why_not_trusted(unsigned status);

}  // namespace fairlead::net
