// credentials.h: what one end of a handshake shows and whom it trusts.
//
// Immutable once made; shared by every session that began with it, so that a rotation leaves living sessions alone. The trust store is not
// given to GnuTLS: verification is check_peer()'s alone, and a server that names its CAs would make an edge of another CA show no
// certificate at all, where the message is to be "wrong CA". A server asks for a certificate with GNUTLS_CERT_REQUEST, not REQUIRE, for
// the same reason.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "pki/certificate.h"
#include "pki/private_key.h"
#include "pki/trust.h"

struct gnutls_certificate_credentials_st;

namespace fairlead::pki {

class Credentials {
 public:
  // `chain`: the own certificate first, then what leads to a CA. Refuses a key that is not the certificate's.
  static Result<std::shared_ptr<const Credentials>> make(std::vector<Certificate> chain, const PrivateKey& key, TrustStore trust);

  // Shows nothing: a client that has no certificate yet. Without `trust` the caller judges the peer by other means.
  static std::shared_ptr<const Credentials> anonymous(std::optional<TrustStore> trust = std::nullopt);

  const Certificate* certificate() const { return chain_.empty() ? nullptr : &chain_.front(); }
  const std::vector<Certificate>& chain() const { return chain_; }
  const TrustStore& trust() const { return trust_.value(); }                   // there must be one
  gnutls_certificate_credentials_st* native() const { return native_.get(); }  // a gnutls_certificate_credentials_t

 private:
  Credentials(std::vector<Certificate> chain, std::optional<TrustStore> trust);
  std::vector<Certificate> chain_;
  std::optional<TrustStore> trust_;
  std::shared_ptr<gnutls_certificate_credentials_st> native_;
};

}  // namespace fairlead::pki
