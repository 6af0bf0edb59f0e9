#include "pki/random.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <stdexcept>

namespace fairlead::pki {

void random_bytes(MutableBytes into) {
  if (gnutls_rnd(GNUTLS_RND_KEY, into.data(), into.size()) != 0) throw std::runtime_error("this machine gives no random bytes");
}

std::uint64_t random_u64() {
  std::uint64_t number = 0;
  random_bytes(std::as_writable_bytes(std::span(&number, 1)));
  return number;
}

Sha256 sha256(Bytes of) {
  Sha256 digest;
  if (gnutls_hash_fast(GNUTLS_DIG_SHA256, of.data(), of.size(), digest.data()) != 0) throw std::runtime_error("GnuTLS gives no SHA-256");
  return digest;
}

bool equal_secrets(Bytes a, Bytes b) { return a.size() == b.size() && gnutls_memcmp(a.data(), b.data(), a.size()) == 0; }

}  // namespace fairlead::pki
