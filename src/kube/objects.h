// objects.h: the four kinds of objects that the directory is made of, with the fields that it needs and nothing else.
//
// Lenient where an API server validates anyway: a field that is missing or of another type has its default; an address that is none is
// left out. Only an object without a name is none.
#pragma once
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "kube/wanted.h"
#include "net/address.h"

namespace fairlead::kube {

// "namespace/name", or "name" of what has no namespace.
std::string key_of(const boost::json::object& object);
std::string resource_version_of(const boost::json::object& object);  // "" if there is none

// Text at a path of keys, "" where there is none.
std::string_view text_at(const boost::json::object& object, std::initializer_list<std::string_view> path);

// Of a Node whose kubelet runs with cloud-provider=external, until somebody has set its addresses (k8s.io/cloud-provider/api).
inline constexpr std::string_view kCloudTaint = "node.cloudprovider.kubernetes.io/uninitialized";

using Labels = std::vector<std::pair<std::string, std::string>>;  // by key

struct NodeObject {
  NodeName name;
  Labels labels;
  std::vector<net::IpAddress> addresses;  // InternalIP first, then ExternalIP; each once
  std::uint16_t kubelet_port = 0;         // 0: not said
  bool ready = false;
  bool uninitialized = false;  // waits for a cloud provider to give it its addresses: it has kCloudTaint
  static const Wanted& wanted();
  static std::optional<NodeObject> decode(const boost::json::object& object);
  friend bool operator==(const NodeObject&, const NodeObject&) = default;
};

struct PodObject {
  std::optional<NodeName> node;
  std::vector<net::IpAddress> ips;
  bool host_network = false;
  bool over = false;  // Succeeded or Failed: its address may be another's by now
  static const Wanted& wanted();
  static std::optional<PodObject> decode(const boost::json::object& object);
  friend bool operator==(const PodObject&, const PodObject&) = default;
};

struct ServiceObject {
  struct Port {
    std::string name;
    std::uint16_t port = 0;
    friend bool operator==(const Port&, const Port&) = default;
  };
  std::vector<net::IpAddress> cluster_ips;  // none: headless, or another name
  std::vector<Port> ports;                  // TCP
  static const Wanted& wanted();
  static std::optional<ServiceObject> decode(const boost::json::object& object);
  friend bool operator==(const ServiceObject&, const ServiceObject&) = default;
};

struct SliceObject {
  struct Endpoint {
    std::vector<net::IpAddress> addresses;
    std::optional<NodeName> node;
    bool ready = true;
    bool serving = true;  // also while it terminates
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
  };
  std::string service;                     // "namespace/name"; "": of none
  std::vector<ServiceObject::Port> ports;  // TCP; names are those of the Service's ports
  std::vector<Endpoint> endpoints;
  static const Wanted& wanted();
  static std::optional<SliceObject> decode(const boost::json::object& object);
  friend bool operator==(const SliceObject&, const SliceObject&) = default;
};

}  // namespace fairlead::kube
