// gnutls_raii.h: GnuTLS values that free themselves. For the .cpp files of this layer and of TLS in net only.
#pragma once
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace fairlead::pki {

// A view for a call that only reads; GnuTLS's own type has no const.
inline gnutls_datum_t view(Bytes bytes) { return {const_cast<unsigned char*>(as_u8(bytes)), static_cast<unsigned>(bytes.size())}; }

// What GnuTLS allocates for its caller; wiped before it is freed, since it may be a key.
class Datum {
 public:
  Datum() = default;
  Datum(const Datum&) = delete;
  Datum& operator=(const Datum&) = delete;
  ~Datum() {
    if (datum_.data != nullptr) gnutls_memset(datum_.data, 0, datum_.size);
    gnutls_free(datum_.data);
  }
  gnutls_datum_t* out() { return &datum_; }
  const gnutls_datum_t* get() const { return &datum_; }
  std::string text() const { return {reinterpret_cast<const char*>(datum_.data), datum_.size}; }
  Bytes bytes() const { return from_u8(datum_.data, datum_.size); }

 private:
  gnutls_datum_t datum_{};
};

// For calls that fail only without memory or by a defect of ours.
inline void must(int rc, const char* what) {
  if (rc < 0) throw std::runtime_error(std::string(what) + ": " + gnutls_strerror(rc));
}

template <auto Init, auto Deinit, class T>
std::shared_ptr<T> make_native() {
  T* raw = nullptr;
  must(Init(&raw), "GnuTLS");
  return std::shared_ptr<T>(raw, [](T* p) { Deinit(p); });
}
inline auto new_crt() { return make_native<gnutls_x509_crt_init, gnutls_x509_crt_deinit, gnutls_x509_crt_int>(); }
inline auto new_crq() { return make_native<gnutls_x509_crq_init, gnutls_x509_crq_deinit, gnutls_x509_crq_int>(); }
inline auto new_x509_privkey() { return make_native<gnutls_x509_privkey_init, gnutls_x509_privkey_deinit, gnutls_x509_privkey_int>(); }
inline auto new_privkey() { return make_native<gnutls_privkey_init, gnutls_privkey_deinit, gnutls_privkey_st>(); }
inline auto new_pubkey() { return make_native<gnutls_pubkey_init, gnutls_pubkey_deinit, gnutls_pubkey_st>(); }

// Algorithm and size that may sign for a peer: ECDSA from 256 bits, Ed25519, RSA from 2048 bits.
inline Result<void> check_strength(gnutls_pubkey_t key) {
  unsigned bits = 0;
  const int algorithm = gnutls_pubkey_get_pk_algorithm(key, &bits);
  if (algorithm == GNUTLS_PK_EDDSA_ED25519 || (algorithm == GNUTLS_PK_ECDSA && bits >= 256)) return {};
  if ((algorithm == GNUTLS_PK_RSA || algorithm == GNUTLS_PK_RSA_PSS) && bits >= 2048) return {};
  const char* name = gnutls_pk_get_name(static_cast<gnutls_pk_algorithm_t>(algorithm));
  return fail(Code::unsupported, "a key of {} bits for {}: use ECDSA (P-256), Ed25519, or RSA of 2048 bits or more", bits,
              name != nullptr ? name : "an unknown algorithm");
}

}  // namespace fairlead::pki
