#include "pki/private_key.h"

#include "pki/files.h"
#include "pki/gnutls_raii.h"

namespace fairlead::pki {
namespace {

constexpr std::size_t kMaxKeyFile = 64_KiB;  // RSA of 16384 bits has 13 KiB of PEM

Fingerprint fingerprint_of(gnutls_pubkey_t key) {
  Sha256 digest;
  std::size_t size = digest.size();
  must(gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, as_u8(MutableBytes(digest)), &size), "hash a public key");
  return Fingerprint(digest);
}

}  // namespace

PublicKey::PublicKey(std::shared_ptr<gnutls_pubkey_st> native) : native_(std::move(native)), fingerprint_(fingerprint_of(native_.get())) {}

PrivateKey PrivateKey::generate(KeyKind kind) {
  std::shared_ptr<gnutls_x509_privkey_int> native = new_x509_privkey();
  const bool p256 = kind == KeyKind::p256;
  must(gnutls_x509_privkey_generate(native.get(), p256 ? GNUTLS_PK_ECDSA : GNUTLS_PK_EDDSA_ED25519,
                                    GNUTLS_CURVE_TO_BITS(p256 ? GNUTLS_ECC_CURVE_SECP256R1 : GNUTLS_ECC_CURVE_ED25519), 0),
       "make a key");
  return PrivateKey(std::move(native));
}

Result<PrivateKey> PrivateKey::from_pem(const Secret& pem, std::string_view file) {
  const std::string& text = pem.reveal();
  if (text.find("PRIVATE KEY-----") == std::string::npos) return fail(Code::invalid, "{} has no private key in it (PEM)", file);
  if (text.find("ENCRYPTED") != std::string::npos)
    return fail(Code::unsupported,
                "the key in {} is encrypted: keep it unencrypted in a file of mode 0600 (`openssl pkey -in FILE -out NEW`)", file);
  std::shared_ptr<gnutls_x509_privkey_int> native = new_x509_privkey();
  const gnutls_datum_t input = view(as_bytes(text));
  if (int rc = gnutls_x509_privkey_import2(native.get(), &input, GNUTLS_X509_FMT_PEM, nullptr, 0); rc < 0)
    return fail(Code::invalid, "the key in {} is cut off or damaged: {}", file, gnutls_strerror(rc));
  PrivateKey key(std::move(native));
  if (Result<void> strong = check_strength(key.public_key().native()); !strong) return fail(Error::wrap(std::string(file), strong.error()));
  return key;
}

Result<PrivateKey> PrivateKey::load(const std::filesystem::path& file) {
  TRY_ASSIGN(Secret pem, read_secret_file(file, kMaxKeyFile));
  return from_pem(pem, file.native());
}

Result<void> PrivateKey::save(const std::filesystem::path& file) const {
  const Secret pem = to_pem();
  return write_file(file, pem.reveal(), 0600);
}

Secret PrivateKey::to_pem() const {
  Datum text;
  must(gnutls_x509_privkey_export2_pkcs8(native_.get(), GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN, text.out()), "write a key");
  return Secret(text.text());
}

PublicKey PrivateKey::public_key() const {
  std::shared_ptr<gnutls_privkey_st> own = new_privkey();
  must(gnutls_privkey_import_x509(own.get(), native_.get(), 0), "read a key");
  std::shared_ptr<gnutls_pubkey_st> half = new_pubkey();
  must(gnutls_pubkey_import_privkey(half.get(), own.get(), 0, 0), "read a key");
  return PublicKey(std::move(half));
}

}  // namespace fairlead::pki
