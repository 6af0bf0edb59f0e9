// backup.h: a cloud's folder as one file, taken while the cloud runs, and a folder made from it again.
//
// A backup holds what the cloud is: CA, keys, secret, state, revocations, configuration, rules. Whoever has it is the cloud. Files are of
// one moment as far as commands change them (they wait for each other), and the state is of one transaction. Blocking: for commands.
#pragma once
#include <filesystem>

#include "enrol/registry.h"

namespace fairlead::enrol {

// `file` (mode 0600) is there whole or not at all, and may not exist. Returns how many files it holds.
Result<std::size_t> back_up(const std::filesystem::path& dir, const std::filesystem::path& file, Registry& registry, const Actor& by,
                            WallTime now);

struct Restored {
  std::size_t files = 0;
  std::size_t tokens_revoked = 0;
};
// `dir` is there complete or not at all; one that exists and is not empty is refused. A folder that no cloud could run on is not made.
// Tokens that were good then are revoked: they may have been spent since.
Result<Restored> restore(const std::filesystem::path& file, const std::filesystem::path& dir, const Actor& by, WallTime now);

}  // namespace fairlead::enrol
