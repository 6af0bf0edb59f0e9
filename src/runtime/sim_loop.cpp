#include "runtime/sim_loop.h"

#include <limits>

namespace fairlead {

void SimLoop::settle() {
  for (;;) {
    std::vector<std::move_only_function<void()>> posted = std::exchange(posted_, {});
    for (auto& work : posted) work();
    if (!has_ready() && posted_.empty()) return;
    run_ready(1);
  }
}

void SimLoop::run_until(TimePoint at) {
  for (;;) {
    settle();
    if (!has_timer() || next_timer() > at) break;
    now_ = std::max(now_, next_timer());
    fire_timers(now_);
  }
  now_ = std::max(now_, at);
}

void SimLoop::drive(Scope& scope, Duration limit) {
  const TimePoint end = now_ + limit;
  for (;;) {
    // One batch at a time, so that the run ends as soon as the task does.
    while (has_ready() || !posted_.empty()) {
      std::vector<std::move_only_function<void()>> posted = std::exchange(posted_, {});
      for (auto& work : posted) work();
      run_ready(1);
      if (scope.size() == 0) return;
    }
    if (scope.size() == 0) return;
    if (!has_timer()) throw std::logic_error("simulation is deadlocked: the task waits and nothing is left that could happen");
    if (next_timer() > end) throw std::logic_error("simulation ran out of virtual time before the task was done");
    now_ = std::max(now_, next_timer());
    fire_timers(now_);
  }
}

}  // namespace fairlead
