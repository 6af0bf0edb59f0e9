// balancer.h: where one HTTP request, or one client of UDP, goes: a share of the rule by weight, then one of the Backend's endpoints by
// its balancing.
//
// An endpoint is a target of a Backend on one node (or in the cloud). Passed over are nodes that are not connected, endpoints that
// checks or requests found bad (EndpointHealth), and those that the caller has tried. A Backend with no endpoint that is well leaves its
// share to the others; when all endpoints of all Backends are bad, they are used all the same (better a try than a sure failure).
// One Balancer on each loop and for each snapshot; what must outlive both is in BackendStates, one for the process.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/random.h"
#include "route/picker.h"
#include "route/snapshot.h"

namespace fairlead::route {

class BackendStates;  // backend_states.h
struct BackendLoad;
struct EndpointState;

struct Endpoint {
  std::optional<NodeName> node;  // none: the cloud
  const Backend* backend = nullptr;
  const Target* target = nullptr;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

enum class Outcome : std::uint8_t { success, failure, cancelled };  // failure: no connection, no answer, or a status of 500 and above

// Counts a request against its endpoint while it runs. Movable; dropping it without report() counts as cancelled.
class Lease {
 public:
  Lease() = default;
  Lease(Lease&&) noexcept;
  Lease& operator=(Lease&&) noexcept;
  ~Lease();
  // Once.
  void report(Outcome outcome);

 private:
  friend class Balancer;
  Lease(std::shared_ptr<EndpointState> state, std::shared_ptr<BackendLoad> retry_of, TimePoint picked);
  void end();
  std::shared_ptr<EndpointState> state_;
  std::shared_ptr<BackendLoad> retry_of_;  // of the Backend whose failure made this request, if it is a retry
  TimePoint picked_{};
};

struct Pick {
  Endpoint endpoint;
  const HttpShare* share = nullptr;
  Lease lease;
  std::string persistence;  // the value that leads here again: SessionPersistence; empty when the rule has none
};

struct PickFor {
  const HttpRule& rule;
  const RequestToMatch& request;     // for hash keys and nodeFrom
  const net::SocketAddress& client;  // for hash by source
  std::string_view persistence;      // what the client brought; empty: none
  std::span<const Endpoint> tried;   // not to be used again, unless there is no other
};

// For a client of a UDPRoute: always by hash of its address (consistent; the port does not count), shares of Backends too, so that a client
// stays where it is as long as that is there.
struct PickForClient {
  const RouteId& route;
  std::span<const WeightedBackend> backends;
  const net::SocketAddress& client;
  std::span<const Endpoint> tried;  // not to be used again
};

// Why there is none. `code`: not_found (a share that is refused: 500), unreachable (no node connected: 503), overloaded (breaker: 503),
// invalid (the request names no node, or one that the rule does not reach: 404).
class Balancer {
 public:
  Balancer(std::shared_ptr<const Snapshot> snapshot, const NodeDirectory& nodes, std::shared_ptr<BackendStates> states);
  ~Balancer();

  Result<Pick> pick(const PickFor& what, TimePoint now, Random& random);
  Result<Pick> pick(const PickForClient& what, TimePoint now, Random& random);
  // One endpoint of a mirror's backend; nothing when there is none.
  std::optional<Pick> pick_mirror(const MirrorFilter& mirror, TimePoint now, Random& random);
  // Whether another try is within the retry budget of the backend (a fifth of the requests that run, at least three).
  bool may_retry(const Backend& backend);

  const Snapshot& snapshot() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Path as it is sent on when the node came from a path segment and is stripped (Backend location.nodeFrom.strip); `path` otherwise.
std::string_view strip_node(const Backend& backend, std::string_view path);

}  // namespace fairlead::route
