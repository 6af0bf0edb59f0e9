#include "runtime/scope.h"

namespace fairlead {

struct Scope::Root {
  struct promise_type : ListHook {
    promise_type(Task<void>&, Scope& s) : scope(s) {}

    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }

    Root get_return_object() { return Root{this}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    // The frame frees itself: its task is over, so only the scope has to know.
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

    ~promise_type() {
      if (--scope.size_ == 0) scope.empty_.wake_all();
    }

    Scope& scope;
    Waiter start;
  };
  promise_type* promise;
};

Scope::Root Scope::run(Task<void> task, Scope&) { co_await task; }

void Scope::spawn(Task<void> task) {
  Root root = run(std::move(task), *this);
  size_++;
  roots_.push_back(*root.promise);
  root.promise->start.set(std::coroutine_handle<Root::promise_type>::from_promise(*root.promise));
  loop_.make_ready(root.promise->start);
}

Task<void> Scope::done() {
  while (size_ > 0) co_await empty_.wait();
}

void Scope::cancel() { loop_.make_ready(reaper_); }

void Scope::cancel_now() {
  while (!roots_.empty()) {
    auto& promise = static_cast<Root::promise_type&>(roots_.front());
    std::coroutine_handle<Root::promise_type>::from_promise(promise).destroy();
  }
}

}  // namespace fairlead
