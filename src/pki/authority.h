// authority.h: Fairlead's own CA: it alone decides what a certificate says, whatever a request wished for.
//
// Every certificate begins an hour before `now` (edges without a battery clock start in the past) and ends with the CA's at the latest.
// Immutable, cheap to copy; signing is about 0.1 ms.
#pragma once
#include <filesystem>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "pki/certificate.h"
#include "pki/names.h"
#include "pki/private_key.h"

namespace fairlead::pki {

constexpr Duration kAuthorityLifetime = 24h * 3650;
constexpr Duration kServerLifetime = 24h * 365;
constexpr Duration kEdgeLifetime = 24h * 365;
constexpr Duration kBackdated = 1h;

class Authority {
 public:
  static Authority create(WallTime now, Duration lifetime = kAuthorityLifetime, KeyKind kind = KeyKind::p256);

  // Refuses a certificate that is no CA's, and a key that is not its own.
  static Result<Authority> make(Certificate certificate, PrivateKey key);
  static Result<Authority> load(const std::filesystem::path& certificate_file, const std::filesystem::path& key_file);

  // serverAuth; `names` must not be empty. The key comes from PrivateKey::public_key() or CertificateRequest::public_key().
  Result<Certificate> issue_server(const std::vector<HostName>& names, const PublicKey& key, WallTime now,
                                   Duration lifetime = kServerLifetime) const;

  // clientAuth, CN=system:node:NAME, O=system:nodes.
  Result<Certificate> issue_edge(const NodeName& node, const PublicKey& key, WallTime now, Duration lifetime = kEdgeLifetime) const;

  const Certificate& certificate() const { return certificate_; }
  const PrivateKey& key() const { return key_; }

 private:
  Authority(Certificate certificate, PrivateKey key) : certificate_(std::move(certificate)), key_(std::move(key)) {}
  Certificate certificate_;
  PrivateKey key_;
};

}  // namespace fairlead::pki
