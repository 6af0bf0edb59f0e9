#include "sim/schedule.h"

#include <algorithm>

namespace fairlead::sim {

void Schedule::at(TimePoint when, std::move_only_function<void()> what) {
  heap_.push_back({std::max(when, now()), planned_++, std::move(what)});
  std::ranges::push_heap(heap_, later);
  timer_.arm(heap_.front().when);
}

void Schedule::run_due() {
  while (!heap_.empty() && heap_.front().when <= now()) {
    std::ranges::pop_heap(heap_, later);
    std::move_only_function<void()> what = std::move(heap_.back().what);
    heap_.pop_back();
    what();
  }
  if (!heap_.empty()) timer_.arm(heap_.front().when);
}

}  // namespace fairlead::sim
