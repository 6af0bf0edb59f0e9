#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "admin/client.h"
#include "app/config.h"
#include "app/status.h"
#include "cli/commands.h"

namespace fairlead::cli {
namespace {

constexpr auto kWatchPeriod = 1s;
constexpr char kClearScreen[] = "\x1b[H\x1b[2J";

Outcome show(const StatusCommand& command) {
  auto answer = admin::get((command.dir / app::kAdminSocket).native(), "/v1/status");
  if (!answer) {
    const Code code = answer.error().code();
    if (code != Code::not_found && code != Code::refused) return std::unexpected(Failure(answer.error()));
    return std::unexpected(Failure(ExitStatus::not_running,
                                   Error::wrap(fmt::format("nothing is running on the folder {}", command.dir.native()), answer.error())));
  }
  if (answer->status != 200) return std::unexpected(Failure(Error(Code::internal, answer->body)));
  std::string text = answer->body;
  if (command.output == Output::text) {
    TRY_ASSIGN(text, app::status_text(answer->body));
    if (command.watch) text = kClearScreen + text;
  }
  fmt::print("{}", text);
  std::fflush(stdout);
  return ExitStatus::ok;
}

}  // namespace

Outcome run(const StatusCommand& command) {
  Outcome shown = show(command);
  while (shown && command.watch) {
    std::this_thread::sleep_for(kWatchPeriod);
    shown = show(command);
  }
  return shown;
}

}  // namespace fairlead::cli
