// cross.h: work on another loop, awaited on this one. What is captured goes to the other thread and its result comes back, so neither
// may refer to what belongs to one loop alone, unless the callee is on that loop.
#pragma once
#include <functional>
#include <memory>
#include <optional>

#include "runtime/scope.h"
#include "runtime/wait_queue.h"

namespace fairlead {

namespace detail {
template <class T>
struct Crossing {
  explicit Crossing(Loop& here) : answered(here) {}
  WaitQueue answered;
  std::optional<T> value;
};
}  // namespace detail

// Runs `work` on `there`, between its tasks, and returns its value here. If this task is destroyed meanwhile the value is dropped.
template <class T>
Task<T> call_on(Loop& here, Loop& there, std::move_only_function<T()> work) {
  auto crossing = std::make_shared<detail::Crossing<T>>(here);
  there.post([crossing, &here, run = std::move(work)]() mutable {
    here.post([crossing, value = run()]() mutable {
      crossing->value = std::move(value);
      crossing->answered.wake_all();
    });
  });
  while (!crossing->value) co_await crossing->answered.wait();
  co_return *std::move(crossing->value);
}

namespace detail {
inline Task<void> then_tell(Task<void> task, Loop& here, std::shared_ptr<Crossing<bool>> crossing) {
  co_await task;
  here.post([crossing] {
    crossing->value = true;
    crossing->answered.wake_all();
  });
}
}  // namespace detail

// Starts the task that `make` gives on the loop of `scope`, and returns here when it is done. `scope` must live until then.
inline Task<void> run_on(Loop& here, Scope& scope, std::move_only_function<Task<void>()> make) {
  auto crossing = std::make_shared<detail::Crossing<bool>>(here);
  scope.loop().post(
      [crossing, &here, &scope, start = std::move(make)]() mutable { scope.spawn(detail::then_tell(start(), here, crossing)); });
  while (!crossing->value) co_await crossing->answered.wait();
}

}  // namespace fairlead
