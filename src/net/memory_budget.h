// memory_budget.h: how many bytes may be buffered, by one session and by the process.
//
// A budget may have a parent (the process's); a charge counts in both. `reserve` is kept for control and management: others are
// refused when only the reserve is left. Thread-safe: the parent is shared by all loops. Never blocks.
#pragma once
#include <atomic>
#include <cstddef>

namespace fairlead::net {

class MemoryBudget {
 public:
  enum class Use : unsigned char { ordinary, reserved };
  MemoryBudget(std::size_t limit, std::size_t reserve, MemoryBudget* parent = nullptr)
      : limit_(limit), reserve_(reserve), parent_(parent) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;
  ~MemoryBudget() {
    if (parent_ != nullptr) parent_->release(used_.load(std::memory_order_relaxed));
  }

  // False, and nothing changes, when `bytes` more would exceed the limit here or above.
  bool try_charge(std::size_t bytes, Use use = Use::ordinary) {
    const std::size_t limit = use == Use::reserved ? limit_ : limit_ - reserve_;
    const std::size_t before = used_.fetch_add(bytes, std::memory_order_relaxed);
    if (before + bytes > limit || (parent_ != nullptr && !parent_->try_charge(bytes, use))) {
      used_.fetch_sub(bytes, std::memory_order_relaxed);
      return false;
    }
    return true;
  }
  // For what exists already and cannot be refused (a received packet): counts, whatever the limit.
  void charge(std::size_t bytes) {
    used_.fetch_add(bytes, std::memory_order_relaxed);
    if (parent_ != nullptr) parent_->charge(bytes);
  }
  void release(std::size_t bytes) {
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    if (parent_ != nullptr) parent_->release(bytes);
  }
  std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  std::size_t limit() const { return limit_; }
  // What others than control and management may still be charged, here and above.
  std::size_t available() const {
    const std::size_t now = used() + reserve_;
    const std::size_t own = now < limit_ ? limit_ - now : 0;
    if (parent_ == nullptr) return own;
    const std::size_t above = parent_->available();
    return own < above ? own : above;
  }
  bool over() const { return used() > limit_ || (parent_ != nullptr && parent_->over()); }
  // True while only the reserve is left: no new ordinary flows.
  bool tight() const { return used() + reserve_ > limit_ || (parent_ != nullptr && parent_->tight()); }

 private:
  const std::size_t limit_;
  const std::size_t reserve_;
  MemoryBudget* const parent_;  // outlives this
  std::atomic<std::size_t> used_{0};
};

}  // namespace fairlead::net
