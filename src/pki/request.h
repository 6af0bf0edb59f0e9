// request.h: a certificate signing request (PKCS#10, RFC 2986): how a key that never leaves its machine comes to a certificate.
//
// A CertificateRequest that exists is signed by its own key, and that key is strong enough. What it asks for is only a wish: the
// Authority decides on every name. Immutable, cheap to copy.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "pki/private_key.h"

namespace fairlead::pki {

class CertificateRequest {
 public:
  static constexpr std::size_t kMaxSize = 16_KiB;

  static constexpr std::size_t kMaxChallenge = 128;

  // For an edge: CN=system:node:NAME, O=system:nodes. `challenge`, if there is one, is what the asker was given to show that this request
  // is not an old one (PKCS#9 challengePassword); printable.
  static CertificateRequest make(const PrivateKey& key, const NodeName& node, const std::string& challenge = {});

  static Result<CertificateRequest> from_der(Bytes der);
  static Result<CertificateRequest> from_pem(std::string_view pem, std::string_view file);  // `file` is only named in errors

  const std::optional<NodeName>& node() const { return node_; }  // if the subject is that of a node
  const PublicKey& public_key() const { return public_key_; }
  const std::string& challenge() const { return challenge_; }  // empty: none, or one that is too long
  Bytes der() const { return as_bytes(der_); }
  std::string to_pem() const;

 private:
  CertificateRequest(PublicKey key, std::optional<NodeName> node, std::string challenge, std::string der)
      : public_key_(std::move(key)), node_(std::move(node)), challenge_(std::move(challenge)), der_(std::move(der)) {}
  PublicKey public_key_;
  std::optional<NodeName> node_;
  std::string challenge_;
  std::string der_;
};

}  // namespace fairlead::pki
