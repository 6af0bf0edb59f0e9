#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>

#include "cli/commands.h"
#include "route/directory.h"

namespace fairlead::cli {
namespace {

// All manifests of a file, a folder or standard input ("-"), with what is wrong.
void read_manifests(const std::filesystem::path& path, route::Manifests& into, std::vector<route::Problem>& problems) {
  std::vector<std::filesystem::path> files{path};
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) files = route::manifest_files(path);
  for (const std::filesystem::path& file : files) {
    const bool standard_input = file == "-";
    route::Problems found(standard_input ? "standard input" : file.string());
    Result<std::string> text = standard_input ? std::string(std::istreambuf_iterator<char>(std::cin), {}) : route::read_manifest_file(file);
    if (text)
      into.append(route::decode_manifests(*text, route::format_of(file.string()), found));
    else
      found.add(route::Severity::error, {}, "", text.error().describe());
    std::ranges::move(found.take(), std::back_inserter(problems));
  }
}

}  // namespace

Outcome run(const ValidateCommand& command) {
  route::Manifests all;
  std::vector<route::Problem> problems;
  for (const std::filesystem::path& path : command.paths) read_manifests(path, all, problems);
  if (!route::has_errors(problems)) std::ranges::move(route::find_duplicates(all), std::back_inserter(problems));
  const std::size_t objects = all.size();
  if (!route::has_errors(problems)) {
    // What would not be in force, in the cloud and at an edge of any name.
    for (const route::Site& site : {route::Site::any_of(route::Site::Role::cloud), route::Site::any_of(route::Site::Role::edge)})
      for (const route::Problem& warning : route::Snapshot::build(all, site)->warnings())
        if (std::ranges::none_of(problems, [&](const route::Problem& p) { return p.to_text() == warning.to_text(); }))
          problems.push_back(warning);
  }
  const bool bad = route::has_errors(problems);
  if (command.output == Output::json) {
    fmt::print("{}\n", route::to_json(problems));
  } else {
    fmt::print(bad ? stderr : stdout, "{}", route::to_text(problems));
    if (!bad) fmt::print("{} objects are good\n", objects);
  }
  return bad ? ExitStatus::failed : ExitStatus::ok;
}

}  // namespace fairlead::cli
