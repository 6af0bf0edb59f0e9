#include "kube/directory.h"

#include <fmt/format.h>

#include <algorithm>

#include "kube/tables.h"

namespace fairlead::kube {
namespace {

constexpr std::string_view kServiceDomain = ".svc";
constexpr std::string_view kClusterDomain = ".svc.cluster.local";

// "web.default.svc" -> "default/web"; "" if it is no Service's name.
std::string service_key(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.ends_with(kClusterDomain))
    host.remove_suffix(kClusterDomain.size());
  else if (host.ends_with(kServiceDomain))
    host.remove_suffix(kServiceDomain.size());
  else
    return {};
  const std::size_t dot = host.find('.');
  if (dot == host.npos || host.find('.', dot + 1) != host.npos) return {};
  return fmt::format("{}/{}", host.substr(dot + 1), host.substr(0, dot));
}

// One look-up.
class Search {
 public:
  Search(const Tables& tables, const net::HostPort& target, AskStanding standing, std::uint64_t turn)
      : tables_(tables), target_(target), standing_(standing), turn_(turn) {}

  Found by_address(const net::IpAddress& ip) const {
    if (const ServicePtr* service = tables_.cluster_ips.find(ip)) return through(**service, ip.is_v4());
    const std::vector<Claim>* claims = tables_.owners.find(ip);
    if (claims == nullptr) return Direct{};
    if (const std::vector<NodeName> nodes = nodes_of(*claims); nodes.size() > 1) {
      if (std::ranges::none_of(nodes, [this](const NodeName& n) { return is_edge(n); })) return Direct{};
      return ambiguous(ip, nodes);
    }
    const NodeName& node = claims->front().node;
    if (!is_edge(node)) return Direct{};
    const bool pod = std::ranges::none_of(*claims, [](const Claim& c) { return c.kind == Claim::Kind::host; });
    return at_edge(node, ip, pod ? AtEdge::Kind::pod : AtEdge::Kind::host);
  }

  std::optional<Found> by_name() const {
    if (const auto node = NodeName::parse(target_.host)) {
      if (is_edge(*node)) {
        const Directory::Node* known = tables_.nodes.find(*node);
        const bool has_address = known != nullptr && !known->addresses.empty();
        return at_edge(*node, has_address ? known->addresses.front() : net::IpAddress::loopback_v4(), AtEdge::Kind::host);
      }
      if (tables_.nodes.find(*node) != nullptr) return Direct{};
    }
    if (const std::string key = service_key(target_.host); !key.empty())
      if (const ServicePtr* service = tables_.services.find(key)) return through(**service, std::nullopt);
    return std::nullopt;
  }

 private:
  bool is_edge(const NodeName& node) const { return standing_of(node) != Standing::stranger; }
  Standing standing_of(const NodeName& node) const {
    const Standing standing = standing_(node);
    if (standing != Standing::stranger) return standing;
    const Directory::Node* known = tables_.nodes.find(node);
    return known != nullptr && known->labelled ? Standing::away : Standing::stranger;
  }

  static std::vector<NodeName> nodes_of(const std::vector<Claim>& claims) {
    std::vector<NodeName> nodes;
    for (const Claim& claim : claims)
      if (std::ranges::find(nodes, claim.node) == nodes.end()) nodes.push_back(claim.node);
    std::ranges::sort(nodes);
    return nodes;
  }

  // `kind`: unless the port is the kubelet's and the address the node's own.
  Found at_edge(const NodeName& node, const net::IpAddress& ip, AtEdge::Kind kind) const {
    const Directory::Node* known = tables_.nodes.find(node);
    const std::uint16_t kubelet = known == nullptr ? kKubeletPort : known->kubelet_port;
    if (kind == AtEdge::Kind::host && (target_.port == kubelet || target_.port == kKubeletPort))
      return AtEdge{node, AtEdge::Kind::kubelet, {net::IpAddress::loopback_v4(), kubelet}, {}};
    return AtEdge{node, kind, {ip, target_.port}, {}};
  }

  Found ambiguous(const net::IpAddress& ip, const std::vector<NodeName>& nodes) const {
    std::string names;
    for (const NodeName& node : nodes) names.append(names.empty() ? "" : ", ").append(node.value());
    return Ambiguous{nodes,
                     fmt::format("{} is an address of several nodes ({}), and nothing says which is meant: ask for the node by its "
                                 "name (kubelet-preferred-address-types: Hostname first), or give their networks different addresses",
                                 ip, names)};
  }

  Found through(const ServiceView& service, std::optional<bool> v4) const {
    const auto port = std::ranges::find(service.ports, target_.port, &ServiceView::Port::port);
    if (port == service.ports.end())
      return Nowhere{Code::refused, fmt::format("the Service {} has no TCP port {}", service.name, target_.port)};
    std::vector<const ServiceView::Endpoint*> here, away, elsewhere;
    std::vector<NodeName> nodes;  // beside those of endpoints that do not say theirs
    for (const ServiceView::Endpoint& endpoint : port->endpoints) {
      if (v4 && endpoint.at.ip.is_v4() != *v4) continue;
      const NodeName* node = node_of(endpoint);
      const Standing standing = node == nullptr ? Standing::stranger : standing_of(*node);
      (standing == Standing::connected ? here : standing == Standing::away ? away : elsewhere).push_back(&endpoint);
    }
    if (!elsewhere.empty()) {
      if (here.empty() && away.empty()) return Direct{};
      return Direct{elsewhere[turn_ % elsewhere.size()]->at};
    }
    const auto& edges = here.empty() ? away : here;
    if (edges.empty()) return Nowhere{Code::unreachable, fmt::format("no endpoint of the Service {} is ready", service.name)};
    const ServiceView::Endpoint& chosen = *edges[turn_ % edges.size()];
    return AtEdge{*node_of(chosen), AtEdge::Kind::pod, chosen.at, service.name};
  }

  // Null: nobody says on which node it is.
  const NodeName* node_of(const ServiceView::Endpoint& endpoint) const {
    if (endpoint.node) return &*endpoint.node;
    const std::vector<Claim>* claims = tables_.owners.find(endpoint.at.ip);
    if (claims == nullptr || nodes_of(*claims).size() != 1) return nullptr;
    return &claims->front().node;
  }

  const Tables& tables_;
  const net::HostPort& target_;
  AskStanding standing_;
  std::uint64_t turn_;
};

}  // namespace

std::shared_ptr<const Directory> Directory::empty() { return std::make_shared<const Directory>(std::make_shared<const Tables>()); }

Found Directory::find(const net::HostPort& target, AskStanding standing, std::uint64_t turn) const {
  const Search search(*tables_, target, standing, turn);
  if (const auto ip = net::IpAddress::parse(target.host)) {
    // A node may be called as its address is. Whoever has the address goes before.
    Found found = search.by_address(*ip);
    if (found != Found(Direct{}) || tables_->owners.find(*ip) != nullptr || tables_->cluster_ips.find(*ip) != nullptr) return found;
  }
  std::optional<Found> named = search.by_name();
  return named ? *std::move(named) : Found(Direct{});
}

const Directory::Node* Directory::node(const NodeName& name) const { return tables_->nodes.find(name); }
Directory::Sizes Directory::sizes() const { return tables_->sizes; }

}  // namespace fairlead::kube
