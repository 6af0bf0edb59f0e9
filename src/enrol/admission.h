// admission.h: the decision about one join, in the order of cost: what a stranger can send is looked at cheapest first, so that a bad token
// costs a look-up, and no signature is verified or made for it.
#pragma once
#include <functional>

#include "enrol/issuer.h"
#include "enrol/join_message.h"
#include "enrol/registry.h"
#include "pki/revocation.h"

namespace fairlead::enrol {

struct Admitted {
  NodeName node;
  pki::Certificate certificate;
  std::string trust_pem;
};

struct AdmissionDesk {
  std::shared_ptr<const Issuing> issuing;
  std::shared_ptr<const pki::RevocationList> revoked;
  // Puts a key that has lost its name on the list of the revoked, before the new one is good. Null: nobody keeps a list.
  std::function<Result<void>(const NodeName& node, const pki::Fingerprint& key)> retire_key;
};

// Blocking: on the registry's thread. `nonce` is what the asker was given.
std::expected<Admitted, JoinRefusal> admit(Registry& registry, const AdmissionDesk& desk, const JoinRequest& request, const Nonce& nonce,
                                           const Actor& by, WallTime now);

}  // namespace fairlead::enrol
