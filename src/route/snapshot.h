// snapshot.h: the rules in force: every reference resolved, every conflict decided, ready to be asked for each connection.
//
// Immutable; built off the loops and shared by them. It is built for one Site, since the same manifests mean listeners in one place
// and nothing in another: the cloud has the Gateways of class "fairlead" of its folder, an edge those of class "fairlead-edge" of
// its own folder whose Placement picks it. Each side reads its own folder; nothing of it goes over the link.
//
// What a manifest asks for and does not get is told by conditions with Gateway API's names; the rest of the rules is in force.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "route/http_rules.h"
#include "route/manifests.h"
#include "route/model.h"

namespace fairlead::route {

struct Site {
  enum class Role : std::uint8_t { cloud, edge };
  Role role = Role::cloud;
  std::optional<NodeName> node;  // of an edge
  Labels labels;
  bool any = false;  // to validate: each Placement picks this site, and what is for the other role is no mistake

  static Site cloud() { return {}; }
  static Site edge(NodeName node, Labels labels) { return {.role = Role::edge, .node = std::move(node), .labels = std::move(labels)}; }
  static Site any_of(Role role) { return {.role = role, .any = true}; }
};

// A socket to listen at. [::] takes IPv4 too.
struct PortListener {
  ObjectKey gateway;
  std::string name;  // of the Gateway's listener
  RouteId route;
  net::SocketAddress bind;
  std::vector<WeightedBackend> backends;
};
struct TcpListener : PortListener {
  ConnectionPolicy policy;
};
struct UdpListener : PortListener {
  DatagramPolicy policy;
};

struct Condition {
  enum class Status : std::uint8_t { no, yes, unknown };
  std::string_view type;  // "Accepted", "ResolvedRefs", "Conflicted", "Programmed"
  Status status = Status::yes;
  std::string_view reason;  // "BackendNotFound"
  std::string message;      // empty when all is well
};

struct ListenerStatus {
  std::string name;
  std::vector<GroupKind> supported_kinds;  // of routes
  std::uint32_t attached_routes = 0;
  std::vector<Condition> conditions;
};
struct GatewayStatus {
  ObjectKey key;
  std::int64_t generation = 0;
  std::vector<Condition> conditions;
  std::vector<ListenerStatus> listeners;
};
struct ParentStatus {
  ParentRef parent;
  std::vector<Condition> conditions;
};
// Of a route; only with parents that are Gateways of this site, or that are not there at all.
struct RouteStatus {
  std::string_view kind;  // "HTTPRoute", "TCPRoute", "UDPRoute"
  ObjectKey key;
  std::int64_t generation = 0;
  std::vector<ParentStatus> parents;
};

const Condition* find(const std::vector<Condition>& conditions, std::string_view type);

class Snapshot {
 public:
  // No two objects of one kind and name (find_duplicates). `Programmed` is "unknown" for what is right: whoever listens knows.
  static std::shared_ptr<const Snapshot> build(Manifests manifests, const Site& site);

  const std::vector<TcpListener>& tcp_listeners() const { return tcp_listeners_; }
  const std::vector<UdpListener>& udp_listeners() const { return udp_listeners_; }
  const std::vector<HttpPort>& http_ports() const { return http_ports_; }
  const Backend& backend(BackendId id) const { return backends_[id.value()]; }
  std::size_t backends() const { return backends_.size(); }

  const std::vector<GatewayStatus>& gateways() const { return gateways_; }
  const std::vector<RouteStatus>& routes() const { return routes_; }
  // What is not in force, with its place, for people.
  const std::vector<Problem>& warnings() const { return warnings_; }

 private:
  friend class Resolver;
  std::vector<TcpListener> tcp_listeners_;
  std::vector<UdpListener> udp_listeners_;
  std::vector<HttpPort> http_ports_;
  std::vector<Backend> backends_;
  std::vector<GatewayStatus> gateways_;
  std::vector<RouteStatus> routes_;
  std::vector<Problem> warnings_;
};

// An error for each object that another file, or another document, has as well.
std::vector<Problem> find_duplicates(const Manifests& manifests);

}  // namespace fairlead::route
