#include "net/tls_options.h"

#include "pki/private_key.h"

namespace fairlead::net {

PrioritiesPtr new_priorities(std::string_view more) {
  std::string text =
      "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:+AES-128-GCM:+CHACHA20-POLY1305:"
      "+AES-256-GCM:-MAC-ALL:+AEAD:%PROFILE_MEDIUM";
  if (!more.empty()) text.append(":").append(more);
  gnutls_priority_t raw = nullptr;
  pki::must(gnutls_priority_init(&raw, text.c_str(), nullptr), "TLS priorities");
  return {raw, gnutls_priority_deinit};
}

CredentialsPtr new_credentials() {
  gnutls_certificate_credentials_t raw = nullptr;
  pki::must(gnutls_certificate_allocate_credentials(&raw), "make credentials");
  return {raw, gnutls_certificate_free_credentials};
}

Result<CredentialsPtr> credentials_of(const TlsCertificate& from) {
  TRY_ASSIGN(std::vector<pki::Certificate> chain, pki::Certificate::bundle_from_pem(from.chain_pem, from.chain_file));
  TRY_ASSIGN(pki::PrivateKey key, pki::PrivateKey::from_pem(Secret(from.key_pem), from.key_file));
  if (chain.size() > pki::kMaxChain)
    return fail(Code::invalid, "{} has {} certificates: at most {} are sent", from.chain_file, chain.size(), pki::kMaxChain);
  if (key.public_key().fingerprint() != chain.front().fingerprint())
    return fail(Code::invalid, "the key in {} is not that of the first certificate in {}", from.key_file, from.chain_file);
  if (chain.front().not_after() < std::chrono::system_clock::now())
    return fail(Code::invalid, "the certificate in {} has expired: renew it", from.chain_file);
  CredentialsPtr credentials = new_credentials();
  std::vector<gnutls_x509_crt_t> natives;
  for (const pki::Certificate& certificate : chain) natives.push_back(certificate.native());
  // Copies the key and the certificates.
  const int rc = gnutls_certificate_set_x509_key(credentials.get(), natives.data(), static_cast<int>(natives.size()), key.native());
  if (rc < 0) return fail(Code::invalid, "the certificate in {} cannot be used: {}", from.chain_file, gnutls_strerror(rc));
  return credentials;
}

Result<void> trust(gnutls_certificate_credentials_st& credentials, const std::vector<pki::Certificate>& authorities,
                   std::string_view file) {
  std::vector<gnutls_x509_crt_t> natives;
  for (const pki::Certificate& authority : authorities) natives.push_back(authority.native());
  const int rc = gnutls_certificate_set_x509_trust(&credentials, natives.data(), static_cast<int>(natives.size()));
  if (rc < 0) return fail(Code::invalid, "the CA certificates in {} cannot be used: {}", file, gnutls_strerror(rc));
  return {};
}

int verify_peer(TlsSession& session, std::string host, std::string_view purpose) {
  std::string use(purpose);
  const auto text = [](std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); };
  gnutls_typed_vdata_st must_be[] = {{GNUTLS_DT_KEY_PURPOSE_OID, text(use), 0}, {GNUTLS_DT_DNS_HOSTNAME, text(host), 0}};
  unsigned status = 0;
  const int rc = gnutls_certificate_verify_peers(session.native(), must_be, host.empty() ? 1 : 2, &status);
  session.set_distrust(rc < 0 ? GNUTLS_CERT_INVALID : status);
  return session.distrust() == 0 ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

void set_alpn(gnutls_session_t session, const std::vector<std::string>& protocols, unsigned flags) {
  if (protocols.empty()) return;
  std::vector<gnutls_datum_t> names;
  for (const std::string& p : protocols) names.push_back(pki::view(as_bytes(p)));
  pki::must(gnutls_alpn_set_protocols(session, names.data(), static_cast<unsigned>(names.size()), flags), "set ALPN");
}

std::string selected_alpn(gnutls_session_t session) {
  gnutls_datum_t name{};
  if (gnutls_alpn_get_selected_protocol(session, &name) < 0) return {};
  return std::string(as_text(from_u8(name.data, name.size)));
}

}  // namespace fairlead::net
