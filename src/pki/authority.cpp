#include "pki/authority.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pki/files.h"
#include "pki/gnutls_raii.h"

namespace fairlead::pki {
namespace {

constexpr std::size_t kMaxCommonName = 64;  // X.520, ub-common-name; a longer host stands in the alternative names only

std::time_t seconds(WallTime at) { return std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count(); }

void set_subject(gnutls_x509_crt_t crt, const char* oid, std::string_view value) {
  must(gnutls_x509_crt_set_dn_by_oid(crt, oid, 0, value.data(), static_cast<unsigned>(value.size())), "name a certificate");
}

// What all certificates have: a serial number from 127 random bits, the key and the two key identifiers.
void set_common(gnutls_x509_crt_t crt, const PublicKey& key, WallTime from, WallTime to) {
  std::array<std::byte, 16> serial;
  random_bytes(serial);
  serial[0] = (serial[0] & std::byte{0x3f}) | std::byte{0x40};  // positive, and never shorter
  must(gnutls_x509_crt_set_version(crt, 3), "make a certificate");
  must(gnutls_x509_crt_set_serial(crt, serial.data(), serial.size()), "make a certificate");
  must(gnutls_x509_crt_set_activation_time(crt, seconds(from)), "make a certificate");
  must(gnutls_x509_crt_set_expiration_time(crt, seconds(to)), "make a certificate");
  must(gnutls_x509_crt_set_pubkey(crt, key.native()), "make a certificate");
  const Bytes key_id = Bytes(key.fingerprint().bytes()).first(20);  // RFC 7093, method 4
  must(gnutls_x509_crt_set_subject_key_id(crt, key_id.data(), key_id.size()), "make a certificate");
}

Certificate sign(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer, const PrivateKey& key) {
  auto signer = new_privkey();
  must(gnutls_privkey_import_x509(signer.get(), key.native(), 0), "read the CA's key");
  must(gnutls_x509_crt_privkey_sign(crt, issuer, signer.get(), GNUTLS_DIG_UNKNOWN, 0), "sign a certificate");
  Datum der;
  must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, der.out()), "write a certificate");
  Result<Certificate> made = Certificate::from_der(der.bytes());
  if (!made) throw std::runtime_error("our own certificate cannot be read: " + made.error().describe());
  return *std::move(made);
}

// An end entity's certificate without its names.
Result<std::shared_ptr<gnutls_x509_crt_int>> draft(const Certificate& ca, const PublicKey& key, const char* use, WallTime now,
                                                   Duration lifetime) {
  if (lifetime <= 0s) return fail(Code::invalid, "a lifetime of {} is none", to_text(lifetime));
  if (now >= ca.not_after())
    return fail(Code::invalid, "the CA's certificate expired at {}: a new CA is needed (the clock says {})", to_rfc3339(ca.not_after()),
                to_rfc3339(now));
  auto native = new_crt();
  const WallTime end = lifetime >= ca.not_after() - now ? ca.not_after() : now + lifetime;
  set_common(native.get(), key, now - kBackdated, end);
  must(gnutls_x509_crt_set_basic_constraints(native.get(), 0, -1), "make a certificate");
  must(gnutls_x509_crt_set_key_usage(native.get(), GNUTLS_KEY_DIGITAL_SIGNATURE), "make a certificate");
  must(gnutls_x509_crt_set_key_purpose_oid(native.get(), use, 0), "make a certificate");
  std::array<std::byte, 64> key_id;
  std::size_t size = key_id.size();
  if (gnutls_x509_crt_get_subject_key_id(ca.native(), key_id.data(), &size, nullptr) == 0)  // a CA from elsewhere may have none
    must(gnutls_x509_crt_set_authority_key_id(native.get(), key_id.data(), size), "make a certificate");
  return native;
}

}  // namespace

