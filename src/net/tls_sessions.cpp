#include "net/tls_sessions.h"

namespace fairlead::net {

void TlsSessions::put(const std::string& server_name, std::shared_ptr<const pki::Datum> data, WallTime until) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_name_.find(server_name); found != by_name_.end()) {
    kept_.erase(found->second);
    by_name_.erase(found);
  }
  kept_.push_front({server_name, std::move(data), until});
  by_name_.emplace(server_name, kept_.begin());
  if (kept_.size() <= kMaxSize) return;
  by_name_.erase(kept_.back().server_name);
  kept_.pop_back();
}

std::shared_ptr<const pki::Datum> TlsSessions::get(const std::string& server_name, WallTime now) {
  const std::lock_guard lock(mutex_);
  const auto found = by_name_.find(server_name);
  if (found == by_name_.end()) return nullptr;
  if (found->second->until < now) {
    kept_.erase(found->second);
    by_name_.erase(found);
    return nullptr;
  }
  kept_.splice(kept_.begin(), kept_, found->second);
  return kept_.front().data;
}

std::size_t TlsSessions::size() const {
  const std::lock_guard lock(mutex_);
  return kept_.size();
}

}  // namespace fairlead::net
