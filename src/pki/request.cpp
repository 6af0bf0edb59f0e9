#include "pki/request.h"

#include <array>

#include "pki/gnutls_raii.h"
#include "pki/names.h"

namespace fairlead::pki {
namespace {

// The attribute's value if there is exactly one.
std::string only_attribute(gnutls_x509_crq_t crq, const char* oid) {
  std::array<char, 1024> buffer;
  std::size_t size = buffer.size();
  if (gnutls_x509_crq_get_dn_by_oid(crq, oid, 1, 0, buffer.data(), &size) != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return {};
  size = buffer.size();
  if (gnutls_x509_crq_get_dn_by_oid(crq, oid, 0, 0, buffer.data(), &size) < 0) return {};
  return {buffer.data(), size};
}

std::string challenge_of(gnutls_x509_crq_t crq) {
  std::array<char, CertificateRequest::kMaxChallenge + 1> buffer;
  std::size_t size = buffer.size();
  if (gnutls_x509_crq_get_challenge_password(crq, buffer.data(), &size) < 0) return {};
  return {buffer.data(), size};
}

}  // namespace

CertificateRequest CertificateRequest::make(const PrivateKey& key, const NodeName& node, const std::string& challenge) {
  auto request = new_crq();
  gnutls_x509_crq_t crq = request.get();
  const std::string common_name = std::string(kNodeNamePrefix) + node.value();
  must(gnutls_x509_crq_set_version(crq, 1), "make a request");
  must(gnutls_x509_crq_set_dn_by_oid(crq, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, kNodeGroup.data(), kNodeGroup.size()), "make a request");
  must(gnutls_x509_crq_set_dn_by_oid(crq, GNUTLS_OID_X520_COMMON_NAME, 0, common_name.data(), static_cast<unsigned>(common_name.size())),
       "make a request");
  must(gnutls_x509_crq_set_key(crq, key.native()), "make a request");
  if (!challenge.empty()) must(gnutls_x509_crq_set_challenge_password(crq, challenge.c_str()), "make a request");
  auto signer = new_privkey();
  must(gnutls_privkey_import_x509(signer.get(), key.native(), 0), "make a request");
  must(gnutls_x509_crq_privkey_sign(crq, signer.get(), GNUTLS_DIG_UNKNOWN, 0), "sign a request");
  Datum der;
  must(gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_DER, der.out()), "write a request");
  return {key.public_key(), node, challenge, der.text()};
}

Result<CertificateRequest> CertificateRequest::from_der(Bytes der) {
  if (der.size() > kMaxSize) return fail(Code::too_large, "a certificate request of {} bytes: at most {} are read", der.size(), kMaxSize);
  auto request = new_crq();
  gnutls_x509_crq_t crq = request.get();
  const gnutls_datum_t input = view(der);
  if (int rc = gnutls_x509_crq_import(crq, &input, GNUTLS_X509_FMT_DER); rc < 0)
    return fail(Code::invalid, "not a certificate request: {}", gnutls_strerror(rc));
  auto key = new_pubkey();
  if (int rc = gnutls_pubkey_import_x509_crq(key.get(), crq, 0); rc < 0)
    return fail(Code::invalid, "the key of the certificate request: {}", gnutls_strerror(rc));
  TRY(check_strength(key.get()));
  if (int rc = gnutls_x509_crq_verify(crq, 0); rc < 0)
    return fail(Code::invalid, "the certificate request is not signed by its own key: {}", gnutls_strerror(rc));
  std::optional<NodeName> node;
  if (auto named = node_of(only_attribute(crq, GNUTLS_OID_X520_COMMON_NAME), {only_attribute(crq, GNUTLS_OID_X520_ORGANIZATION_NAME)}))
    node = *std::move(named);
  return CertificateRequest(PublicKey(std::move(key)), std::move(node), challenge_of(crq), std::string(as_text(der)));
}

Result<CertificateRequest> CertificateRequest::from_pem(std::string_view pem, std::string_view file) {
  const gnutls_datum_t input = view(as_bytes(pem));
  Datum der;
  if (gnutls_pem_base64_decode2("CERTIFICATE REQUEST", &input, der.out()) < 0 &&
      gnutls_pem_base64_decode2("NEW CERTIFICATE REQUEST", &input, der.out()) < 0)
    return fail(Code::invalid, "{} has no certificate request in it (PEM), or it is cut off", file);
  Result<CertificateRequest> request = from_der(der.bytes());
  if (!request) return fail(Error::wrap(std::string(file), request.error()));
  return request;
}

std::string CertificateRequest::to_pem() const {
  Datum text;
  const gnutls_datum_t input = view(der());
  must(gnutls_pem_base64_encode2("CERTIFICATE REQUEST", &input, text.out()), "write a request");
  return text.text();
}

}  // namespace fairlead::pki
