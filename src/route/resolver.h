// resolver.h: turns manifests into a Snapshot. First the listeners of this site and which of them are in each other's way
// (resolver.cpp), then the references of each route and which listeners serve it (route_resolver.cpp; of TCPRoutes and UDPRoutes
// port_routes.cpp, of HTTPRoutes http_resolver.cpp),
// last the sockets for HTTP with the policy of each (http_ports.cpp).
#pragma once
#include <map>

#include "base/function_ref.h"
#include "route/http_matcher.h"
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
    std::string_view takes;  // the kind of route; empty: none
    Condition accepted, conflicted, resolved_refs;
    bool has_certificate = true;            // of HTTPS
    const PortRoute* port_route = nullptr;  // of TCP and UDP
    std::vector<HttpMatcher::Attached> http;
    std::uint32_t attached = 0;

    bool listens() const { return accepted.status == Condition::Status::yes && has_certificate; }
  };
  using Entrances = std::vector<Entrance*>;

  // resolver.cpp
  void add_gateway(const Gateway& gateway);
  std::string refuse_parameters(const Gateway& gateway) const;  // empty: they are good
  bool is_placed_here(const Gateway& gateway) const;
  void add_entrance(const Gateway& gateway, const Listener& listener);
  void find_conflicts();
  void decide_conflict(Entrance& first, Entrance& second);
  bool may_meet(const Gateway& a, const Gateway& b) const;
  void report(const Gateway& gateway, std::string refusal);
  void warn(const Source& source, Position at, std::string path, std::string message);

  // route_resolver.cpp
  // Of one route: calls `claim` for each parent with the listeners that may serve it, and keeps the status. `refs`: the route's own.
  void attach(std::string_view kind, const ObjectMeta& meta, const std::vector<ParentRef>& parents,
              FunctionRef<Condition(const ParentRef&, const Entrances&)> claim, FunctionRef<const Condition&()> refs);
  std::optional<Condition> find_entrances(std::string_view kind, const ObjectMeta& meta, const ParentRef& parent, Entrances& out);
  // Fills `out`, or tells what is not good about `ref`; `ns` is the route's.
  std::optional<Condition> resolve_ref(const std::string& ns, const BackendRef& ref, WeightedBackend& out) const;
  // port_routes.cpp
  void attach(std::string_view kind, const PortRoute& route);
  Condition claim(std::string_view kind, const PortRoute& route, const ParentRef& parent, const Entrances& entrances);
  std::vector<WeightedBackend> resolve_refs(std::string_view kind, const PortRoute& route, Condition& condition);
  template <class Route>
  void attach_in_order(std::string_view kind, const std::vector<Route>& routes);
  void attach_port_routes();
  template <class Object, class Route>
  auto choose_policies(std::string_view kind, const std::vector<Object>& objects, std::string_view route_kind,
                       const std::vector<Route>& routes);

  // http_resolver.cpp
  void attach(HttpRoute& route);
  Condition claim(const HttpRoute& route, const std::shared_ptr<const CompiledRoute>& compiled, const ParentRef& parent,
                  const Entrances& entrances);
  std::shared_ptr<const CompiledRoute> compile(HttpRoute& route, Condition& refs);
  HttpRule compile(const ObjectMeta& route, HttpRouteRule& rule, std::size_t index, Condition& refs);
  // False: what it refers to is not there.
  bool compile(const ObjectMeta& route, FilterSpec& filter, const std::string& path, HttpRule& into, Condition& refs);
  bool resolve_policy(const ObjectMeta& route, const ExtensionReference& ref, const std::string& path, HttpRule& into, Condition& refs);

  // http_ports.cpp
  void make_http_ports();
  struct PolicyClaim;
  std::vector<PolicyClaim> policy_claims();
  void choose_policy(HttpPort& port, const std::vector<PolicyClaim>& claims);

  std::shared_ptr<Snapshot> made_ = std::make_shared<Snapshot>();
  Manifests manifests_;
  const Site& site_;
  std::map<ObjectKey, const Gateway*> gateways_;  // of all sites
  std::map<ObjectKey, const Placement*> placements_;
  std::map<ObjectKey, const RequestPolicyObject*> request_policies_;
  std::map<ObjectKey, const DatagramPolicyObject*> datagram_policies_;      // by the UDPRoute for which it is in force
  std::map<ObjectKey, const ConnectionPolicyObject*> connection_policies_;  // by the TCPRoute
  std::map<ObjectKey, BackendId> backends_;
  std::map<ObjectKey, std::vector<Entrance>> entrances_;  // by Gateway, in the order of its listeners
  std::map<ObjectKey, std::string> refused_;              // Gateways of this site that are not accepted as a whole
  std::vector<const Gateway*> in_order_;                  // Gateways of this site by precedence
};

// Which of two objects has precedence: the older one, then by namespace and name (Gateway API). What has no age, as files that
// people write, stands behind what has one.
bool precedes(const ObjectMeta& a, const ObjectMeta& b);

// Where a Gateway listens when it does not say: model.h.
std::vector<net::IpAddress> bind_addresses(const Gateway& gateway);

// Adds what is wrong with a reference to the condition "ResolvedRefs": the first reason stays.
void add_refusal(Condition& refs, Condition bad);

}  // namespace fairlead::route
