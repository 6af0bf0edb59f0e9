// The program `fairlead`: read the command line, run the command, say how it went.
#include <cstdio>

#include "cli/commands.h"

int main(int argc, char** argv) {
  using namespace fairlead::cli;
  const auto command = parse_command_line({argv + 1, argv + argc});
  if (!command) {
    const Stop& stop = command.error();
    std::fputs(stop.text.c_str(), stop.status == ExitStatus::ok ? stdout : stderr);
    return static_cast<int>(stop.status);
  }
  const Outcome outcome = std::visit([](const auto& each) { return run(each); }, *command);
  if (outcome) return static_cast<int>(*outcome);
  std::fprintf(stderr, "fairlead: %s\n", outcome.error().error.describe().c_str());
  return static_cast<int>(outcome.error().status);
}
