#include "kube/objects.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

namespace fairlead::kube {
namespace {

namespace json = boost::json;
using Path = std::initializer_list<std::string_view>;

json::string_view key(std::string_view k) { return {k.data(), k.size()}; }

const json::value* value_at(const json::object& object, Path path) {
  const json::object* in = &object;
  const json::value* found = nullptr;
  for (const std::string_view step : path) {
    if (in == nullptr) return nullptr;
    found = in->if_contains(key(step));
    if (found == nullptr) return nullptr;
    in = found->if_object();
  }
  return found;
}

std::string_view text_of(const json::value* value) {
  const json::string* s = value == nullptr ? nullptr : value->if_string();
  return s == nullptr ? std::string_view() : std::string_view(s->data(), s->size());
}

bool flag_at(const json::object& object, Path path, bool otherwise) {
  const json::value* value = value_at(object, path);
  const bool* flag = value == nullptr ? nullptr : value->if_bool();
  return flag == nullptr ? otherwise : *flag;
}

std::uint16_t port_of(const json::value* value) {
  const std::int64_t* n = value == nullptr ? nullptr : value->if_int64();
  return n != nullptr && *n > 0 && *n <= 65535 ? static_cast<std::uint16_t>(*n) : std::uint16_t{0};
}

const json::array& list_at(const json::object& object, Path path) {
  static const json::array none;
  const json::value* value = value_at(object, path);
  const json::array* list = value == nullptr ? nullptr : value->if_array();
  return list == nullptr ? none : *list;
}

// Those of its members that are objects.
template <class Visit>
void each_object(const json::array& list, Visit visit) {
  for (const json::value& member : list)
    if (const json::object* object = member.if_object()) visit(*object);
}

std::optional<NodeName> node_name(std::string_view text) {
  if (text.empty()) return std::nullopt;
  auto name = NodeName::parse(text);
  return name ? std::optional(*std::move(name)) : std::nullopt;
}

// An address that no node, pod or Service can have for others is left out: whoever says it has it wishes for other people's traffic.
void add_address(std::vector<net::IpAddress>& into, std::string_view text) {
  const auto ip = net::IpAddress::parse(text);
  if (!ip || ip->is_loopback() || ip->is_unspecified() || ip->is_multicast() || ip->is_link_local()) return;
  if (std::ranges::find(into, *ip) == into.end()) into.push_back(*ip);
}

std::vector<ServiceObject::Port> tcp_ports(const json::array& list) {
  std::vector<ServiceObject::Port> ports;
  each_object(list, [&](const json::object& each) {
    const std::string_view protocol = text_of(each.if_contains("protocol"));
    const std::uint16_t port = port_of(each.if_contains("port"));
    if (port != 0 && (protocol.empty() || protocol == "TCP")) ports.push_back({std::string(text_of(each.if_contains("name"))), port});
  });
  return ports;
}

}  // namespace

std::string_view text_at(const json::object& object, Path path) { return text_of(value_at(object, path)); }

std::string key_of(const json::object& object) {
  const std::string_view space = text_at(object, {"metadata", "namespace"});
  const std::string_view name = text_at(object, {"metadata", "name"});
  std::string made;
  if (name.empty()) return made;
  if (!space.empty()) made.append(space).append("/");
  return made.append(name);
}

std::string resource_version_of(const json::object& object) { return std::string(text_at(object, {"metadata", "resourceVersion"})); }

const Wanted& NodeObject::wanted() {
  static const Wanted wanted =
      Wanted::paths({"metadata/name", "metadata/resourceVersion", "metadata/labels", "spec/taints/key", "status/addresses",
                     "status/daemonEndpoints/kubeletEndpoint/Port", "status/conditions/type", "status/conditions/status"});
  return wanted;
}

std::optional<NodeObject> NodeObject::decode(const json::object& object) {
  auto name = node_name(text_at(object, {"metadata", "name"}));
  if (!name) return std::nullopt;
  NodeObject node{.name = *std::move(name), .labels = {}, .addresses = {}};
  if (const json::value* labels = value_at(object, {"metadata", "labels"}); labels != nullptr && labels->is_object()) {
    for (const auto& label : labels->get_object()) node.labels.emplace_back(label.key(), text_of(&label.value()));
    std::ranges::sort(node.labels);
  }
  const json::array& addresses = list_at(object, {"status", "addresses"});
  for (const std::string_view type : {"InternalIP", "ExternalIP"})
    each_object(addresses, [&](const json::object& each) {
      if (text_of(each.if_contains("type")) == type) add_address(node.addresses, text_of(each.if_contains("address")));
    });
  node.kubelet_port = port_of(value_at(object, {"status", "daemonEndpoints", "kubeletEndpoint", "Port"}));
  each_object(list_at(object, {"status", "conditions"}), [&](const json::object& each) {
    if (text_of(each.if_contains("type")) == "Ready") node.ready = text_of(each.if_contains("status")) == "True";
  });
  each_object(list_at(object, {"spec", "taints"}), [&](const json::object& each) {
    node.uninitialized = node.uninitialized || text_of(each.if_contains("key")) == kCloudTaint;
  });
  return node;
}

const Wanted& PodObject::wanted() {
  static const Wanted wanted = Wanted::paths({"metadata/name", "metadata/namespace", "metadata/resourceVersion", "spec/nodeName",
                                              "spec/hostNetwork", "status/phase", "status/podIP", "status/podIPs/ip"});
  return wanted;
}

std::optional<PodObject> PodObject::decode(const json::object& object) {
  if (key_of(object).empty()) return std::nullopt;
  PodObject pod;
  pod.node = node_name(text_at(object, {"spec", "nodeName"}));
  pod.host_network = flag_at(object, {"spec", "hostNetwork"}, false);
  const std::string_view phase = text_at(object, {"status", "phase"});
  pod.over = phase == "Succeeded" || phase == "Failed";
  add_address(pod.ips, text_at(object, {"status", "podIP"}));
  each_object(list_at(object, {"status", "podIPs"}),
              [&](const json::object& each) { add_address(pod.ips, text_of(each.if_contains("ip"))); });
  return pod;
}

const Wanted& ServiceObject::wanted() {
  static const Wanted wanted = Wanted::paths({"metadata/name", "metadata/namespace", "metadata/resourceVersion", "spec/clusterIP",
                                              "spec/clusterIPs", "spec/ports/name", "spec/ports/port", "spec/ports/protocol"});
  return wanted;
}

std::optional<ServiceObject> ServiceObject::decode(const json::object& object) {
  if (key_of(object).empty()) return std::nullopt;
  ServiceObject service;
  add_address(service.cluster_ips, text_at(object, {"spec", "clusterIP"}));  // "None" is no address
  for (const json::value& ip : list_at(object, {"spec", "clusterIPs"})) add_address(service.cluster_ips, text_of(&ip));
  service.ports = tcp_ports(list_at(object, {"spec", "ports"}));
  return service;
}

const Wanted& SliceObject::wanted() {
  static const Wanted wanted = Wanted::paths({"metadata/name", "metadata/namespace", "metadata/resourceVersion", "metadata/labels",
                                              "ports/name", "ports/port", "ports/protocol", "endpoints/addresses", "endpoints/nodeName",
                                              "endpoints/conditions/ready", "endpoints/conditions/serving"});
  return wanted;
}

std::optional<SliceObject> SliceObject::decode(const json::object& object) {
  if (key_of(object).empty()) return std::nullopt;
  SliceObject slice;
  if (const std::string_view service = text_at(object, {"metadata", "labels", "kubernetes.io/service-name"}); !service.empty())
    slice.service.append(text_at(object, {"metadata", "namespace"})).append("/").append(service);
  slice.ports = tcp_ports(list_at(object, {"ports"}));
  each_object(list_at(object, {"endpoints"}), [&](const json::object& each) {
    SliceObject::Endpoint endpoint;
    for (const json::value& address : list_at(each, {"addresses"})) add_address(endpoint.addresses, text_of(&address));
    if (endpoint.addresses.empty()) return;  // of names, or none that can be dialled
    endpoint.node = node_name(text_at(each, {"nodeName"}));
    endpoint.ready = flag_at(each, {"conditions", "ready"}, true);
    endpoint.serving = flag_at(each, {"conditions", "serving"}, endpoint.ready);
    slice.endpoints.push_back(std::move(endpoint));
  });
  return slice;
}

}  // namespace fairlead::kube
