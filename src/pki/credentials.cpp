#include "pki/credentials.h"

#include "pki/gnutls_raii.h"
#include "pki/printable.h"

namespace fairlead::pki {

Credentials::Credentials(std::vector<Certificate> chain, std::optional<TrustStore> trust)
    : chain_(std::move(chain)), trust_(std::move(trust)) {
  gnutls_certificate_credentials_t raw = nullptr;
  must(gnutls_certificate_allocate_credentials(&raw), "make credentials");
  native_.reset(raw, gnutls_certificate_free_credentials);
}

Result<std::shared_ptr<const Credentials>> Credentials::make(std::vector<Certificate> chain, const PrivateKey& key, TrustStore trust) {
  if (chain.empty()) return fail(Code::invalid, "no certificate to show");
  if (chain.size() > kMaxChain)
    return fail(Code::too_large, "a chain of {} certificates: at most {} are accepted", chain.size(), kMaxChain);
  if (key.public_key().fingerprint() != chain.front().fingerprint())
    return fail(Code::invalid, "the key is not that of the certificate of \"{}\"", printable(chain.front().subject()));
  std::shared_ptr<Credentials> made(new Credentials(std::move(chain), std::move(trust)));
  std::vector<gnutls_x509_crt_t> natives;
  for (const Certificate& certificate : made->chain_) natives.push_back(certificate.native());
  // Copies the key and the certificates.
  if (int rc = gnutls_certificate_set_x509_key(made->native(), natives.data(), static_cast<int>(natives.size()), key.native()); rc < 0)
    return fail(Code::invalid, "the certificate of \"{}\" cannot be used: {}", printable(made->chain_.front().subject()),
                gnutls_strerror(rc));
  return made;
}

std::shared_ptr<const Credentials> Credentials::anonymous(std::optional<TrustStore> trust) {
  return std::shared_ptr<const Credentials>(new Credentials({}, std::move(trust)));
}

}  // namespace fairlead::pki
