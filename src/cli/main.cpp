// The program `fairlead`: read the command line, run the command, say how it went.
#include <cstdio>
#include <exception>

#include "cli/commands.h"

namespace fairlead::cli {
namespace {

ExitStatus run_program(const std::vector<std::string>& arguments) {
  const auto command = parse_command_line(arguments);
  if (!command) {
    const Stop& stop = command.error();
    std::fputs(stop.text.c_str(), stop.status == ExitStatus::ok ? stdout : stderr);
    return stop.status;
  }
  const Outcome outcome = std::visit([](const auto& each) { return run(each); }, *command);
  if (outcome) return *outcome;
  std::fprintf(stderr, "fairlead: %s\n", outcome.error().error.describe().c_str());
  return outcome.error().status;
}

}  // namespace
}  // namespace fairlead::cli

int main(int argc, char** argv) {
  using namespace fairlead::cli;
  try {
    const ExitStatus status = run_program({argv + 1, argv + argc});
    if (std::fflush(stdout) == 0) return static_cast<int>(status);
    std::perror("fairlead: standard output");
  } catch (const std::exception& e) {  // a broken invariant, or no memory
    std::fprintf(stderr, "fairlead: %s\n", e.what());
  }
  return static_cast<int>(ExitStatus::failed);
}
