#include <fmt/format.h>

#include "cli/commands.h"
#include "enrol/backup.h"
#include "pki/folder.h"

namespace fairlead::cli {
namespace {

WallTime now() { return std::chrono::system_clock::now(); }

}  // namespace

Outcome run(const BackupCommand& command) {
  TRY(pki::load_cloud(command.dir));
  TRY_ASSIGN(enrol::Registry registry, enrol::Registry::open(command.dir));
  TRY_ASSIGN(const std::size_t files, enrol::back_up(command.dir, command.out, registry, enrol::Actor::operator_here(), now()));
  fmt::print("Wrote {} files to {}. It has all keys: keep it as safe as the folder itself.\n", files, command.out.native());
  return ExitStatus::ok;
}

Outcome run(const RestoreCommand& command) {
  TRY_ASSIGN(const enrol::Restored done, enrol::restore(command.file, command.dir, enrol::Actor::operator_here(), now()));
  fmt::print(
      "Made {} with {} files. {} tokens that were good then are revoked.\n"
      "What was decided since the backup is not in it: look at nodes that have joined or were revoked since.\n",
      command.dir.native(), done.files, done.tokens_revoked);
  return ExitStatus::ok;
}

}  // namespace fairlead::cli
