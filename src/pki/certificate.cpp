#include "pki/certificate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pki/gnutls_raii.h"
#include "pki/names.h"
#include "pki/printable.h"

namespace fairlead::pki {
namespace {

constexpr std::size_t kMaxField = 1024;  // bytes of one name; RFC 5280 has bounds of at most 253 for what is used here

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::unexpected<Error> malformed(const char* part, int rc) { return fail(Code::invalid, "{}: {}", part, gnutls_strerror(rc)); }

// All values of one attribute of the subject's name.
Result<std::vector<std::string>> subject_attributes(gnutls_x509_crt_t crt, const char* oid) {
  std::vector<std::string> values;
  for (unsigned i = 0;; i++) {
    std::array<char, kMaxField> buffer;
    std::size_t size = buffer.size();
    const int rc = gnutls_x509_crt_get_dn_by_oid(crt, oid, i, 0, buffer.data(), &size);
    if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return values;
    if (rc < 0) return malformed("the subject's name", rc);
    if (values.size() == kMaxNames) return fail(Code::too_large, "the subject's name has more than {} parts of one kind", kMaxNames);
    values.emplace_back(buffer.data(), size);
  }
}

Result<std::string> whole_name(gnutls_x509_crt_t crt, int (*get)(gnutls_x509_crt_t, gnutls_datum_t*, unsigned), const char* part) {
  Datum text;
  const int rc = get(crt, text.out(), 0);
  if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return std::string();
  if (rc < 0) return malformed(part, rc);
  return text.text();
}

Result<void> read_alternative_names(gnutls_x509_crt_t crt, std::vector<std::string>& dns, std::vector<std::string>& ip) {
  for (unsigned i = 0;; i++) {
    std::array<char, kMaxField> buffer;
    std::size_t size = buffer.size();
    unsigned critical = 0;
    const int type = gnutls_x509_crt_get_subject_alt_name(crt, i, buffer.data(), &size, &critical);
    if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return {};
    if (type < 0) return malformed("the alternative names", type);
    if (i == kMaxNames) return fail(Code::too_large, "more than {} alternative names", kMaxNames);
    const std::string_view value(buffer.data(), size);
    if (type == GNUTLS_SAN_DNSNAME) {
      // A NUL here is the classic way to have a CA sign "good.example\0.evil.example".
      if (!std::ranges::all_of(value, [](char c) { return c > 0x20 && c < 0x7f; }))
        return fail(Code::invalid, "the alternative name \"{}\" has characters that a DNS name cannot have", printable(value));
      dns.emplace_back(value);
    } else if (type == GNUTLS_SAN_IPADDRESS) {
      if (size != 4 && size != 16) return fail(Code::invalid, "an alternative IP address of {} bytes", size);
      ip.push_back(address_text(value));
    }
  }
}

Result<void> read_uses(gnutls_x509_crt_t crt, bool& for_server, bool& for_client) {
  for (unsigned i = 0;; i++) {
    std::array<char, kMaxField> oid;
    std::size_t size = oid.size();
    unsigned critical = 0;
    const int rc = gnutls_x509_crt_get_key_purpose_oid(crt, i, oid.data(), &size, &critical);
    if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return {};
    if (rc < 0) return malformed("the extended key usage", rc);
    if (i == kMaxNames) return fail(Code::too_large, "more than {} key uses", kMaxNames);
    const std::string_view text(oid.data());
    for_server |= text == GNUTLS_KP_TLS_WWW_SERVER;
    for_client |= text == GNUTLS_KP_TLS_WWW_CLIENT;
  }
}

// RFC 5280 allows the year 9999, nanoseconds end in 2262.
Result<WallTime> wall_time(std::time_t t, const char* part) {
  if (t == static_cast<std::time_t>(-1)) return fail(Code::invalid, "{}: not a time", part);
  constexpr auto kFirst = std::chrono::ceil<std::chrono::seconds>(WallTime::min());
  constexpr auto kLast = std::chrono::floor<std::chrono::seconds>(WallTime::max());
  return WallTime(std::clamp(std::chrono::sys_seconds(std::chrono::seconds(t)), kFirst, kLast));
}

}  // namespace

Result<Fingerprint> Fingerprint::parse(std::string_view hex) {
  Sha256 digest{};
  if (hex.size() != 2 * digest.size()) return fail(Code::invalid, "a fingerprint has {} hex digits, not {}", 2 * digest.size(), hex.size());
  for (std::size_t i = 0; i < hex.size(); i++) {
    if (digit(hex[i]) < 0) return fail(Code::invalid, "a fingerprint has only hex digits, not '{}'", printable(hex.substr(i, 1)));
    digest[i / 2] = (digest[i / 2] << 4) | std::byte(digit(hex[i]));
  }
  return Fingerprint(digest);
}

Result<Serial> Serial::parse(std::string_view hex) {
  std::string digits;
  for (std::size_t i = 0; i < hex.size(); i++) {
    if (hex[i] == ':' && i % 3 == 2 && i + 1 < hex.size()) continue;
    if (digit(hex[i]) < 0) return fail(Code::invalid, "a serial number has only hex digits, not '{}'", printable(hex.substr(i, 1)));
    digits += "0123456789abcdef"[digit(hex[i])];
  }
  if (digits.empty() || digits.size() > 2 * kMaxSize)
    return fail(Code::invalid, "a serial number has 1 to {} hex digits, not {}", 2 * kMaxSize, digits.size());
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return Serial(std::move(digits));
}

Serial Serial::from_bytes(Bytes big_endian) {
  std::string digits = to_hex(big_endian);
  if (digits.empty()) digits = "0";
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return Serial(std::move(digits));
}

Result<Certificate> Certificate::from_der(Bytes der) {
  if (der.empty()) return fail(Code::invalid, "an empty certificate");
  if (der.size() > kMaxCertificateSize)
    return fail(Code::too_large, "a certificate of {} bytes: at most {} are read", der.size(), kMaxCertificateSize);
  std::shared_ptr<gnutls_x509_crt_int> native = new_crt();
  gnutls_x509_crt_t crt = native.get();
  const gnutls_datum_t input = view(der);
  if (int rc = gnutls_x509_crt_import(crt, &input, GNUTLS_X509_FMT_DER); rc < 0) return malformed("not a certificate", rc);

  TRY_ASSIGN(std::vector<std::string> common_names, subject_attributes(crt, GNUTLS_OID_X520_COMMON_NAME));
  TRY_ASSIGN(std::vector<std::string> organizations, subject_attributes(crt, GNUTLS_OID_X520_ORGANIZATION_NAME));
  TRY_ASSIGN(std::string subject, whole_name(crt, gnutls_x509_crt_get_dn3, "the subject's name"));
  TRY_ASSIGN(std::string issuer, whole_name(crt, gnutls_x509_crt_get_issuer_dn3, "the issuer's name"));
  std::vector<std::string> dns, ip;
  TRY(read_alternative_names(crt, dns, ip));
  bool for_server = false, for_client = false;
  TRY(read_uses(crt, for_server, for_client));
  TRY_ASSIGN(WallTime not_before, wall_time(gnutls_x509_crt_get_activation_time(crt), "the begin of validity"));
  TRY_ASSIGN(WallTime not_after, wall_time(gnutls_x509_crt_get_expiration_time(crt), "the end of validity"));

  std::array<std::byte, 64> serial;  // more than RFC 5280 allows, since other CAs' certificates are read too
  std::size_t serial_size = serial.size();
  if (int rc = gnutls_x509_crt_get_serial(crt, serial.data(), &serial_size); rc < 0) return malformed("the serial number", rc);
  Sha256 digest;
  std::size_t digest_size = digest.size();
  if (int rc = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, as_u8(MutableBytes(digest)), &digest_size); rc < 0)
    return malformed("the public key", rc);
  unsigned critical = 0, is_ca = 0;
  int path = 0;
  const int rc = gnutls_x509_crt_get_basic_constraints(crt, &critical, &is_ca, &path);
  if (rc < 0 && rc != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return malformed("the basic constraints", rc);

  return Certificate(std::make_shared<const Parts>(Parts{
      .common_name = common_names.size() == 1 ? common_names.front() : std::string(),
      .subject = std::move(subject),
      .issuer = std::move(issuer),
      .der = std::string(as_text(der)),
      .organizations = std::move(organizations),
      .dns_names = std::move(dns),
      .ip_addresses = std::move(ip),
      .not_before = not_before,
      .not_after = not_after,
      .serial = Serial::from_bytes(Bytes(serial).first(serial_size)),
      .fingerprint = Fingerprint(digest),
      .is_ca = is_ca != 0,
      .for_server = for_server,
      .for_client = for_client,
      .native = std::move(native),
  }));
}

Result<std::vector<Certificate>> Certificate::bundle_from_pem(std::string_view pem, std::string_view file) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----", kEnd = "-----END CERTIFICATE-----";
  std::vector<Certificate> bundle;
  for (std::size_t at = 0; (at = pem.find(kBegin, at)) != std::string_view::npos;) {
    const auto line = 1 + std::ranges::count(pem.substr(0, at), '\n');
    const std::size_t end = pem.find(kEnd, at);
    if (end == std::string_view::npos || pem.substr(at + 1, end - at - 1).find(kBegin) != std::string_view::npos)
      return fail(Code::invalid, "{}:{}: the certificate that begins here has no END line: the file was cut off", file, line);
    const gnutls_datum_t block = view(as_bytes(pem.substr(at, end + kEnd.size() - at)));
    Datum der;
    if (int rc = gnutls_pem_base64_decode2("CERTIFICATE", &block, der.out()); rc < 0)
      return fail(Code::invalid, "{}:{}: the certificate that begins here is damaged: {}", file, line, gnutls_strerror(rc));
    Result<Certificate> certificate = from_der(der.bytes());
    if (!certificate)
      return fail(Error::wrap(fmt::format("{}:{}: the certificate that begins here cannot be read", file, line), certificate.error()));
    bundle.push_back(*std::move(certificate));
    at = end;
  }
  if (!bundle.empty()) return bundle;
  if (pem.find("PRIVATE KEY-----") != std::string_view::npos) return fail(Code::invalid, "{} has a private key, but no certificate", file);
  return fail(Code::invalid, "{} has no certificate in it (PEM, a line \"{}\")", file, kBegin);
}

std::string Certificate::to_pem() const {
  Datum text;
  const gnutls_datum_t input = view(der());
  must(gnutls_pem_base64_encode2("CERTIFICATE", &input, text.out()), "write PEM");
  return text.text();
}

std::string to_pem(const std::vector<Certificate>& chain) {
  std::string text;
  for (const Certificate& certificate : chain) text += certificate.to_pem();
  return text;
}

}  // namespace fairlead::pki
