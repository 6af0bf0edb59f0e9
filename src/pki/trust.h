// trust.h: the certificate authorities whose word counts: what `ca.pem` holds.
//
// Immutable, never empty, cheap to copy; may be used from any thread.
#pragma once
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pki/certificate.h"

struct gnutls_x509_trust_list_st;

namespace fairlead::pki {

class TrustStore {
 public:
  // Every certificate must be a CA's. Two at a time is how a CA is replaced.
  static Result<TrustStore> from_certificates(std::vector<Certificate> authorities);
  static Result<TrustStore> from_pem(std::string_view pem, std::string_view file);
  static Result<TrustStore> load(const std::filesystem::path& file);

  const std::vector<Certificate>& authorities() const { return parts_->authorities; }
  std::string fingerprints() const;  // of all, shortened, for messages

  enum class Verdict : std::uint8_t { trusted, unknown_issuer, weak_signature, malformed };
  // Whether the chain (leaf first) leads to one of the authorities. Says nothing of times, use or names.
  Verdict verify(std::span<const Certificate> chain) const;

 private:
  struct Parts {
    std::vector<Certificate> authorities;
    std::shared_ptr<gnutls_x509_trust_list_st> list;
  };
  explicit TrustStore(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}
  std::shared_ptr<const Parts> parts_;  // shared: one store serves every session, and outlives a rotation while they live
};

}  // namespace fairlead::pki
