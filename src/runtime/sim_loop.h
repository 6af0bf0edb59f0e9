// sim_loop.h: a Loop in virtual time. Nothing waits: when all is idle the clock jumps to the next timer.
//
// Single-threaded and deterministic: the same seed gives the same run. Several hosts of a simulation share one SimLoop.
#pragma once
#include <optional>
#include <stdexcept>

#include "runtime/loop.h"
#include "runtime/scope.h"

namespace fairlead {

class SimLoop final : public Loop {
 public:
  explicit SimLoop(std::uint64_t seed) : Loop(seed) {}

  TimePoint now() const override { return now_; }
  WallTime wall_now() const override { return kEpoch + now_.time_since_epoch(); }
  void post(std::move_only_function<void()> work) override { posted_.push_back(std::move(work)); }

  // Runs everything until `task` is done and returns its value. Throws std::logic_error when nothing can happen any more and the
  // task is not done (a deadlock), or when `limit` of virtual time has passed.
  template <class T>
  T run(Task<T> task, Duration limit = 24h) {
    std::optional<T> value;
    WaitQueue done(*this);
    Scope scope(*this);
    scope.spawn(detail_store(std::move(task), value));
    drive(scope, limit);
    return *std::move(value);
  }
  void run(Task<void> task, Duration limit = 24h) {
    Scope scope(*this);
    scope.spawn(std::move(task));
    drive(scope, limit);
  }

  // Runs everything for `d` of virtual time.
  void run_for(Duration d) { run_until(now_ + d); }
  void run_until(TimePoint at);
  // Runs what can run without time passing.
  void settle();

 private:
  static constexpr WallTime kEpoch{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
  template <class T>
  static Task<void> detail_store(Task<T> task, std::optional<T>& into) {
    T value = co_await task;
    into.emplace(std::move(value));
  }
  void drive(Scope& scope, Duration limit);

  TimePoint now_{};
  std::vector<std::move_only_function<void()>> posted_;
};

}  // namespace fairlead
