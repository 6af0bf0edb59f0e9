#include "doctor/probe_quota.h"

#include <algorithm>

namespace fairlead::doctor {

void ProbeQuota::fill(Use& use, TimePoint now) const {
  const double seconds = std::chrono::duration<double>(now - use.filled).count();
  if (seconds <= 0) return;  // another loop's clock
  use.left = std::min(static_cast<double>(options_.burst), use.left + seconds * static_cast<double>(options_.refill));
  use.filled = now;
}

bool ProbeQuota::enter(const NodeName& node, TimePoint now) {
  std::lock_guard lock(mutex_);
  if (connections_ >= options_.all) return false;
  // Those whose allowance has become whole meanwhile.
  for (auto it = nodes_.begin(); it != nodes_.end();) {
    Use& use = it->second;
    fill(use, now);
    it = use.connections == 0 && use.left >= static_cast<double>(options_.burst) ? nodes_.erase(it) : std::next(it);
  }
  auto [it, is_new] = nodes_.try_emplace(node);
  Use& use = it->second;
  if (is_new) use = {.left = static_cast<double>(options_.burst), .filled = now};
  if (use.connections >= options_.connections) return false;
  use.connections++;
  connections_++;
  return true;
}

void ProbeQuota::leave(const NodeName& node, TimePoint now) {
  std::lock_guard lock(mutex_);
  auto it = nodes_.find(node);
  if (it == nodes_.end()) return;
  it->second.connections--;
  connections_--;
  fill(it->second, now);
  if (it->second.connections == 0 && it->second.left >= static_cast<double>(options_.burst)) nodes_.erase(it);
}

std::optional<std::uint64_t> ProbeQuota::begin_transfer(const NodeName& node, std::uint64_t wanted, TimePoint now) {
  std::lock_guard lock(mutex_);
  auto it = nodes_.find(node);
  if (it == nodes_.end() || it->second.transfer) return std::nullopt;
  fill(it->second, now);
  if (it->second.left < 1) return std::nullopt;
  it->second.transfer = true;
  return std::min(wanted, static_cast<std::uint64_t>(it->second.left));
}

void ProbeQuota::end_transfer(const NodeName& node, std::uint64_t moved) {
  std::lock_guard lock(mutex_);
  auto it = nodes_.find(node);
  if (it == nodes_.end()) return;
  it->second.transfer = false;
  it->second.left = std::max(0.0, it->second.left - static_cast<double>(moved));
}

std::size_t ProbeQuota::known() const {
  std::lock_guard lock(mutex_);
  return nodes_.size();
}

}  // namespace fairlead::doctor
