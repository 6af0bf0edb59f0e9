// private_key.h: a private key and its public half. Its text exists only as Secret and in files of mode 0600.
//
// Immutable, cheap to copy; may be used from any thread.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "base/log.h"
#include "pki/certificate.h"

struct gnutls_pubkey_st;
struct gnutls_x509_privkey_int;

namespace fairlead::pki {

enum class KeyKind : std::uint8_t {
  p256,     // ECDSA over P-256: what everything understands
  ed25519,  // signatures of a fixed size: a handshake has the same length each time, which a replayed simulation needs
};

class PublicKey {
 public:
  explicit PublicKey(std::shared_ptr<gnutls_pubkey_st> native);
  const Fingerprint& fingerprint() const { return fingerprint_; }
  gnutls_pubkey_st* native() const { return native_.get(); }

 private:
  std::shared_ptr<gnutls_pubkey_st> native_;
  Fingerprint fingerprint_;
};

class PrivateKey {
 public:
  static PrivateKey generate(KeyKind kind = KeyKind::p256);

  // PKCS#8, SEC 1 or PKCS#1 PEM, unencrypted. `file` is only named in errors.
  static Result<PrivateKey> from_pem(const Secret& pem, std::string_view file);
  static Result<PrivateKey> load(const std::filesystem::path& file);  // warns in the log when others may read the file

  Result<void> save(const std::filesystem::path& file) const;  // PKCS#8; mode 0600, whole or not at all
  Secret to_pem() const;
  PublicKey public_key() const;
  gnutls_x509_privkey_int* native() const { return native_.get(); }

 private:
  explicit PrivateKey(std::shared_ptr<gnutls_x509_privkey_int> native) : native_(std::move(native)) {}
  std::shared_ptr<gnutls_x509_privkey_int> native_;  // shared: credentials keep the key as long as sessions use them
};

}  // namespace fairlead::pki
