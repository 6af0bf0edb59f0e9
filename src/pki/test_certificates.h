// test_certificates.h: certificates that no Authority would make, and the openssl program as a second opinion. For this layer's tests.
#pragma once
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pki/authority.h"
#include "pki/gnutls_raii.h"

namespace fairlead::pki {

// Removed with all it holds at the end.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "fairlead-pki-XXXXXX").native();
    path_ = ::mkdtemp(name.data());
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Ran {
  int status;
  std::string output;
};
inline Ran run(const std::string& command) {
  Ran ran{-1, {}};
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
  char buffer[4096];
  while (std::size_t n = ::fread(buffer, 1, sizeof buffer, pipe)) ran.output.append(buffer, n);
  const int status = ::pclose(pipe);
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

// A certificate with exactly what is set here.
struct Draft {
  std::vector<std::string> common_names, organizations, dns_names;
  std::vector<std::string> ip_addresses;  // raw bytes
  std::vector<const char*> uses;
  bool ca = false;
  int path = -1;
  WallTime from, to;
  gnutls_digest_algorithm_t digest = GNUTLS_DIG_SHA256;
  std::optional<std::string> serial;

  Certificate sign(const Certificate& issuer, const PrivateKey& issuer_key, const PublicKey& key) const {
    return Certificate::from_der(as_bytes(sign_der(issuer, issuer_key, key))).value();
  }
  std::string sign_der(const Certificate& issuer, const PrivateKey& issuer_key, const PublicKey& key) const {
    auto native = new_crt();
    gnutls_x509_crt_t crt = native.get();
    const std::string number = serial.value_or("\x01\x02\x03");
    const auto size = [](const std::string& s) { return static_cast<unsigned>(s.size()); };
    const auto seconds = [](WallTime t) { return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count(); };
    must(gnutls_x509_crt_set_version(crt, 3), "version");
    must(gnutls_x509_crt_set_serial(crt, number.data(), number.size()), "serial");
    must(gnutls_x509_crt_set_pubkey(crt, key.native()), "key");
    for (const std::string& v : organizations)
      must(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, v.data(), size(v)), "O");
    for (const std::string& v : common_names)
      must(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, v.data(), size(v)), "CN");
    for (const std::string& v : dns_names)
      must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, v.data(), size(v), GNUTLS_FSAN_APPEND), "DNS");
    for (const std::string& v : ip_addresses)
      must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, v.data(), size(v), GNUTLS_FSAN_APPEND), "IP");
    for (const char* use : uses) must(gnutls_x509_crt_set_key_purpose_oid(crt, use, 0), "use");
    if (ca) must(gnutls_x509_crt_set_basic_constraints(crt, 1, path), "CA");
    must(gnutls_x509_crt_set_activation_time(crt, seconds(from)), "from");
    must(gnutls_x509_crt_set_expiration_time(crt, seconds(to)), "to");
    auto signer = new_privkey();
    must(gnutls_privkey_import_x509(signer.get(), issuer_key.native(), 0), "signer");
    must(gnutls_x509_crt_privkey_sign(crt, issuer.native(), signer.get(), digest, 0), "sign");
    Datum der;
    must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, der.out()), "export");
    return der.text();
  }
};

}  // namespace fairlead::pki
