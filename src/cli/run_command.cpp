#include <fmt/format.h>

#include <cctype>
#include <cstdlib>

#include "app/cloud_app.h"
#include "app/edge_app.h"
#include "app/edge_join.h"
#include "cli/commands.h"
#include "cli/defaults.h"
#include "pki/files.h"

namespace fairlead::cli {
namespace {

// Builds and runs; what cannot be run with was not started.
template <class App>
Outcome run_app(typename App::Options options) {
  app::prepare_process();
  auto made = App::make(std::move(options));
  if (!made) return std::unexpected(Failure(ExitStatus::usage, std::move(made).error()));
  (*made)->run();
  return ExitStatus::ok;
}

std::unexpected<Failure> usage(std::string what) {
  return std::unexpected(Failure(ExitStatus::usage, Error(Code::invalid, std::move(what))));
}

std::expected<enrol::JoinToken, Failure> token_of(const JoinOrder& order) {
  constexpr std::size_t kMaxTokenFile = 4_KiB;
  if (order.token) return *order.token;
  Secret text;
  if (order.token_file) {
    TRY_ASSIGN(text, pki::read_secret_file(*order.token_file, kMaxTokenFile));
  } else if (const char* variable = std::getenv(kTokenVariable)) {
    text = Secret(variable);
  } else {
    return usage(fmt::format("to join needs a token: --token, --token-file, or {} in the environment", kTokenVariable));
  }
  std::string_view trimmed = text.reveal();
  while (!trimmed.empty() && std::isspace(static_cast<unsigned char>(trimmed.back())) != 0) trimmed.remove_suffix(1);
  auto token = enrol::JoinToken::parse(trimmed);
  if (!token) return usage(token.error().describe());
  return *std::move(token);
}

// Nothing to do for a folder that is there: the same command line starts an edge for the first time and every other time.
Outcome join_if_new(const std::filesystem::path& dir, const JoinOrder& order) {
  std::error_code ignored;
  if (std::filesystem::exists(dir / pki::file_name::kEdge, ignored)) return ExitStatus::ok;
  TRY_ASSIGN(enrol::JoinToken token, token_of(order));
  if (!order.pin) return usage("to join needs the pin of the cloud's CA: --ca-pin sha256:HEX, as `fairlead token create` prints it");
  const auto also = [&](const std::filesystem::path& staging) { return write_defaults(staging, app::edge_config_for(order.cloud)); };
  TRY(app::join_edge({.dir = dir, .cloud = order.cloud, .token = std::move(token), .pin = *order.pin, .node = order.node}, also));
  return ExitStatus::ok;
}

}  // namespace

Outcome run(const CloudCommand& command) { return run_app<app::CloudApp>({.dir = command.dir, .listen = command.listen}); }
Outcome run(const EdgeCommand& command) {
  app::prepare_process();
  if (command.join) {
    TRY_ASSIGN(const ExitStatus joined, join_if_new(command.dir, *command.join));
    static_cast<void>(joined);
  }
  return run_app<app::EdgeApp>({.dir = command.dir, .cloud = command.cloud, .labels = command.labels});
}

}  // namespace fairlead::cli
