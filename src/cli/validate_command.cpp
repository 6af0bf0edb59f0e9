#include <fmt/format.h>

#include <cstdio>
#include <iostream>

#include "cli/commands.h"
#include "route/validation.h"

namespace fairlead::cli {

Outcome run(const ValidateCommand& command) {
  std::vector<std::string> paths;
  for (const std::filesystem::path& path : command.paths) paths.push_back(path.native());
  const route::Report report = route::validate(paths, std::cin);
  if (command.output == Output::json)
    fmt::print("{}\n", report.to_json());
  else
    fmt::print(report.is_valid() ? stdout : stderr, "{}", report.to_text());
  return report.is_valid() ? ExitStatus::ok : ExitStatus::failed;
}

}  // namespace fairlead::cli
