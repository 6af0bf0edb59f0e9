// loop.h: one thread's world: who runs next, what time it is, what happens later.
//
// A Loop runs in turns: resume what is ready; run what asked for the end of the turn (an Endpoint writes its packets there), also now and
// then in between when much is ready; only when nothing is left, wait for I/O, a timer or a post. AsioLoop waits for real, SimLoop moves
// virtual time on.
// Invariant: nothing is resumed from inside another's call. An event only makes its waiter ready; the loop resumes it.
// Everything but post() and stop() is called on the loop's own thread.
#pragma once
#include <coroutine>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/list.h"
#include "base/random.h"
#include "base/time.h"

namespace fairlead {

class Loop;
namespace detail {
class Sleep;
class Yield;
}  // namespace detail

// Something that the loop can run once. Derive from it or use Waiter.
class Ready : public ListHook {
 public:
  using Run = void (*)(Ready&);
  explicit Ready(Run run) : run_(run) {}

 private:
  friend class Loop;
  Run run_;
};

// A suspended coroutine. It lives in the coroutine's frame, so that it leaves every list when the frame dies.
class Waiter : public Ready {
 public:
  explicit Waiter(std::coroutine_handle<> frame = nullptr) : Ready(&resume), frame_(frame) {}
  void set(std::coroutine_handle<> frame) { frame_ = frame; }

 private:
  static void resume(Ready& self) { static_cast<Waiter&>(self).frame_.resume(); }
  std::coroutine_handle<> frame_;
};

// A point in time at which the loop makes `ready` ready. Unarmed by its destructor.
class TimerNode {
 public:
  TimerNode(Loop& loop, Ready& ready) : loop_(loop), ready_(ready) {}
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;
  ~TimerNode() { disarm(); }

  void arm(TimePoint at);
  void disarm();
  bool armed() const { return index_ != kUnarmed; }
  TimePoint at() const { return at_; }

 private:
  friend class Loop;
  static constexpr std::size_t kUnarmed = static_cast<std::size_t>(-1);
  Loop& loop_;
  Ready& ready_;
  TimePoint at_{};
  std::uint64_t order_ = 0;  // equal times fire in the order in which they were armed
  std::size_t index_ = kUnarmed;
};

class Loop {
 public:
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  virtual ~Loop() = default;

  virtual TimePoint now() const = 0;
  virtual WallTime wall_now() const = 0;
  Random& random() { return random_; }

  // From any thread: runs `work` on the loop soon, in the order of the calls.
  virtual void post(std::move_only_function<void()> work) = 0;

  // Resumed in this turn or the next one, in order. Once, however often it is called before.
  void make_ready(Ready& ready) { ready_.push_back(ready); }
  // Run once when nothing is ready any more in this turn, or when kRunBetweenEnds have run since: so the far side begins with the first of
  // many while the rest is still being done here.
  void at_turn_end(Ready& hook) { turn_end_.push_back(hook); }

  // co_await loop.sleep(10ms);
  detail::Sleep sleep_until(TimePoint at);
  detail::Sleep sleep(Duration d);
  // co_await loop.yield(): lets everything else that is ready run first.
  detail::Yield yield();

 protected:
  explicit Loop(std::uint64_t seed) : random_(seed) {}

  bool has_ready() const { return !ready_.empty() || !turn_end_.empty(); }
  // Resumes what is ready, then the turn's end, again until nothing is left or `batches` rounds are over.
  void run_ready(int batches);
  // 8 to 16 give most: fewer make small packets, more leave the other side, and other cores, idle.
  static constexpr int kRunBetweenEnds = 16;
  // Makes everything ready that is due at `now`.
  void fire_timers(TimePoint now);
  bool has_timer() const { return !timers_.empty(); }
  TimePoint next_timer() const { return timers_.front()->at_; }

 private:
  friend class TimerNode;
  void run_turn_end();
  void sift_up(std::size_t i);
  void sift_down(std::size_t i);
  void place(std::size_t i, TimerNode* node);
  static bool before(const TimerNode* a, const TimerNode* b) { return a->at_ != b->at_ ? a->at_ < b->at_ : a->order_ < b->order_; }

  List<Ready> ready_;
  List<Ready> turn_end_;
  std::vector<TimerNode*> timers_;  // a binary heap
  std::uint64_t armed_ = 0;
  Random random_;
};

namespace detail {

class Sleep {
 public:
  Sleep(Loop& loop, TimePoint at) : timer_(loop, waiter_), at_(at) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> frame) {
    waiter_.set(frame);
    timer_.arm(at_);
  }
  void await_resume() const noexcept {}

 private:
  Waiter waiter_;
  TimerNode timer_;
  TimePoint at_;
};

class Yield {
 public:
  explicit Yield(Loop& loop) : loop_(loop) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> frame) {
    waiter_.set(frame);
    loop_.make_ready(waiter_);
  }
  void await_resume() const noexcept {}

 private:
  Loop& loop_;
  Waiter waiter_;
};

}  // namespace detail

inline detail::Sleep Loop::sleep_until(TimePoint at) { return detail::Sleep(*this, at); }
inline detail::Sleep Loop::sleep(Duration d) { return detail::Sleep(*this, now() + d); }
inline detail::Yield Loop::yield() { return detail::Yield(*this); }

}  // namespace fairlead
