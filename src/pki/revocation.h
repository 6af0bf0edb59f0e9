// revocation.h: who is no longer to be let in although the certificate is good: the file `revoked`.
//
//   # left on a train
//   node edge-7
//   fingerprint 3f0c...64 hex digits       # the key, whatever certificate it comes with
//   serial 7a:00:19                        # this one certificate
//
// One entry a line, `#` begins a comment. Immutable: a changed file is loaded anew, and the caller puts the new list in the place of the
// old one (and asks refuse_if_ended() of identity.h about the sessions that are up).
#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/ids.h"
#include "pki/certificate.h"

namespace fairlead::pki {

class RevocationList {
 public:
  static constexpr std::size_t kMaxFileSize = 16_MiB;  // 200,000 fingerprints; a longer list wants new keys, or a new CA

  RevocationList() = default;  // nobody is revoked

  // Errors name file and line. An entry may come twice.
  static Result<RevocationList> parse(std::string_view text, std::string_view file);
  static Result<RevocationList> load(const std::filesystem::path& file);

  struct Entry {
    std::size_t line;
    std::string comment;  // what stands behind # on the line
  };
  // The entry that covers any of these, if there is one; `node` may be null. Three hash look-ups.
  const Entry* find(const Fingerprint& fingerprint, const Serial& serial, const NodeName* node) const;

  std::size_t size() const { return fingerprints_.size() + serials_.size() + nodes_.size(); }

 private:
  std::unordered_map<Fingerprint, Entry> fingerprints_;
  std::unordered_map<Serial, Entry> serials_;
  std::unordered_map<NodeName, Entry> nodes_;
};

}  // namespace fairlead::pki
