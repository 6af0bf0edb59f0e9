#include "route/backend_states.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "base/log.h"

namespace fairlead::route {
namespace {

// Endpoints of a Backend that are reached one by one (nodeFrom) add up: above this they are let go, unless somebody holds them.
constexpr std::size_t kMaxInForce = 16'384;

}  // namespace

void EndpointState::count_failure(TimePoint picked) {
  const std::uint32_t max = load->max_failures.load(std::memory_order_relaxed);
  // What was on its way when the endpoint was ejected says nothing new.
  if (max == 0 || picked.time_since_epoch().count() < out_since.load(std::memory_order_relaxed)) return;
  if (failures.fetch_add(1, std::memory_order_relaxed) + 1 < max) return;
  if (!tripped.exchange(true)) load->unsettled.store(true);
}

void EndpointState::set_health(bool good, std::string_view why) {
  healthy.store(good, std::memory_order_relaxed);
  set_last_error(why);
}

void EndpointState::set_last_error(std::string_view why) {
  const std::lock_guard lock(mutex_);
  last_error_ = why;
}

std::string EndpointState::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

void BackendState::use(const Backend& backend) {
  const std::uint32_t max = backend.health.passive ? backend.health.passive->failures : 0;
  if (load_->max_failures.exchange(max) == 0 || max != 0) return;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, weak] : known_)
    if (const std::shared_ptr<EndpointState> state = weak.lock()) {
      state->out_until.store(0, std::memory_order_relaxed);
      state->count_success();
    }
}

std::vector<std::shared_ptr<EndpointState>> BackendState::endpoints(std::span<const EndpointName> names, bool all) {
  std::vector<std::shared_ptr<EndpointState>> states;
  states.reserve(names.size());
  const std::lock_guard lock(mutex_);
  for (const EndpointName& name : names) {
    std::weak_ptr<EndpointState>& known = known_[name];
    std::shared_ptr<EndpointState> state = known.lock();
    if (!state) {
      const std::string text = key_ + '\n' + (name.node ? name.node->value() : "") + '\n' + name.target;
      known = state = std::make_shared<EndpointState>(name, keyed_hash(secret_, text), load_);
    }
    states.push_back(std::move(state));
  }
  if (all || in_force_.size() + states.size() > kMaxInForce) {
    in_force_ = states;
    std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
  } else {
    for (const auto& state : states)
      if (std::ranges::find(in_force_, state) == in_force_.end()) in_force_.push_back(state);
  }
  return states;
}

void BackendState::settle(const PassiveCheck& passive, TimePoint now) {
  const std::lock_guard lock(mutex_);
  load_->unsettled.store(false);  // before looking: what trips meanwhile sets it again
  for (const auto& [name, weak] : known_) {
    const std::shared_ptr<EndpointState> state = weak.lock();
    if (!state || !state->tripped.exchange(false)) continue;
    state->failures.store(0, std::memory_order_relaxed);
    if (state->is_ejected(now)) continue;
    const bool others = std::ranges::any_of(in_force_, [&](const auto& other) { return other != state && other->is_well(now); });
    if (!others) continue;
    const Duration well = now.time_since_epoch() - Duration(state->out_until.load(std::memory_order_relaxed));
    const auto forgiven = static_cast<std::uint64_t>(well / std::max<Duration>(passive.eject, 1ms));
    state->ejections_ = state->ejections_ > forgiven ? state->ejections_ - static_cast<std::uint32_t>(forgiven) : 0;
    state->ejections_ = std::min(state->ejections_ + 1, kMaxEjections);
    state->out_since.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    const Duration out = passive.eject * state->ejections_;
    state->out_until.store((now + out).time_since_epoch().count(), std::memory_order_relaxed);
    state->set_last_error(fmt::format("{} requests failed in a row", passive.failures));
    log::warn("route", "Backend {}: {} at {} is out for {}: {} requests failed in a row", key_, state->name.target,
              state->name.node ? state->name.node->value() : "cloud", fairlead::to_text(out), passive.failures);
  }
}

void BackendState::report(TimePoint now, std::vector<EndpointReport>& into) const {
  const std::lock_guard lock(mutex_);
  for (const auto& state : in_force_)
    into.push_back({.backend = key_,
                    .node = state->name.node,
                    .target = state->name.target,
                    .healthy = state->healthy.load(std::memory_order_relaxed),
                    .ejected = state->is_ejected(now),
                    .outstanding = state->outstanding.load(std::memory_order_relaxed),
                    .last_error = state->last_error()});
}

std::shared_ptr<BackendState> BackendStates::backend(const Backend& backend) {
  std::string key = backend.meta.key.to_text();
  const std::lock_guard lock(mutex_);
  std::shared_ptr<BackendState>& state = backends_[key];
  if (!state) state = std::make_shared<BackendState>(std::move(key), secret_);
  state->use(backend);
  return state;
}

void BackendStates::retain(const std::shared_ptr<const Snapshot>& snapshot) {
  const std::lock_guard lock(mutex_);
  if (retained_.lock() == snapshot) return;
  retained_ = snapshot;
  if (backends_.empty()) return;
  std::unordered_set<std::string> named;
  for (std::size_t i = 0; i < snapshot->backends(); i++)
    named.insert(snapshot->backend(BackendId(static_cast<std::uint32_t>(i))).meta.key.to_text());
  std::erase_if(backends_, [&](const auto& entry) { return !named.contains(entry.first); });
}

std::vector<EndpointReport> BackendStates::report(TimePoint now) const {
  std::vector<EndpointReport> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, state] : backends_) state->report(now, all);
  }
  std::ranges::sort(all, {}, [](const EndpointReport& r) { return std::tie(r.backend, r.node, r.target); });
  return all;
}

}  // namespace fairlead::route
