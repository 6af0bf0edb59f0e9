#include "app/watcher.h"

#include <utility>

namespace fairlead::app {

Watcher::Watcher(std::function<void(bool)> look) : look_(std::move(look)), thread_([this] { run(); }) {}

Watcher::~Watcher() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watcher::wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void Watcher::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait_for(lock, kPeriod, [this] { return stop_ || woken_; });
    if (stop_) return;
    const bool woken = std::exchange(woken_, false);
    lock.unlock();
    look_(woken);
    lock.lock();
  }
}

}  // namespace fairlead::app
