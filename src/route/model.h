// model.h: the manifests of this version, validated one by one. What refers to what is the business of Snapshot.
//
//   gateway.networking.k8s.io/v1                Gateway, TCPRoute; HTTPRoute: http_route.h
//   gateway.networking.k8s.io/v1alpha2          TCPRoute, UDPRoute
//   fairlead.dev/v1alpha1                       Backend, Placement; ListenerPolicy, RequestPolicy: http_route.h; DatagramPolicy:
//                                               datagram_policy.h; ConnectionPolicy: connection_policy.h
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
std::string_view name(Protocol p);  // "TCP", "fairlead.dev/MQTT"
inline bool is_http(Protocol p) { return p == Protocol::http || p == Protocol::https; }
inline bool is_supported(Protocol p) { return p == Protocol::tcp || p == Protocol::udp || is_http(p); }  // by this version
inline bool is_datagram(Protocol p) { return p == Protocol::udp; }

struct GroupKind {
  std::string group = std::string(kGatewayGroup);
  std::string kind;
  friend bool operator==(const GroupKind&, const GroupKind&) = default;
};

// Files of a TLS listener, by Gateway's tls.options.
struct ListenerTls {
  std::string certificate_file, key_file;
  enum class ClientAuth : std::uint8_t { none, optional, required } client_auth = ClientAuth::none;
  std::string client_ca_file;
};

struct Listener {
  std::string name;
  Port port;
  Protocol protocol = Protocol::tcp;
  std::optional<std::string> hostname;
  bool from_all_namespaces = false;             // else only routes of the Gateway's own namespace
  std::optional<std::vector<GroupKind>> kinds;  // of routes; none: those that fit the protocol
  std::optional<ListenerTls> tls;
  bool names_secrets = false;  // tls.certificateRefs
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

// A route of a whole port: TCP and UDP have nothing to tell rules apart by.
struct PortRoute {
  ObjectMeta meta;
  std::vector<ParentRef> parents;
  std::vector<BackendRef> backends;  // of its one rule
};
struct TcpRoute : PortRoute {};
struct UdpRoute : PortRoute {};

// GEP-713: what a direct policy is for.
struct PolicyTarget {
  GroupKind kind;
  std::string name;  // in the namespace of the policy
  std::optional<std::string> section;
  Position at;
};

struct Target {
  std::string host;  // an IP address, or a name that the egress resolves
  Port port;
  std::string to_text() const;  // "127.0.0.1:80", "[::1]:80", as FlowOpen carries it
};

// The node comes from the request: so one rule reaches every node that the NodeChoice beside it picks.
struct NodeFrom {
  enum class Where : std::uint8_t { path_segment, host_label, header } where = Where::path_segment;
  unsigned index = 1;  // which segment of the path, or label of the host name, from the left, from 1
  std::string header;
  bool strip = false;  // of a segment: the path that is sent on begins behind it
};

// How requests are spread over the endpoints of a Backend: nodes and targets.
struct Balancing {
  enum class Policy : std::uint8_t { round_robin, least_request, hash } policy = Policy::round_robin;
  enum class HashOn : std::uint8_t { source, header, cookie, path } hash_on = HashOn::source;
  std::string hash_name;                      // of the header or cookie
  std::map<NodeName, std::uint32_t> weights;  // of nodes; 1 where none is said
  std::optional<NodeChoice> preferred;        // these while one of them is well; the others when none is
};

struct ActiveCheck {
  std::string path = "/";
  std::string host;                       // empty: the target's
  Duration interval = 10s, timeout = 2s;  // jittered by a tenth
  unsigned unhealthy_after = 3, healthy_after = 2;
  std::uint16_t status_first = 200, status_last = 399;
};
struct PassiveCheck {
  unsigned failures = 5;  // in a row, then out for `eject`, longer by that each time, up to ten times that
  Duration eject = 30s;
};
struct HealthCheck {
  std::optional<ActiveCheck> active;
  std::optional<PassiveCheck> passive;
};

// A breaker: what one Backend may have at once, over all of this side. 0: no limit.
struct Limits {
  std::uint32_t requests = 0;
  std::uint32_t connections = 0;  // of the egress's pool
};

struct BackendTls {
  std::string hostname;  // SNI, and the name that the certificate must have
  std::string ca_file;   // empty: the system's trusted CAs
  std::string ca_pem;    // read from it when the rules were
};

struct BackendTimeouts {
  Duration connect = 10s;
  Duration idle = 55s;  // in the pool: under the 60 s of common servers
};

struct Backend {
  struct Cloud {};
  ObjectMeta meta;
  std::variant<NodeChoice, Cloud> location;  // from where the targets are reached
  std::optional<NodeFrom> node_from;
  std::vector<Target> targets;
  Balancing balancing;
  HealthCheck health;
  Limits limits;
  std::optional<BackendTls> tls;
  BackendTimeouts timeouts;
  std::uint32_t proxy_protocol = 0;  // sent to the service: version 1 or 2; 0: none
};

}  // namespace fairlead::route
