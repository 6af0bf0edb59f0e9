// resolver.h: turns manifests into a Snapshot. First the listeners of this site and which of them are in each other's way
// (resolver.cpp), then the references of each route and which route a listener serves (route_resolver.cpp).
#pragma once
#include <map>

#include "route/snapshot.h"

namespace fairlead::route {

class Resolver {
 public:
  Resolver(Manifests manifests, const Site& site);
  std::shared_ptr<const Snapshot> resolve();

 private:
  // A listener of a Gateway of this site, and what becomes of it.
  struct Entrance {
    const Gateway* gateway;
    const Listener* listener;
    bool takes_tcp_routes = true;
    Condition accepted, conflicted, resolved_refs;
    const TcpRoute* route = nullptr;
    std::uint32_t attached = 0;
  };
  struct Refs {
    std::vector<WeightedBackend> backends;
    Condition condition;
  };

  void add_gateway(const Gateway& gateway);
  std::string refuse_parameters(const Gateway& gateway) const;  // empty: they are good
  bool is_placed_here(const Gateway& gateway) const;
  void add_entrance(const Gateway& gateway, const Listener& listener);
  void find_conflicts();
  void decide_conflict(Entrance& first, Entrance& second);
  bool may_meet(const Gateway& a, const Gateway& b) const;
  void report(const Gateway& gateway, std::string refusal);

  void attach(const TcpRoute& route);
  Condition attach_to(const TcpRoute& route, const ParentRef& parent, const std::vector<Entrance*>& entrances);
  Refs resolve_refs(const TcpRoute& route);
  std::optional<Condition> resolve_ref(const TcpRoute& route, const BackendRef& ref, WeightedBackend& out) const;
  void listen(const Entrance& entrance, const TcpRoute& route, const std::vector<WeightedBackend>& backends);
  void warn(const Source& source, Position at, std::string path, std::string message);

  std::shared_ptr<Snapshot> made_ = std::make_shared<Snapshot>();
  Manifests manifests_;
  const Site& site_;
  std::map<ObjectKey, const Gateway*> gateways_;  // of all sites
  std::map<ObjectKey, const Placement*> placements_;
  std::map<ObjectKey, BackendId> backends_;
  std::map<ObjectKey, std::vector<Entrance>> entrances_;  // by Gateway, in the order of its listeners
  std::map<ObjectKey, std::string> refused_;              // Gateways of this site that are not accepted as a whole
  std::vector<const Gateway*> in_order_;                  // Gateways of this site by precedence
};

// Which of two objects has precedence: the older one, then by namespace and name (Gateway API). What has no age, as files that
// people write, stands behind what has one.
bool precedes(const ObjectMeta& a, const ObjectMeta& b);

}  // namespace fairlead::route
