// backend_states.h: what is known of the endpoints of Backends while the process runs: requests under way, health, ejections, budgets.
//
// One for the process, thread-safe. Everything goes by name (Backend, node, target), so that it outlives the snapshots: a change of rules
// makes nobody healthy. What the rules do not name any more is forgotten. Who holds a state may use it as long as he likes.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "route/keyed_hash.h"
#include "route/snapshot.h"

namespace fairlead::route {

// Of one Backend, all loops together.
struct BackendLoad {
  std::atomic<std::uint32_t> requests{0};      // under way
  std::atomic<std::uint32_t> retries{0};       // under way at any Backend because one of this Backend failed
  std::atomic<std::uint32_t> max_failures{0};  // in a row, and an endpoint is tripped; 0: they are not counted
  std::atomic<bool> unsettled{false};          // an endpoint is tripped, and settle() has not yet decided
};

struct EndpointName {
  std::optional<NodeName> node;  // none: the cloud
  std::string target;
  friend auto operator<=>(const EndpointName&, const EndpointName&) = default;
};

struct EndpointState {
  EndpointState(EndpointName n, std::uint64_t t, std::shared_ptr<BackendLoad> l) : name(std::move(n)), token(t), load(std::move(l)) {}

  const EndpointName name;
  const std::uint64_t token;  // stands for Backend, node and target towards clients
  const std::shared_ptr<BackendLoad> load;

  bool is_well(TimePoint now) const {
    return healthy.load(std::memory_order_relaxed) && out_until.load(std::memory_order_relaxed) <= now.time_since_epoch().count();
  }
  bool is_ejected(TimePoint now) const { return out_until.load(std::memory_order_relaxed) > now.time_since_epoch().count(); }

  // A request that was given this endpoint at `picked` has failed, or succeeded.
  void count_failure(TimePoint picked);
  void count_success() {
    if (failures.load(std::memory_order_relaxed) != 0) failures.store(0, std::memory_order_relaxed);
  }
  // The verdict of the active check.
  void set_health(bool good, std::string_view why);
  void set_last_error(std::string_view why);
  std::string last_error() const;

  std::atomic<std::uint32_t> outstanding{0};
  std::atomic<bool> healthy{true};
  std::atomic<std::uint32_t> failures{0};  // in a row
  std::atomic<bool> tripped{false};
  std::atomic<std::int64_t> out_since{0}, out_until{0};  // of the last ejection: TimePoint

 private:
  friend class BackendState;
  std::uint32_t ejections_ = 0;  // guarded by BackendState's mutex
  mutable std::mutex mutex_;
  std::string last_error_;
};

// One line of what people see.
struct EndpointReport {
  std::string backend;  // "namespace/name"
  std::optional<NodeName> node;
  std::string target;
  bool healthy = true;   // as active checks found
  bool ejected = false;  // for requests that failed
  std::uint32_t outstanding = 0;
  std::string last_error;
};

class BackendState {
 public:
  // An ejection is this many times `eject` at most.
  static constexpr std::uint32_t kMaxEjections = 10;

  BackendState(std::string key, const HashKey& secret) : key_(std::move(key)), secret_(secret) {}

  BackendLoad& load() const { return *load_; }
  const std::shared_ptr<BackendLoad>& shared_load() const { return load_; }  // for those that outlive the state
  void use(const Backend& backend);                                          // its settings, from now on

  // The states of these endpoints, in their order. They are the ones in force now, if `all`; else they come to those.
  std::vector<std::shared_ptr<EndpointState>> endpoints(std::span<const EndpointName> names, bool all);

  // Ejects what failed too often, unless no other endpoint is well. An ejection counts from here: the first pick that knows of it. It
  // is longer than the one before by `eject`, and shorter again by one for each `eject` that went well.
  void settle(const PassiveCheck& passive, TimePoint now);

  void report(TimePoint now, std::vector<EndpointReport>& into) const;

 private:
  const std::string key_;
  const HashKey secret_;
  const std::shared_ptr<BackendLoad> load_ = std::make_shared<BackendLoad>();
  mutable std::mutex mutex_;
  std::map<EndpointName, std::weak_ptr<EndpointState>> known_;  // all that somebody holds: a name has one state
  std::vector<std::shared_ptr<EndpointState>> in_force_;        // so that they outlive those who come and go with a snapshot
};

class BackendStates {
 public:
  // `secret`: for the tokens that clients get; those of another secret, or of another process without one, mean nothing.
  explicit BackendStates(const HashKey& secret = {}) : secret_(secret) {}

  std::shared_ptr<BackendState> backend(const Backend& backend);
  // Forgets Backends that are not in it. Nothing happens for the same one again.
  void retain(const std::shared_ptr<const Snapshot>& snapshot);

  // The endpoints in use, by Backend, node, target.
  std::vector<EndpointReport> report(TimePoint now) const;

 private:
  const HashKey secret_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<BackendState>> backends_;
  std::weak_ptr<const Snapshot> retained_;
};

}  // namespace fairlead::route
