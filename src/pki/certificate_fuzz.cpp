// Whatever a peer shows as its certificate, and whatever a file holds, is read or refused; and nobody gets in who has no certificate of
// the CA.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "pki/identity.h"
#include "pki/request.h"
#include "pki/test_pki.h"

namespace {

using namespace fairlead;
using namespace fairlead::pki;

// The genuine certificates, so that mutations of them are what is tried: the fuzzer's corpus need not know this run's keys.
struct World {
  TestPki pki{KeyKind::ed25519};
  TrustStore trust = pki.trust();
  std::string edge{as_text(pki.edge("edge-a")->certificate()->der())};
  std::string cloud{as_text(pki.cloud("cloud.example")->certificate()->der())};
  std::string authority{as_text(pki.ca.certificate().der())};
};

// The input is a script: what genuine certificate to begin with, then bytes to set, cut and insert.
std::string damaged(const World& world, const std::uint8_t* data, std::size_t size, bool& changed) {
  const std::string& genuine = data[0] % 3 == 0 ? world.edge : data[0] % 3 == 1 ? world.cloud : world.authority;
  std::string der = genuine;
  for (std::size_t i = 1; i + 3 < size && !der.empty(); i += 4) {
    const std::size_t at = (data[i + 1] | (static_cast<std::size_t>(data[i + 2]) << 8)) % der.size();
    switch (data[i] % 4) {
      case 0: der[at] = static_cast<char>(data[i + 3]); break;
      case 1: der[at] = static_cast<char>(der[at] ^ data[i + 3]); break;
      case 2: der.erase(at, data[i + 3]); break;
      case 3: der.insert(at, 1, static_cast<char>(data[i + 3])); break;
    }
  }
  changed = der != genuine;
  return der;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const World world;
  if (size == 0) return 0;
  bool changed = false;
  const std::string der = damaged(world, data, size, changed);
  const std::string_view raw(reinterpret_cast<const char*>(data), size);
  for (std::string_view leaf : {std::string_view(der), raw}) {
    const std::vector<Bytes> chain = {as_bytes(leaf), as_bytes(world.authority)};
    for (const Expectation& expected : {Expectation(ExpectEdge{}), Expectation(ExpectCloud{"cloud.example"})}) {
      auto peer = check_peer(chain, world.trust, expected, {}, TestPki::kNow);
      if (peer && changed) std::abort();
      if (!peer && peer.error().close_text().size() > Refusal::kMaxCloseText) std::abort();
    }
  }
  (void)Certificate::bundle_from_pem(raw, "fuzz");
  (void)CertificateRequest::from_der(as_bytes(raw));
  (void)CertificateRequest::from_pem(raw, "fuzz");
  (void)Refusal::from_close(data[0], raw.substr(1));
  (void)HostName::parse(raw);
  return 0;
}
