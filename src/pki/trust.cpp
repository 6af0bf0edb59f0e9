#include "pki/trust.h"

#include <algorithm>

#include "pki/files.h"
#include "pki/gnutls_raii.h"
#include "pki/printable.h"

namespace fairlead::pki {

Result<TrustStore> TrustStore::from_certificates(std::vector<Certificate> authorities) {
  if (authorities.empty()) return fail(Code::invalid, "no CA to trust");
  gnutls_x509_trust_list_t raw = nullptr;
  must(gnutls_x509_trust_list_init(&raw, 0), "make a trust list");
  // The list borrows the certificates (all = 0): they are kept beside it, in Parts.
  std::shared_ptr<gnutls_x509_trust_list_st> list(raw, [](gnutls_x509_trust_list_t p) { gnutls_x509_trust_list_deinit(p, 0); });
  std::vector<gnutls_x509_crt_t> natives;
  for (const Certificate& authority : authorities) {
    if (!authority.is_ca()) return fail(Code::invalid, "the certificate of \"{}\" is not a CA's", printable(authority.subject()));
    natives.push_back(authority.native());
  }
  const int added = gnutls_x509_trust_list_add_cas(raw, natives.data(), static_cast<unsigned>(natives.size()), 0);
  if (added != static_cast<int>(natives.size())) return fail(Code::internal, "GnuTLS took {} of {} CAs", added, natives.size());
  return TrustStore(std::make_shared<const Parts>(Parts{std::move(authorities), std::move(list)}));
}

Result<TrustStore> TrustStore::from_pem(std::string_view pem, std::string_view file) {
  TRY_ASSIGN(std::vector<Certificate> authorities, Certificate::bundle_from_pem(pem, file));
  Result<TrustStore> store = from_certificates(std::move(authorities));
  if (!store) return fail(Error::wrap(std::string(file), store.error()));
  return store;
}

Result<TrustStore> TrustStore::load(const std::filesystem::path& file) {
  TRY_ASSIGN(std::string pem, read_file(file, kMaxBundleSize));
  return from_pem(pem, file.native());
}

std::string TrustStore::fingerprints() const {
  std::string text;
  for (const Certificate& authority : parts_->authorities) {
    if (!text.empty()) text += ", ";
    text += authority.fingerprint().to_text().substr(0, 16);
  }
  return text;
}

TrustStore::Verdict TrustStore::verify(std::span<const Certificate> chain) const {
  if (chain.empty() || chain.size() > kMaxChain) return Verdict::malformed;
  std::vector<gnutls_x509_crt_t> natives;
  for (const Certificate& certificate : chain) natives.push_back(certificate.native());
  // Medium: RSA from 2048 bits, SHA-256 or better. Times are the caller's, who has the clock.
  constexpr unsigned kFlags =
      GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DO_NOT_ALLOW_SAME | GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM);
  unsigned status = 0;
  const int rc = gnutls_x509_trust_list_verify_crt(parts_->list.get(), natives.data(), static_cast<unsigned>(natives.size()), kFlags,
                                                   &status, nullptr);
  if (rc < 0) return Verdict::malformed;
  if (status == 0) return Verdict::trusted;
  // A signature that does not verify is another CA of the same name; a constraint that does not hold is a signer that was not allowed to.
  constexpr unsigned kSigner =
      GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA | GNUTLS_CERT_SIGNATURE_FAILURE | GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE;
  if ((status & kSigner) != 0) return Verdict::unknown_issuer;
  if ((status & GNUTLS_CERT_INSECURE_ALGORITHM) != 0) return Verdict::weak_signature;
  return Verdict::malformed;
}

}  // namespace fairlead::pki
