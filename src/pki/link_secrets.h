// link_secrets.h: the keys that a server keeps to itself, all derived from one master secret (`secret.key`), so that every replica which
// has that file can open the tickets, tokens and connection ids of the others.
//
//   64 hex digits
//   ca HEX           a CA of the cloud that it is of, one a line: who shares the secret has the same CAs (folder.h, load_cloud)
#pragma once
#include <cstddef>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "pki/certificate.h"

namespace fairlead::pki {

class MasterSecret {
 public:
  static constexpr std::size_t kSize = 32;

  static MasterSecret generate();
  static Result<MasterSecret> from_text(const Secret& text, std::string_view file);  // as save() writes it
  static Result<MasterSecret> load(const std::filesystem::path& file);
  Result<void> save(const std::filesystem::path& file) const;  // mode 0600, whole or not at all

  const std::vector<Fingerprint>& authorities() const { return authorities_; }  // none: not said
  void set_authorities(std::vector<Fingerprint> authorities) { authorities_ = std::move(authorities); }

  // HKDF-SHA-256 (RFC 5869). Different labels give keys that tell nothing of each other. `size` is at most 255 * 32.
  Secret derive(std::string_view label, std::size_t size) const;

 private:
  explicit MasterSecret(Secret bytes) : bytes_(std::move(bytes)) {}
  Secret bytes_;
  std::vector<Fingerprint> authorities_;
};

struct LinkSecrets {
  explicit LinkSecrets(const MasterSecret& master);

  Secret session_ticket;   // 64 bytes, for gnutls_session_ticket_enable_server, which changes the working key with time by itself
  Secret address_token;    // 32: Retry and NEW_TOKEN
  Secret stateless_reset;  // 32
};

}  // namespace fairlead::pki
