// wait_queue.h: coroutines that wait for something to change. Like a condition variable: the condition is checked again after
// waking, since another may have been first.
//
//   while (queue_.empty()) co_await changed_.wait();
#pragma once
#include "runtime/loop.h"

namespace fairlead {

class WaitQueue {
 public:
  explicit WaitQueue(Loop& loop) : loop_(loop) {}

  class Awaiter {
   public:
    explicit Awaiter(List<Ready>& waiting) : waiting_(waiting) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> frame) {
      waiter_.set(frame);
      waiting_.push_back(waiter_);
    }
    void await_resume() const noexcept {}

   private:
    List<Ready>& waiting_;
    Waiter waiter_;
  };
  Awaiter wait() { return Awaiter(waiting_); }

  void wake_one() {
    if (!waiting_.empty()) loop_.make_ready(waiting_.front());
  }
  void wake_all() {
    while (!waiting_.empty()) loop_.make_ready(waiting_.front());
  }
  bool has_waiters() const { return !waiting_.empty(); }
  Loop& loop() const { return loop_; }

 private:
  Loop& loop_;
  List<Ready> waiting_;
};

}  // namespace fairlead
