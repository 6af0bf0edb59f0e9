// task.h: Task<T>, the one coroutine type. Lazy, awaited once, resumed by symmetric transfer.
//
// A Task owns its frame. It starts when it is awaited (or spawned in a Scope) and hands its value to the one who awaits it.
// Destroying a Task that is suspended destroys its frame and with it every Task that it awaits: this is how work is cancelled.
// Every awaiter therefore unlinks itself from what it waits for in its destructor, and cleaning up is done by destructors.
// A Task that is running must not be destroyed (see Scope::cancel). All of one Task happens on one loop's thread.
// An exception that leaves a Task ends the process: exceptions are for broken invariants (STYLE), failures are Result values.
#pragma once
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "runtime/frame_pool.h"

namespace fairlead {

template <class T>
class Task;

namespace detail {

struct TaskPromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }

  struct Final {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) const noexcept {
      return done.promise().continuation;
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() const noexcept { return {}; }
  Final final_suspend() const noexcept { return {}; }
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
};

template <class T>
struct TaskPromise : TaskPromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
  T take() { return *std::move(value); }
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  Task<void> get_return_object();
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle frame) : frame_(frame) {}
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      reset();
      frame_ = std::exchange(other.frame_, nullptr);
    }
    return *this;
  }
  ~Task() { reset(); }

  class Awaiter {
   public:
    explicit Awaiter(Handle frame) : frame_(frame) {}
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) const noexcept {
      frame_.promise().continuation = waiting;
      return frame_;
    }
    T await_resume() const { return frame_.promise().take(); }

   private:
    Handle frame_;
  };
  Awaiter operator co_await() const& noexcept { return Awaiter(frame_); }
  Awaiter operator co_await() && noexcept { return Awaiter(frame_); }

 private:
  void reset() {
    if (frame_) std::exchange(frame_, nullptr).destroy();
  }
  Handle frame_;
};

template <class T>
Task<T> detail::TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
inline Task<void> detail::TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

}  // namespace fairlead
