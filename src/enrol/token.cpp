#include "enrol/token.h"

#include <algorithm>
#include <array>

namespace fairlead::enrol {
namespace {

template <std::size_t N>
std::string random_hex() {
  std::array<std::byte, N> bytes;
  pki::random_bytes(bytes);
  return to_hex(bytes);
}

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

JoinToken JoinToken::generate() { return {random_hex<kIdBytes>(), Secret(random_hex<kSecretBytes>())}; }

Result<JoinToken> JoinToken::parse(std::string_view text) {
  const auto wrong = [] {
    return fail(Code::invalid, "this is no token: a token is fl1.ID.SECRET, {} characters, as `fairlead token create` prints it", kSize);
  };
  if (text.size() != kSize || !text.starts_with(kPrefix)) return wrong();
  const std::string_view id = text.substr(kPrefix.size(), 2 * kIdBytes);
  const std::string_view secret = text.substr(kSize - 2 * kSecretBytes);
  if (text[kPrefix.size() + 2 * kIdBytes] != '.' || !is_hex(id) || !is_hex(secret)) return wrong();
  return JoinToken(std::string(id), Secret(std::string(secret)));
}

// Plain SHA-256: the secret is random and long, so there is nothing for a slow hash to protect.
pki::Sha256 JoinToken::secret_hash() const { return pki::sha256(as_bytes(secret_.reveal())); }

Secret JoinToken::text() const { return Secret(std::string(kPrefix) + id_ + "." + secret_.reveal()); }

}  // namespace fairlead::enrol
