// model.h: the manifests of this version, validated one by one. What refers to what is the business of Snapshot.
//
//   gateway.networking.k8s.io/v1                Gateway, TCPRoute
//   gateway.networking.k8s.io/v1alpha2          TCPRoute
//   fairlead.dev/v1alpha1                       Backend, Placement
//
// Gateway API texts are followed for names, defaults and limits of fields.
#pragma once
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "net/address.h"
#include "route/problem.h"
#include "route/values.h"

namespace fairlead::route {

inline constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";
inline constexpr std::string_view kFairleadGroup = "fairlead.dev";

struct ObjectKey {
  std::string ns;  // namespace
  std::string name;
  std::string to_text() const { return ns + "/" + name; }
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

// Where an object, or a part of it, was read.
struct Source {
  std::shared_ptr<const std::string> file;
  Position at;
};

struct ObjectMeta {
  ObjectKey key;
  Labels labels;
  std::map<std::string, std::string> annotations;
  std::optional<WallTime> created;  // absent in files that people write
  std::int64_t generation = 0;
  Source source;
};

// Nodes by name, or all that have each of some labels.
struct NodeChoice {
  std::variant<Labels, NodeName> by;
  bool picks(const NodeName& node, const Labels& labels) const;
};

enum class Protocol : std::uint8_t { http, https, tls, tcp, udp, mqtt };
std::string_view name(Protocol p);                                   // "TCP", "fairlead.dev/MQTT"
inline bool is_supported(Protocol p) { return p == Protocol::tcp; }  // by this version
inline bool is_datagram(Protocol p) { return p == Protocol::udp; }

struct GroupKind {
  std::string group = std::string(kGatewayGroup);
  std::string kind;
};

struct Listener {
  std::string name;
  Port port;
  Protocol protocol = Protocol::tcp;
  std::optional<std::string> hostname;
  bool from_all_namespaces = false;             // else only routes of the Gateway's own namespace
  std::optional<std::vector<GroupKind>> kinds;  // of routes; none: those that fit the protocol
  Position at;
};

struct Gateway {
  static constexpr std::string_view kCloudClass = "fairlead";      // listens in the cloud
  static constexpr std::string_view kEdgeClass = "fairlead-edge";  // listens on nodes: those of its Placement, or all

  ObjectMeta meta;
  std::string class_name;
  std::vector<Listener> listeners;
  // Where to listen. None: everywhere in the cloud; at the edge only on 127.0.0.1, since a node is to have no open port by default.
  std::vector<net::IpAddress> addresses;
  struct Parameters {
    GroupKind kind;
    std::string name;
    Position at;
  };
  std::optional<Parameters> parameters;  // spec.infrastructure.parametersRef: a Placement
};

// What parametersRef of a Gateway of class fairlead-edge points to: on which nodes it listens. (spec.infrastructure.labels would be
// the labels that the Gateway gives to what it makes, which is another thing; a parametersRef is Gateway API's own way to configure.)
struct Placement {
  ObjectMeta meta;
  NodeChoice nodes;
};

struct ParentRef {
  GroupKind kind;
  ObjectKey gateway;
  std::optional<std::string> section;  // a listener's name
  std::optional<Port> port;
  Position at;
};

struct BackendRef {
  GroupKind kind;
  ObjectKey backend;
  std::optional<Port> port;  // only those targets of the Backend
  std::uint32_t weight = 1;
  Position at;
};

struct TcpRoute {
  ObjectMeta meta;
  std::vector<ParentRef> parents;
  std::vector<BackendRef> backends;  // of its one rule: TCP has nothing to tell rules apart by
};

struct Target {
  std::string host;  // an IP address, or a name that the egress resolves
  Port port;
  std::string to_text() const;  // "127.0.0.1:80", "[::1]:80", as FlowOpen carries it
};

struct Backend {
  struct Cloud {};
  ObjectMeta meta;
  std::variant<NodeChoice, Cloud> location;  // from where the targets are reached
  std::vector<Target> targets;
};

struct Manifests {
  std::vector<Gateway> gateways;
  std::vector<Placement> placements;
  std::vector<TcpRoute> tcp_routes;
  std::vector<Backend> backends;

  void append(const Manifests& other);
  std::size_t size() const { return gateways.size() + placements.size() + tcp_routes.size() + backends.size(); }
};

}  // namespace fairlead::route
