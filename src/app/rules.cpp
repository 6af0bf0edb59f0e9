#include "app/rules.h"

#include <algorithm>

#include "base/log.h"

namespace fairlead::app {

std::shared_ptr<const route::Snapshot> Rules::look(bool again) {
  const bool retry = ++looks_ % kRetryLooks == 0 && retry_.exchange(false);
  if (std::shared_ptr<const route::Snapshot> changed = reload()) return changed;
  return again || retry ? current() : nullptr;
}

std::shared_ptr<const route::Snapshot> Rules::reload() {
  if (std::exchange(read_once_, true) && !directory_.changed()) return nullptr;
  auto snapshot = directory_.reload();
  std::vector<std::string> problems;
  for (const route::Problem& problem : directory_.problems()) problems.push_back(problem.to_text());
  if (!snapshot) {
    log::error("rules", "not changed, since the new ones are wrong:");
    for (const std::string& line : problems) log::error("rules", "{}", line);
  } else {
    for (const std::string& line : problems) log::warn("rules", "{}", line);
    log::info("rules", "in force: {} TCP listeners, {} backends", (*snapshot)->tcp_listeners().size(), (*snapshot)->backends());
  }
  std::lock_guard lock(mutex_);
  problems_ = std::move(problems);
  if (!snapshot) {
    if (current_) return nullptr;
    return current_ = route::Snapshot::build({}, route::Site::cloud());  // nothing good yet: no rules
  }
  current_ = *snapshot;
  return current_;
}

std::shared_ptr<const route::Snapshot> Rules::current() const {
  std::lock_guard lock(mutex_);
  return current_;
}

std::vector<std::string> Rules::problems() const {
  std::lock_guard lock(mutex_);
  return problems_;
}

std::vector<ListenerState> Rules::listeners(const ListenerFailures& failed) const {
  std::vector<ListenerState> states;
  const std::shared_ptr<const route::Snapshot> snapshot = current();
  if (!snapshot) return states;
  for (const route::TcpListener& l : snapshot->tcp_listeners()) {
    ListenerState state{l.gateway.to_text(), l.name, l.bind.to_text(), l.route.value(), ""};
    for (const net::Listeners::Failure& f : failed)
      if (f.at == l.bind) state.problem = f.error.describe();
    states.push_back(std::move(state));
  }
  return states;
}

}  // namespace fairlead::app
