// directory.h: which edge an address of the cluster belongs to, and what is to be dialled there.
//
// Immutable: a new one is made when Nodes, Pods, Services or EndpointSlices change in a way that matters, and posted to each loop; may be
// read from any thread. A look-up is a few hash look-ups and allocates only its answer.
//
// Invariant: nothing is guessed. An address that two nodes have (two edges behind NAT with the same private address, a pod network used
// twice) is Ambiguous as soon as one of them is an edge; only the name decides then. What an object of an edge's own making says (the
// addresses of its Node, the IPs of its Pods) never takes an address away from another node or from a Service.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/ids.h"
#include "net/address.h"

namespace fairlead::kube {

// A kubelet's port unless its Node says another.
inline constexpr std::uint16_t kKubeletPort = 10250;

// What Fairlead itself knows of a node. Asked at each look-up, so that sessions that come and go need no new Directory.
enum class Standing : std::uint8_t {
  stranger,   // no edge of Fairlead's, unless its labels say so (DirectoryOptions)
  away,       // an edge without a session
  connected,  // an edge with one
};
using AskStanding = FunctionRef<Standing(const NodeName&)>;

struct AtEdge {
  enum class Kind : std::uint8_t {
    kubelet,  // the edge knows better than `at` where its kubelet listens
    pod,      // a pod, or an endpoint that an EndpointSlice places on the node
    host,     // anything else at an address of the node's own: pods on the host's network, host ports
  };
  NodeName node;
  Kind kind;
  net::SocketAddress at;  // to dial on that node; of a kubelet 127.0.0.1 and its port
  std::string service;    // "namespace/name" if the target was a Service
  friend bool operator==(const AtEdge&, const AtEdge&) = default;
};

// Belongs to no edge.
struct Direct {
  // Dial this instead: the Service has endpoints at edges, too, and its own address could lead to one of them.
  std::optional<net::SocketAddress> instead;
  friend bool operator==(const Direct&, const Direct&) = default;
};

struct Ambiguous {
  std::vector<NodeName> nodes;  // that have the address, in order
  std::string message;          // a sentence with all of them and what to ask for instead
  friend bool operator==(const Ambiguous&, const Ambiguous&) = default;
};

// Known, and there is nothing to dial.
struct Nowhere {
  Code code;  // unreachable (no endpoint is ready), refused (no such port)
  std::string message;
  friend bool operator==(const Nowhere&, const Nowhere&) = default;
};

using Found = std::variant<AtEdge, Direct, Ambiguous, Nowhere>;

struct Tables;

class Directory {
 public:
  explicit Directory(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}
  // Of a cluster in which there is nothing: knows what Fairlead knows.
  static std::shared_ptr<const Directory> empty();

  // Where `target` is: a node's name, "NAME.NAMESPACE.svc" of a Service (".cluster.local" may follow), or an address. `turn` spreads over
  // the endpoints of a Service: the same number, the same endpoint while they do not change. Endpoints at connected edges go before others.
  Found find(const net::HostPort& target, AskStanding standing, std::uint64_t turn = 0) const;

  struct Node {
    std::uint16_t kubelet_port = kKubeletPort;
    bool ready = false;
    bool labelled = false;       // an edge by its labels
    bool uninitialized = false;  // nobody has set its addresses yet (NodeObject)
    std::vector<net::IpAddress> addresses;
    friend bool operator==(const Node&, const Node&) = default;
  };
  // Null: no such Node.
  const Node* node(const NodeName& name) const;

  struct Sizes {
    std::size_t nodes = 0, pods = 0, services = 0, endpoints = 0;
  };
  Sizes sizes() const;

 private:
  std::shared_ptr<const Tables> tables_;
};

}  // namespace fairlead::kube
