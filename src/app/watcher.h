// watcher.h: a thread that looks at a folder's files now and then and calls back when they changed. Parsing happens on it, off the loops.
//
// `look` is called on the watcher's thread every kPeriod, and at once after wake(). It must not throw and not touch what belongs to a
// loop; it posts.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/time.h"

namespace fairlead::app {

class Watcher {
 public:
  static constexpr Duration kPeriod = 300ms;  // changes are to be in force within a second

  explicit Watcher(std::function<void(bool woken)> look);
  ~Watcher();  // waits for a look that is under way
  void wake();

 private:
  void run();

  std::function<void(bool)> look_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false, woken_ = false;
  std::thread thread_;
};

}  // namespace fairlead::app
