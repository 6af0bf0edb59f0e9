// random.h: what keys, tokens and connection ids are made of: unpredictable bytes and SHA-256, both from GnuTLS.
//
// Thread-safe. A machine that cannot give random bytes is broken: std::runtime_error.
#pragma once
#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/log.h"

namespace fairlead::pki {

void random_bytes(MutableBytes into);
std::uint64_t random_u64();

using Sha256 = std::array<std::byte, 32>;
Sha256 sha256(Bytes of);

// Compares in a time that does not depend on where the two differ.
bool equal_secrets(Bytes a, Bytes b);

}  // namespace fairlead::pki
