#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "admin/client.h"
#include "app/config.h"
#include "app/objects.h"
#include "app/status.h"
#include "cli/commands.h"

namespace fairlead::cli {
namespace {

constexpr auto kWatchPeriod = 1s;
constexpr char kClearScreen[] = "\x1b[H\x1b[2J";

// What the component of the folder answers for `path`.
std::expected<std::string, Failure> ask(const std::filesystem::path& dir, std::string_view path) {
  auto answer = admin::get((dir / app::kAdminSocket).native(), path);
  if (!answer) {
    const Code code = answer.error().code();
    if (code != Code::not_found && code != Code::refused) return std::unexpected(Failure(answer.error()));
    return std::unexpected(
        Failure(ExitStatus::not_running, Error::wrap(fmt::format("nothing is running on the folder {}", dir.native()), answer.error())));
  }
  if (answer->status != 200) return std::unexpected(Failure(Error(Code::internal, answer->body)));
  return std::move(answer->body);
}

Outcome show(const StatusCommand& command) {
  TRY_ASSIGN(const std::string answer, ask(command.dir, "/v1/status"));
  std::string text = answer;
  if (command.output == Output::text) {
    TRY_ASSIGN(text, app::status_text(answer));
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

Outcome run(const GetCommand& command) {
  TRY_ASSIGN(std::string text, ask(command.dir, "/v1/" + command.kind));
  if (command.output == Output::text) {
    TRY_ASSIGN(text, app::objects_text(text));
  }
  fmt::print("{}", text);
  return ExitStatus::ok;
}

}  // namespace fairlead::cli
