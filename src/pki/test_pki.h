// test_pki.h: a CA with a cloud and edges in memory, for the tests of this layer and of those above.
//
//   TestPki pki;
//   pki.cloud();  pki.edge("edge-a");      credentials, valid at TestPki::kNow
#pragma once
#include <memory>
#include <string>

#include "base/ids.h"
#include "pki/authority.h"
#include "pki/credentials.h"

namespace fairlead::pki {

struct TestPki {
  static constexpr WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 11 / 25}};

  explicit TestPki(KeyKind key_kind = KeyKind::p256, WallTime made = kNow)
      : kind(key_kind), now(made), ca(Authority::create(made, kAuthorityLifetime, key_kind)) {}

  TrustStore trust() const { return TrustStore::from_certificates({ca.certificate()}).value(); }

  // The cloud's certificate is for `host`.
  std::shared_ptr<const Credentials> cloud(const std::string& host = "cloud.example", Duration lifetime = kServerLifetime) const {
    const PrivateKey key = PrivateKey::generate(kind);
    return Credentials::make({ca.issue_server(HostName::parse_all({host}).value(), key.public_key(), now, lifetime).value()}, key, trust())
        .value();
  }
  std::shared_ptr<const Credentials> edge(const std::string& name = "edge-a", Duration lifetime = kEdgeLifetime) const {
    const PrivateKey key = PrivateKey::generate(kind);
    return Credentials::make({ca.issue_edge(NodeName::parse(name).value(), key.public_key(), now, lifetime).value()}, key, trust()).value();
  }

  KeyKind kind;
  WallTime now;
  Authority ca;
};

}  // namespace fairlead::pki
