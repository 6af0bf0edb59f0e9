#include "app/cloud_app.h"
#include "app/edge_app.h"
#include "cli/commands.h"

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

}  // namespace

Outcome run(const CloudCommand& command) { return run_app<app::CloudApp>({.dir = command.dir, .listen = command.listen}); }
Outcome run(const EdgeCommand& command) {
  return run_app<app::EdgeApp>({.dir = command.dir, .cloud = command.cloud, .labels = command.labels});
}

}  // namespace fairlead::cli
