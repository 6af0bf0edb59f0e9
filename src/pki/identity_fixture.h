// identity_fixture.h: a CA with an edge and a cloud, and what check_peer() says of chains. For the tests of identity.h.
#pragma once
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "pki/identity.h"
#include "pki/test_certificates.h"
#include "pki/test_pki.h"

namespace fairlead::pki {

constexpr WallTime kNow = TestPki::kNow;

inline std::expected<Identity, Refusal> check(const std::vector<Certificate>& chain, const TrustStore& trust, const Expectation& expected,
                                              WallTime now = kNow, const RevocationList& revoked = {}) {
  std::vector<Bytes> der;
  for (const Certificate& certificate : chain) der.push_back(certificate.der());
  return check_peer(der, trust, expected, revoked, now);
}

class Identities : public testing::Test {
 protected:
  // A certificate of this CA for a fresh key, from a Draft that is valid now.
  Certificate odd(Draft draft) const {
    if (draft.from == WallTime{}) draft.from = kNow - 1h;
    if (draft.to == WallTime{}) draft.to = kNow + 1h;
    return draft.sign(pki.ca.certificate(), pki.ca.key(), PrivateKey::generate().public_key());
  }
  Refusal refused_edge(const std::vector<Certificate>& chain, WallTime now = kNow, const RevocationList& revoked = {}) const {
    auto checked = check(chain, pki.trust(), ExpectEdge{}, now, revoked);
    EXPECT_FALSE(checked);
    return checked ? Refusal{} : checked.error();
  }
  Refusal refused_cloud(const std::vector<Certificate>& chain, const std::string& host = "cloud.example", WallTime now = kNow) const {
    auto checked = check(chain, pki.trust(), ExpectCloud{host}, now);
    EXPECT_FALSE(checked);
    return checked ? Refusal{} : checked.error();
  }

  TestPki pki;
  std::vector<Certificate> edge = pki.edge("edge-a")->chain();
  std::vector<Certificate> cloud = pki.cloud("cloud.example")->chain();
};

}  // namespace fairlead::pki
