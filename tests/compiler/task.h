// task.h: the smallest coroutine type with symmetric transfer. The compiler test has its own, so that it tests the compiler alone.
#pragma once
#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <utility>

namespace compiler {

inline int frames_alive = 0;
inline bool suspending = false;          // whether a Turn suspends or is ready at once
inline std::coroutine_handle<> at_turn;  // the coroutine that waits at a Turn

struct Turn {
  bool await_ready() const noexcept { return !suspending; }
  void await_suspend(std::coroutine_handle<> handle) const noexcept { at_turn = handle; }
  void await_resume() const noexcept {}
};

struct PromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();
  std::exception_ptr thrown;
  static void* operator new(std::size_t size) {
    frames_alive++;
    return ::operator new(size);
  }
  static void operator delete(void* frame) {
    frames_alive--;
    ::operator delete(frame);
  }
  struct Final {
    bool await_ready() const noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> done) const noexcept {
      return done.promise().continuation;
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() const noexcept { return {}; }
  Final final_suspend() const noexcept { return {}; }
  void unhandled_exception() { thrown = std::current_exception(); }
};

template <class T>
struct Promise;

template <class T = void>
struct Task {
  using promise_type = Promise<T>;
  std::coroutine_handle<promise_type> frame;

  explicit Task(std::coroutine_handle<promise_type> f) : frame(f) {}
  Task(Task&& other) noexcept : frame(std::exchange(other.frame, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (frame) frame.destroy();
  }
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) const noexcept {
    frame.promise().continuation = waiting;
    return frame;
  }
  T await_resume() const {
    if (frame.promise().thrown) std::rethrow_exception(frame.promise().thrown);
    return frame.promise().take();
  }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object() { return Task<T>(std::coroutine_handle<Promise>::from_promise(*this)); }
  template <class U>
  void return_value(U&& u) {
    value.emplace(std::forward<U>(u));
  }
  T take() { return std::move(*value); }
};
template <>
struct Promise<void> : PromiseBase {
  Task<> get_return_object() { return Task<>(std::coroutine_handle<Promise>::from_promise(*this)); }
  void return_void() const noexcept {}
  void take() const noexcept {}
};

// Runs a task to its end and returns its value.
template <class T>
T run(Task<T> task) {
  task.frame.resume();
  while (at_turn) std::exchange(at_turn, nullptr).resume();
  return task.await_resume();
}

// Runs a task to its first Turn, then destroys it.
template <class T>
void run_and_drop(Task<T> task) {
  task.frame.resume();
  at_turn = nullptr;
}

}  // namespace compiler
