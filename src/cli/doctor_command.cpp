#include <fmt/format.h>
#include <unistd.h>

#include "admin/client.h"
#include "app/config.h"
#include "app/edge_doctor.h"
#include "app/host.h"
#include "cli/commands.h"

namespace fairlead::cli {
namespace {

// The most thorough examination of a node, and what the way there takes.
constexpr Duration kNodePatience = 6min;

Outcome show(const doctor::Report& report, Output output) {
  fmt::print("{}", output == Output::json ? doctor::report_json(report) : doctor::report_text(report));
  return report.status() == doctor::Status::problem ? ExitStatus::failed : ExitStatus::ok;
}

// The cloud that runs on the folder says what it sees of the node, and has the node examine itself.
Outcome ask_cloud(const DoctorCommand& command) {
  std::string query = command.thorough ? "?thorough=1" : "?thorough=0";
  for (const std::string& check : command.checks) query += "&check=" + check;
  fmt::print(stderr, "fairlead: asks the cloud, and over it node {}: {} ...\n", *command.node,
             command.thorough ? "some three minutes" : "a minute");
  auto answer = admin::get((command.dir / app::kAdminSocket).native(), fmt::format("/v1/doctor/{}{}", *command.node, query), kNodePatience);
  if (!answer) {
    const Code code = answer.error().code();
    if (code != Code::not_found && code != Code::refused) return std::unexpected(Failure(answer.error()));
    return std::unexpected(Failure(ExitStatus::not_running,
                                   Error::wrap(fmt::format("nothing is running on the folder {}", command.dir.native()), answer.error())));
  }
  if (answer->status != 200) return std::unexpected(Failure(Error(Code::not_found, answer->body.substr(0, answer->body.find('\n')))));
  TRY_ASSIGN(const doctor::Report report, doctor::report_from_json(answer->body));
  if (command.output == Output::text) return show(report, command.output);
  fmt::print("{}", answer->body);
  return report.status() == doctor::Status::problem ? ExitStatus::failed : ExitStatus::ok;
}

}  // namespace

Outcome run(const DoctorCommand& command) {
  if (command.node) return ask_cloud(command);
  app::prepare_process();
  const auto progress = [](std::string_view what) { fmt::print(stderr, "fairlead: {} ...\n", what); };
  auto report = app::examine_edge({.dir = command.dir,
                                   .cloud = command.cloud,
                                   .thorough = command.thorough,
                                   .only = {command.checks.begin(), command.checks.end()},
                                   .progress = progress});
  if (!report) return std::unexpected(Failure(ExitStatus::usage, report.error()));
  return show(*report, command.output);
}

}  // namespace fairlead::cli
