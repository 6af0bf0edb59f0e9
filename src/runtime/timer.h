// timer.h: what is built on a point in time: a callback (Timer) and a limit on a task (with_deadline).
#pragma once
#include <functional>
#include <optional>

#include "base/error.h"
#include "runtime/scope.h"

namespace fairlead {

// Calls `fire` on the loop, between tasks, at the time that was armed last. Disarmed by its destructor.
class Timer {
 public:
  Timer(Loop& loop, std::move_only_function<void()> fire) : fire_(std::move(fire)), ready_(*this), node_(loop, ready_) {}

  void arm(TimePoint at) {
    ready_.unlink();
    node_.arm(at);
  }
  void disarm() {
    ready_.unlink();
    node_.disarm();
  }
  bool armed() const { return node_.armed(); }
  TimePoint at() const { return node_.at(); }

 private:
  struct Fire : Ready {
    explicit Fire(Timer& t) : Ready(&run), timer(t) {}
    static void run(Ready& self) { static_cast<Fire&>(self).timer.fire_(); }
    Timer& timer;
  };
  std::move_only_function<void()> fire_;
  Fire ready_;
  TimerNode node_;
};

namespace detail {

template <class T>
Task<void> store(Task<T> task, std::optional<T>& into, WaitQueue& done) {
  T value = co_await task;
  into.emplace(std::move(value));
  done.wake_all();
}

}  // namespace detail

// The result of `task`, or Code::timeout with `doing` if it is not there by `at`; then the task is cancelled.
template <class T>
Task<Result<T>> with_deadline(Loop& loop, TimePoint at, std::string_view doing, Task<Result<T>> task) {
  WaitQueue done(loop);
  std::optional<Result<T>> result;
  Timer timer(loop, [&done] { done.wake_all(); });
  timer.arm(at);
  Scope scope(loop);
  scope.spawn(detail::store<Result<T>>(std::move(task), result, done));
  co_await done.wait();
  if (result) co_return *std::move(result);
  co_return fail(Code::timeout, "{}: no answer in time", doing);
}

}  // namespace fairlead
