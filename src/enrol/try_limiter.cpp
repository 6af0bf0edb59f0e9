#include "enrol/try_limiter.h"

#include <algorithm>

namespace fairlead::enrol {

std::string TryLimiter::key_of(const net::IpAddress& source) {
  constexpr std::size_t kPrefix = 8;
  return {reinterpret_cast<const char*>(source.data()), source.is_v4() ? source.size() : kPrefix};
}

TryLimiter::Verdict TryLimiter::begin(const net::IpAddress& source, TimePoint now) {
  std::lock_guard lock(mutex_);
  std::string key = key_of(source);
  auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    if (by_use_.size() >= options_.sources) {
      by_key_.erase(by_use_.back().key);
      by_use_.pop_back();
    }
    by_use_.push_front({.key = key, .left = static_cast<double>(options_.burst), .filled = now});
    found = by_key_.emplace(std::move(key), by_use_.begin()).first;
  } else {
    by_use_.splice(by_use_.begin(), by_use_, found->second);
  }
  Source& s = *found->second;
  const double refilled = static_cast<double>((now - s.filled).count()) / static_cast<double>(options_.refill.count());
  s.left = std::min(static_cast<double>(options_.burst), s.left + refilled);
  s.filled = now;
  if (s.left >= 1) {
    s.left -= 1;
    return {.allowed = true};
  }
  s.untold++;
  if (s.ever_told && now - s.told < options_.tell_every) return {.allowed = false};
  s.ever_told = true;
  s.told = now;
  return {.allowed = false, .tell = true, .untold = std::exchange(s.untold, 0)};
}

void TryLimiter::give_back(const net::IpAddress& source) {
  std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key_of(source));
  if (found == by_key_.end()) return;
  Source& s = *found->second;
  s.left = std::min(static_cast<double>(options_.burst), s.left + 1);
}

std::size_t TryLimiter::sources() const {
  std::lock_guard lock(mutex_);
  return by_use_.size();
}

}  // namespace fairlead::enrol
