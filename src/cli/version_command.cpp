#include <fmt/format.h>

#include "app/version.h"
#include "cli/commands.h"
#include "wire/message.h"

namespace fairlead::cli {

Outcome run(const VersionCommand& command) {
  if (command.output == Output::json)
    fmt::print("{{\"version\":\"{}\",\"protocol\":{{\"min\":{},\"max\":{}}}}}\n", app::kVersion, wire::kVersionMin, wire::kVersionMax);
  else
    fmt::print("fairlead {} (protocol {} to {})\n", app::kVersion, wire::kVersionMin, wire::kVersionMax);
  return ExitStatus::ok;
}

}  // namespace fairlead::cli