Authority Authority::create(WallTime now, Duration lifetime, KeyKind kind) {
  PrivateKey key = PrivateKey::generate(kind);
  const PublicKey public_key = key.public_key();
  auto native = new_crt();
  set_common(native.get(), public_key, now - kBackdated, now + lifetime);
  // The name tells one CA from another in messages, and keeps a chain from matching the wrong one.
  set_subject(native.get(), GNUTLS_OID_X520_COMMON_NAME, fmt::format("Fairlead CA {}", public_key.fingerprint().to_text().substr(0, 16)));
  must(gnutls_x509_crt_set_basic_constraints(native.get(), 1, 0), "make a CA");  // signs end entities, no other CA
  must(gnutls_x509_crt_set_key_usage(native.get(), GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN), "make a CA");
  Certificate certificate = sign(native.get(), native.get(), key);
  return {std::move(certificate), std::move(key)};
}

Result<Authority> Authority::make(Certificate certificate, PrivateKey key) {
  if (!certificate.is_ca()) return fail(Code::invalid, "the certificate is not a CA's");
  if (key.public_key().fingerprint() != certificate.fingerprint())
    return fail(Code::invalid, "the key is not the one of the CA's certificate");
  return Authority(std::move(certificate), std::move(key));
}

Result<Authority> Authority::load(const std::filesystem::path& certificate_file, const std::filesystem::path& key_file) {
  TRY_ASSIGN(std::string pem, read_file(certificate_file, kMaxBundleSize));
  TRY_ASSIGN(std::vector<Certificate> bundle, Certificate::bundle_from_pem(pem, certificate_file.native()));
  TRY_ASSIGN(PrivateKey key, PrivateKey::load(key_file));
  // While a CA is being replaced the file holds two: the one that signs is the one whose key is there.
  const Fingerprint signer = key.public_key().fingerprint();
  auto found = std::ranges::find(bundle, signer, &Certificate::fingerprint);
  if (found == bundle.end())
    return fail(Code::invalid, "the key in {} is not that of a certificate in {}: one of the two is from another CA", key_file.native(),
                certificate_file.native());
  Result<Authority> authority = make(*found, std::move(key));
  if (!authority) return fail(Error::wrap(certificate_file.native(), authority.error()));
  return authority;
}

Result<Certificate> Authority::issue_server(const std::vector<HostName>& names, const PublicKey& key, WallTime now,
                                            Duration lifetime) const {
  if (names.empty()) return fail(Code::invalid, "a server's certificate needs a name");
  if (names.size() > kMaxNames) return fail(Code::too_large, "{} names: a certificate has at most {}", names.size(), kMaxNames);
  TRY_ASSIGN(auto native, draft(certificate_, key, GNUTLS_KP_TLS_WWW_SERVER, now, lifetime));
  set_subject(native.get(), GNUTLS_OID_X520_ORGANIZATION_NAME, "Fairlead");
  if (names.front().text().size() <= kMaxCommonName) set_subject(native.get(), GNUTLS_OID_X520_COMMON_NAME, names.front().text());
  for (const HostName& name : names) {
    const bool ip = name.kind() == HostName::Kind::ip;
    const std::string value = ip ? name.address_bytes() : name.text();
    must(gnutls_x509_crt_set_subject_alt_name(native.get(), ip ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME, value.data(),
                                              static_cast<unsigned>(value.size()), GNUTLS_FSAN_APPEND),
         "name a certificate");
  }
  return sign(native.get(), certificate_.native(), key_);
}

Result<Certificate> Authority::issue_edge(const NodeName& node, const PublicKey& key, WallTime now, Duration lifetime) const {
  TRY_ASSIGN(auto native, draft(certificate_, key, GNUTLS_KP_TLS_WWW_CLIENT, now, lifetime));
  set_subject(native.get(), GNUTLS_OID_X520_ORGANIZATION_NAME, kNodeGroup);
  set_subject(native.get(), GNUTLS_OID_X520_COMMON_NAME, std::string(kNodeNamePrefix) + node.value());
  return sign(native.get(), certificate_.native(), key_);
}

}  // namespace fairlead::pki
