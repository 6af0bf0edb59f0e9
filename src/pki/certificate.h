// certificate.h: one X.509 certificate (RFC 5280), parsed. A Certificate that exists could be read whole: every field below is
// present and within its limits. Whether it is to be trusted is another question: identity.h.
//
// Immutable and cheap to copy (the parts are shared); may be read from any thread.
#pragma once
#include <compare>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "pki/random.h"

struct gnutls_x509_crt_int;

namespace fairlead::pki {

constexpr std::size_t kMaxCertificateSize = 16_KiB;  // DER; ours have 600 bytes, one with 100 names of 100 bytes has 11 KiB
constexpr std::size_t kMaxChain = 8;                 // certificates a peer may send; public CAs use 3
constexpr std::size_t kMaxBundleSize = 1_MiB;        // a PEM file; Debian's whole list of public CAs has 220 KiB
constexpr std::size_t kMaxNames = 256;               // alternative names of one certificate

// SHA-256 of the public key (SubjectPublicKeyInfo): the same for every certificate of one key. Text: 64 hex digits.
class Fingerprint {
 public:
  explicit Fingerprint(const Sha256& digest) : digest_(digest) {}
  static Result<Fingerprint> parse(std::string_view hex);
  std::string to_text() const { return to_hex(digest_); }
  const Sha256& bytes() const { return digest_; }
  friend auto operator<=>(const Fingerprint&, const Fingerprint&) = default;

 private:
  Sha256 digest_;
};

// A certificate's serial number, unique within its CA. Text: lower-case hex without leading zeros, as `openssl x509 -serial` has it
// in upper case; parsing takes either, and colons between bytes.
class Serial {
 public:
  static constexpr std::size_t kMaxSize = 20;  // bytes: RFC 5280, 4.1.2.2
  static Result<Serial> parse(std::string_view hex);
  static Serial from_bytes(Bytes big_endian);
  const std::string& to_text() const { return hex_; }
  friend auto operator<=>(const Serial&, const Serial&) = default;

 private:
  explicit Serial(std::string hex) : hex_(std::move(hex)) {}
  std::string hex_;
};

class Certificate {
 public:
  static Result<Certificate> from_der(Bytes der);

  // `file` is only named in errors. A bundle has one certificate or more; text between them is skipped, as OpenSSL does.
  static Result<std::vector<Certificate>> bundle_from_pem(std::string_view pem, std::string_view file);

  const std::string& common_name() const { return parts_->common_name; }  // "" if there is none, or more than one
  const std::vector<std::string>& organizations() const { return parts_->organizations; }
  const std::vector<std::string>& dns_names() const { return parts_->dns_names; }
  const std::vector<std::string>& ip_addresses() const { return parts_->ip_addresses; }  // as inet_ntop writes them
  const std::string& subject() const { return parts_->subject; }                         // RFC 4514; for people, may hold anything
  const std::string& issuer() const { return parts_->issuer; }
  WallTime not_before() const { return parts_->not_before; }
  WallTime not_after() const { return parts_->not_after; }
  const Serial& serial() const { return parts_->serial; }
  const Fingerprint& fingerprint() const { return parts_->fingerprint; }
  bool is_ca() const { return parts_->is_ca; }
  bool for_server() const { return parts_->for_server; }  // extended key usage serverAuth
  bool for_client() const { return parts_->for_client; }  // extended key usage clientAuth
  Bytes der() const { return as_bytes(parts_->der); }
  std::string to_pem() const;

  gnutls_x509_crt_int* native() const { return parts_->native.get(); }

 private:
  struct Parts {
    std::string common_name, subject, issuer, der;
    std::vector<std::string> organizations, dns_names, ip_addresses;
    WallTime not_before, not_after;
    Serial serial;
    Fingerprint fingerprint;
    bool is_ca, for_server, for_client;
    std::shared_ptr<gnutls_x509_crt_int> native;
  };
  explicit Certificate(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}
  std::shared_ptr<const Parts> parts_;  // shared: a certificate is kept by credentials, trust stores and sessions alike
};

std::string to_pem(const std::vector<Certificate>& chain);

}  // namespace fairlead::pki

template <>
struct std::hash<fairlead::pki::Fingerprint> {
  std::size_t operator()(const fairlead::pki::Fingerprint& f) const { return std::hash<std::string_view>{}(fairlead::as_text(f.bytes())); }
};
template <>
struct std::hash<fairlead::pki::Serial> {
  std::size_t operator()(const fairlead::pki::Serial& s) const { return std::hash<std::string>{}(s.to_text()); }
};
template <>
struct fmt::formatter<fairlead::pki::Fingerprint> : fairlead::TextFormatter {
  auto format(const fairlead::pki::Fingerprint& f, fmt::format_context& ctx) const { return text(f.to_text(), ctx); }
};
template <>
struct fmt::formatter<fairlead::pki::Serial> : fairlead::TextFormatter {
  auto format(const fairlead::pki::Serial& s, fmt::format_context& ctx) const { return text(s.to_text(), ctx); }
};
