#include "enrol/adoption.h"

#include "base/log.h"

namespace fairlead::enrol {

void note_connected(RegistryDesk& desk, const pki::Identity& peer, const net::SocketAddress& from, WallTime now) {
  if (!peer.node) return;
  desk.post([peer, by = Actor{"node " + peer.node->value(), from.to_text()}, now](Registry& registry) {
    const auto standing = registry.adopt(*peer.node, {peer.fingerprint, peer.serial, peer.not_after}, by, now);
    if (!standing) {
      log::error("enrol", "{}: whether its name is recorded is not known: {}", peer, standing.error());
    } else if (*standing == Registry::Adoption::adopted) {
      log::info("enrol", "{} has a good certificate and was not recorded: its name is bound to its key now", peer);
    } else if (*standing == Registry::Adoption::other_key) {
      log::warn("enrol",
                "{} at {} has another key than the name is bound to; if it is not the machine it should be, `fairlead cert revoke "
                "--fingerprint {}` puts it out",
                peer, by.from, peer.fingerprint);
    }
  });
}

}  // namespace fairlead::enrol
