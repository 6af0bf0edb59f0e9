// rotation.h: replacing the CA without locking anybody out.
//
//   rotate   ca.pem gets a new CA in front of the old one, and the new one signs from now on. What the cloud shows is still the old one's, so
//            that edges which know only that can come; they get both CAs and a certificate of the new one over their sessions.
//   finish   once every node has said that it holds both: the cloud shows a certificate of the new CA, and the old one is removed.
//
// Every step is files written whole one after the other, in an order in which each moment works; the same call after a crash goes on.
// Blocking: for commands.
#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "enrol/registry.h"

namespace fairlead::enrol {

struct AuthorityState {
  pki::Fingerprint key;
  WallTime not_after;
  bool signs = false;         // certificates of edges
  bool issued_cloud = false;  // what the cloud shows
};

struct RotationState {
  std::vector<AuthorityState> authorities;  // as in ca.pem
  bool under_way = false;
  std::size_t current = 0;        // nodes that hold ca.pem as it is, with a certificate that goes with it
  std::vector<NodeName> missing;  // the others: nodes with a good certificate that have not said so
};

Result<RotationState> rotation_state(const std::filesystem::path& dir, Registry& registry, WallTime now);

// Code::exists when one is under way.
Result<pki::Fingerprint> rotate_authority(const std::filesystem::path& dir, Registry& registry, const Actor& by, WallTime now);

// Code::invalid when none is under way, Code::refused while nodes are missing, unless `force`: those must join anew.
Result<void> finish_rotation(const std::filesystem::path& dir, Registry& registry, const Actor& by, WallTime now, bool force);

}  // namespace fairlead::enrol
