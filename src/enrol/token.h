// token.h: what lets an edge join: `fl1.ID.SECRET`. ID names it in lists and logs; SECRET is 160 random bits and stands nowhere but in
// the line that was printed for the operator: the registry keeps its SHA-256 only.
#pragma once
#include <string>
#include <string_view>

#include "base/log.h"
#include "pki/random.h"

namespace fairlead::enrol {

class JoinToken {
 public:
  static constexpr std::string_view kPrefix = "fl1.";  // base/log.cpp masks what follows it
  static constexpr std::size_t kIdBytes = 6;
  static constexpr std::size_t kSecretBytes = 20;
  static constexpr std::size_t kSize = kPrefix.size() + 2 * kIdBytes + 1 + 2 * kSecretBytes;

  static JoinToken generate();
  // Errors never hold the text.
  static Result<JoinToken> parse(std::string_view text);

  const std::string& id() const { return id_; }
  pki::Sha256 secret_hash() const;
  Secret text() const;

 private:
  JoinToken(std::string id, Secret secret) : id_(std::move(id)), secret_(std::move(secret)) {}
  std::string id_;  // 12 hex digits
  Secret secret_;   // 40 hex digits
};

}  // namespace fairlead::enrol
