// scope.h: Scope owns running tasks. It is the only thing that starts one.
//
// Invariant: when a Scope is gone, none of its tasks is left. Its destructor and cancel_now() destroy what still runs, in the order
// of starting, so they must not be called from one of its own tasks; cancel() may, for it acts when the loop is between tasks.
#pragma once
#include "runtime/task.h"
#include "runtime/wait_queue.h"

namespace fairlead {

class Scope {
 public:
  explicit Scope(Loop& loop) : loop_(loop), empty_(loop), reaper_(*this) {}
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() { cancel_now(); }

  // Starts `task` soon: the loop resumes it for the first time in this turn or the next.
  void spawn(Task<void> task);
  // Until no task is left. More may be spawned meanwhile.
  Task<void> done();
  void cancel();
  void cancel_now();

  std::size_t size() const { return size_; }
  Loop& loop() const { return loop_; }

 private:
  struct Root;  // the frame at the bottom of each task
  struct Reaper : Ready {
    explicit Reaper(Scope& s) : Ready(&run), scope(s) {}
    static void run(Ready& self) { static_cast<Reaper&>(self).scope.cancel_now(); }
    Scope& scope;
  };
  static Root run(Task<void> task, Scope& scope);

  Loop& loop_;
  List<ListHook> roots_;
  std::size_t size_ = 0;
  WaitQueue empty_;
  Reaper reaper_;
};

}  // namespace fairlead
