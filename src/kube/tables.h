// tables.h: what a Directory looks things up in. Written by Index, copied for each Directory.
//
// Invariant: an address is in `owners` as long as a Node, Pod or EndpointSlice says that a node has it.
#pragma once
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kube/directory.h"
#include "kube/sharded_map.h"

namespace fairlead::kube {

struct IpHash {
  std::size_t operator()(const net::IpAddress& ip) const noexcept {
    std::uint64_t words[2] = {0, 0};
    std::memcpy(words, ip.data(), ip.size());
    const std::uint64_t mixed = (words[0] ^ (words[1] * 0xff51afd7ed558ccdU)) * 0xc4ceb9fe1a85ec53U;
    return static_cast<std::size_t>(mixed ^ (mixed >> 32));
  }
};

// That a node has an address.
struct Claim {
  enum class Kind : std::uint8_t { host, pod };  // of the node itself; of what runs on it
  NodeName node;
  Kind kind;
  std::uint32_t count = 0;  // objects that say so
};

struct ServiceView {
  struct Endpoint {
    net::SocketAddress at;
    std::optional<NodeName> node;
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
  };
  struct Port {
    std::uint16_t port = 0;
    std::vector<Endpoint> endpoints;  // that may be asked
    friend bool operator==(const Port&, const Port&) = default;
  };
  std::string name;  // "namespace/name"
  std::vector<Port> ports;
  friend bool operator==(const ServiceView&, const ServiceView&) = default;
};
using ServicePtr = std::shared_ptr<const ServiceView>;  // shared by all Directories in which it is the same

struct Tables {
  ShardedMap<NodeName, Directory::Node, std::hash<NodeName>, 64> nodes;
  ShardedMap<net::IpAddress, std::vector<Claim>, IpHash, 1024> owners;
  ShardedMap<net::IpAddress, ServicePtr, IpHash, 256> cluster_ips;
  ShardedMap<std::string, ServicePtr, std::hash<std::string>, 256> services;
  Directory::Sizes sizes;
};

}  // namespace fairlead::kube
