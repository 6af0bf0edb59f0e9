// tls_options.h: what both sides of TLS set in GnuTLS. For tls_*.cpp only.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/tls.h"
#include "net/tls_session.h"
#include "pki/certificate.h"
#include "pki/gnutls_raii.h"

namespace fairlead::net {

// TLS 1.3 and 1.2, forward secrecy and AEAD only, 128 bits; RSA certificates from 2048 bits. `more` in GnuTLS's words.
using PrioritiesPtr = std::shared_ptr<gnutls_priority_st>;
PrioritiesPtr new_priorities(std::string_view more);

using CredentialsPtr = std::shared_ptr<gnutls_certificate_credentials_st>;
CredentialsPtr new_credentials();
// With a certificate to show. Code::invalid with the file and what is wrong with it: no certificate, a key that is another's, expired.
Result<CredentialsPtr> credentials_of(const TlsCertificate& from);
// Those whose certificates are accepted. `file` is only named in errors.
Result<void> trust(gnutls_certificate_credentials_st& credentials, const std::vector<pki::Certificate>& authorities, std::string_view file);

// For GnuTLS's verification. `host`: the name or address that the certificate must be for; empty: none. `purpose`: what it must be good
// for, if it is limited to uses (GNUTLS_KP_...). 0 if it may be trusted, else GNUTLS_E_CERTIFICATE_ERROR and distrust() says why.
int verify_peer(TlsSession& session, std::string host, std::string_view purpose);

// What is not understood by the peer, or has no match, ends the handshake if `flags` say so.
void set_alpn(gnutls_session_t session, const std::vector<std::string>& protocols, unsigned flags);
std::string selected_alpn(gnutls_session_t session);

}  // namespace fairlead::net
