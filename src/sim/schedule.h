// schedule.h: what will happen in the simulated network, in the order of time, then of planning.
//
// Events run on the loop between tasks; they only fill buffers and make waiters ready.
#pragma once
#include <functional>
#include <vector>

#include "runtime/sim_loop.h"
#include "runtime/timer.h"

namespace fairlead::sim {

class Schedule {
 public:
  explicit Schedule(SimLoop& loop) : loop_(loop), timer_(loop, [this] { run_due(); }) {}

  SimLoop& loop() const { return loop_; }
  TimePoint now() const { return loop_.now(); }
  void at(TimePoint when, std::move_only_function<void()> what);

 private:
  struct Event {
    TimePoint when;
    std::uint64_t order;
    std::move_only_function<void()> what;
  };
  static bool later(const Event& a, const Event& b) { return a.when != b.when ? a.when > b.when : a.order > b.order; }
  void run_due();

  SimLoop& loop_;
  Timer timer_;
  std::vector<Event> heap_;
  std::uint64_t planned_ = 0;
};

}  // namespace fairlead::sim
