// health_checker.h: asks the endpoints of Backends with an active check whether they are well, and tells BackendStates.
//
// One for the process, on one of its loops. A check is a request over the link, as any other: what answers it is the service, seen from
// the node. Each connected node of a Backend is asked for each target, at once and then every interval; an endpoint is taken as well
// until it has failed as often as the Backend says. What is no more there, or no more to be checked, starts anew when it comes back.
#pragma once
#include <cstdint>
#include <memory>

#include "link/peers.h"
#include "route/backend_states.h"
#include "route/picker.h"
#include "runtime/loop.h"

namespace fairlead::http_plugin {

// Checks under way at once; the others wait for their turn. A site that comes back with all its nodes must not be flooded.
inline constexpr std::size_t kMaxChecksAtOnce = 64;
// How often it looks for nodes that came or went.
inline constexpr Duration kLookForNodesToCheck = 100ms;

struct HealthCounters {
  std::uint64_t checks = 0;  // that have ended
  std::uint64_t failed = 0;  // among them
};

class HealthChecker {
 public:
  // `peers` and `nodes` outlive this.
  HealthChecker(Loop& loop, link::Peers& peers, const route::NodeDirectory& nodes, std::shared_ptr<route::BackendStates> states);
  ~HealthChecker();

  // Checks that are the same in the new rules go on as they are.
  void apply(std::shared_ptr<const route::Snapshot> snapshot);

  std::size_t endpoints() const;  // that are checked now
  const HealthCounters& counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::http_plugin
