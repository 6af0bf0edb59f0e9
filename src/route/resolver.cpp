#include "route/resolver.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace fairlead::route {

using enum Condition::Status;

bool precedes(const ObjectMeta& a, const ObjectMeta& b) {
  const WallTime x = a.created.value_or(WallTime::max());
  const WallTime y = b.created.value_or(WallTime::max());
  return x != y ? x < y : a.key < b.key;
}

std::vector<net::IpAddress> bind_addresses(const Gateway& gateway) {
  if (!gateway.addresses.empty()) return gateway.addresses;
  if (gateway.class_name == Gateway::kEdgeClass) return {net::IpAddress::loopback_v4()};
  return {net::IpAddress::v6({})};
}

namespace {

bool overlaps(const net::IpAddress& a, const net::IpAddress& b) {
  if (a == b) return true;
  auto covers = [](const net::IpAddress& wide, const net::IpAddress& other) {
    return wide.is_unspecified() && (!wide.is_v4() || other.is_v4());
  };
  return covers(a, b) || covers(b, a);
}

// Two listeners of one port can both be there if host names tell them apart (Gateway API: "distinct").
bool are_distinct(const Listener& a, const Listener& b) {
  if (a.port != b.port || is_datagram(a.protocol) != is_datagram(b.protocol)) return true;
  auto by_name = [](const Listener& l) {
    return l.protocol == Protocol::http ? 1 : l.protocol == Protocol::https || l.protocol == Protocol::tls ? 2 : 0;
  };
  return by_name(a) != 0 && by_name(a) == by_name(b) && a.hostname != b.hostname;
}

std::string_view conflict_reason(const Listener& a, const Listener& b) {
  const bool hostname =
      a.protocol == b.protocol && (a.protocol == Protocol::http || a.protocol == Protocol::https || a.protocol == Protocol::tls);
  return hostname ? "HostnameConflict" : "ProtocolConflict";
}

std::string_view route_kind(Protocol p) {
  return p == Protocol::tcp ? "TCPRoute" : p == Protocol::udp ? "UDPRoute" : is_http(p) ? "HTTPRoute" : "";
}

}  // namespace

Resolver::Resolver(Manifests manifests, const Site& site) : manifests_(std::move(manifests)), site_(site) {}

std::shared_ptr<const Snapshot> Resolver::resolve() {
  for (const Gateway& g : manifests_.gateways) gateways_.emplace(g.meta.key, &g);
  for (const Placement& p : manifests_.placements) placements_.emplace(p.meta.key, &p);
  for (const RequestPolicyObject& p : manifests_.request_policies) request_policies_.emplace(p.meta.key, &p);
  made_->backends_ = std::move(manifests_.backends);
  for (std::size_t i = 0; i < made_->backends_.size(); i++)
    backends_.emplace(made_->backends_[i].meta.key, BackendId(static_cast<std::uint32_t>(i)));

  for (const Gateway& g : manifests_.gateways) add_gateway(g);
  std::sort(in_order_.begin(), in_order_.end(), [](const Gateway* a, const Gateway* b) { return precedes(a->meta, b->meta); });
  find_conflicts();

  attach_port_routes();

  std::vector<HttpRoute*> http_routes;
  for (HttpRoute& r : manifests_.http_routes) http_routes.push_back(&r);
  std::ranges::sort(http_routes, [](const HttpRoute* x, const HttpRoute* y) { return precedes(x->meta, y->meta); });
  for (HttpRoute* r : http_routes) attach(*r);
  make_http_ports();

  for (const Gateway* g : in_order_) report(*g, refused_[g->meta.key]);
  std::sort(made_->warnings_.begin(), made_->warnings_.end(),
            [](const Problem& a, const Problem& b) { return std::tie(a.file, a.at, a.message) < std::tie(b.file, b.at, b.message); });
  return made_;
}

void Resolver::warn(const Source& source, Position at, std::string path, std::string message) {
  made_->warnings_.push_back({Severity::warning, source.file ? *source.file : "", at, std::move(path), std::move(message)});
}

void Resolver::add_gateway(const Gateway& gateway) {
  const bool edge = gateway.class_name == Gateway::kEdgeClass;
  if (!edge && gateway.class_name != Gateway::kCloudClass)
    return warn(gateway.meta.source, gateway.meta.source.at, "spec.gatewayClassName",
                fmt::format("{} is not Fairlead's ({}, {}): this Gateway is ignored", shown(gateway.class_name), Gateway::kCloudClass,
                            Gateway::kEdgeClass));
  if (edge != (site_.role == Site::Role::edge)) {
    if (!site_.any)
      warn(gateway.meta.source, gateway.meta.source.at, "spec.gatewayClassName",
           edge ? "a Gateway of class fairlead-edge belongs among the rules of the edge: it is ignored in the cloud"
                : "a Gateway of class fairlead belongs among the rules of the cloud: it is ignored at the edge");
    return;
  }
  std::string refusal = refuse_parameters(gateway);
  if (refusal.empty() && !is_placed_here(gateway)) return;
  if (!entrances_.emplace(gateway.meta.key, std::vector<Entrance>()).second) return;
  refused_[gateway.meta.key] = std::move(refusal);
  in_order_.push_back(&gateway);
  for (const Listener& l : gateway.listeners) add_entrance(gateway, l);
}

std::string Resolver::refuse_parameters(const Gateway& gateway) const {
  if (!gateway.parameters) return "";
  const GroupKind& kind = gateway.parameters->kind;
  if (gateway.class_name == Gateway::kCloudClass) return "a Gateway of class fairlead has no parameters";
  if (kind.group != kFairleadGroup || kind.kind != "Placement")
    return fmt::format("{}/{} is no kind of parameters; a Placement of fairlead.dev is", kind.group, kind.kind);
  const ObjectKey key{gateway.meta.key.ns, gateway.parameters->name};
  return placements_.contains(key) ? "" : fmt::format("the Placement {} is not there", key.to_text());
}

bool Resolver::is_placed_here(const Gateway& gateway) const {
  if (site_.role == Site::Role::cloud || site_.any || !gateway.parameters) return true;
  const Placement& placement = *placements_.at({gateway.meta.key.ns, gateway.parameters->name});
  return site_.node && placement.nodes.picks(*site_.node, site_.labels);
}

void Resolver::add_entrance(const Gateway& gateway, const Listener& listener) {
  Entrance e{.gateway = &gateway,
             .listener = &listener,
             .accepted = {"Accepted", yes, "Accepted", ""},
             .conflicted = {"Conflicted", no, "NoConflicts", ""},
             .resolved_refs = {"ResolvedRefs", yes, "ResolvedRefs", ""}};
  if (!refused_[gateway.meta.key].empty())
    e.accepted = {"Accepted", no, "Pending", "its Gateway is not accepted"};
  else if (!is_supported(listener.protocol))
    e.accepted = {"Accepted", no, "UnsupportedProtocol",
                  fmt::format("the protocol {} is not supported by this version: nothing listens at port {}", name(listener.protocol),
                              listener.port)};
  e.takes = is_supported(listener.protocol) ? route_kind(listener.protocol) : "";
  if (listener.kinds && !e.takes.empty()) {
    const GroupKind fits{.kind = std::string(e.takes)};
    if (std::ranges::find(*listener.kinds, fits) == listener.kinds->end()) e.takes = "";
    for (const GroupKind& k : *listener.kinds)
      if (k != fits)
        e.resolved_refs = {"ResolvedRefs", no, "InvalidRouteKinds",
                           fmt::format("{} cannot be served by a listener of protocol {}", shown(k.kind), name(listener.protocol))};
  }
  if (listener.protocol == Protocol::https && (!listener.tls || listener.tls->certificate_file.empty())) {
    e.has_certificate = false;
    e.resolved_refs = {"ResolvedRefs", no, "InvalidCertificateRef",
                       listener.names_secrets ? "certificateRefs name Secrets, which need a cluster; without one, tls.options "
                                                "fairlead.dev/certificate-file and fairlead.dev/key-file name files"
                                              : "tls is missing: an HTTPS listener needs a certificate and its key"};
  }
  entrances_[gateway.meta.key].push_back(std::move(e));
}

// At validation two edge Gateways of different placements may be for different nodes.
bool Resolver::may_meet(const Gateway& a, const Gateway& b) const {
  const auto name = [](const Gateway& g) { return g.parameters ? ObjectKey{g.meta.key.ns, g.parameters->name} : ObjectKey{}; };
  return !site_.any || site_.role == Site::Role::cloud || name(a) == name(b);
}

void Resolver::find_conflicts() {
  std::map<std::pair<Port, bool>, std::vector<Entrance*>> by_port;
  for (const Gateway* g : in_order_) {
    for (Entrance& e : entrances_[g->meta.key]) {
      if (!refused_[g->meta.key].empty()) continue;
      auto& others = by_port[{e.listener->port, is_datagram(e.listener->protocol)}];
      for (Entrance* other : others) decide_conflict(*other, e);
      others.push_back(&e);
    }
  }
}

// In one Gateway all listeners that conflict are out, for none of them is before another (Gateway API: "Handling indistinct
// Listeners"). Of two Gateways, the one with precedence has the port; if host names tell them apart, both share the socket.
void Resolver::decide_conflict(Entrance& first, Entrance& second) {
  auto lose = [](Entrance& loser, const Entrance& winner, std::string_view reason) {
    if (loser.conflicted.status == yes) return;
    std::string message = fmt::format("port {} is taken by listener {} of Gateway {}", loser.listener->port, shown(winner.listener->name),
                                      winner.gateway->meta.key.to_text());
    loser.conflicted = {"Conflicted", yes, reason, message};
    loser.accepted = {"Accepted", no, "PortUnavailable", std::move(message)};
  };
  if (first.gateway == second.gateway) {
    if (are_distinct(*first.listener, *second.listener)) return;
    const std::string_view reason = conflict_reason(*first.listener, *second.listener);
    lose(first, second, reason);
    lose(second, first, reason);
    return;
  }
  if (first.conflicted.status == yes || !may_meet(*first.gateway, *second.gateway)) return;
  // Host names tell listeners of one socket apart, whosever they are.
  const bool distinct = are_distinct(*first.listener, *second.listener);
  for (const net::IpAddress& a : bind_addresses(*first.gateway))
    for (const net::IpAddress& b : bind_addresses(*second.gateway))
      if (overlaps(a, b) && !(distinct && a == b)) return lose(second, first, conflict_reason(*first.listener, *second.listener));
}

void Resolver::report(const Gateway& gateway, std::string refusal) {
  GatewayStatus status{.key = gateway.meta.key, .generation = gateway.meta.generation};
  std::size_t good = 0, listening = 0;
  const std::vector<Entrance>& entrances = entrances_[gateway.meta.key];
  for (const Entrance& e : entrances) {
    const bool accepted = e.accepted.status == yes;
    good += accepted;
    listening += e.listens();
    Condition programmed = e.listens() ? Condition{"Programmed", unknown, "Pending", ""}
                                       : Condition{"Programmed", no, "Invalid", accepted ? e.resolved_refs.message : e.accepted.message};
    const std::string path = fmt::format("spec.listeners[{}]", e.listener - gateway.listeners.data());
    if (!accepted && refusal.empty()) warn(gateway.meta.source, e.listener->at, path, e.accepted.message);
    if (e.resolved_refs.status != yes) warn(gateway.meta.source, e.listener->at, path, e.resolved_refs.message);
    std::vector<GroupKind> kinds;
    if (!e.takes.empty()) kinds.push_back({.kind = std::string(e.takes)});
    status.listeners.push_back(
        {e.listener->name, std::move(kinds), e.attached, {e.accepted, e.conflicted, e.resolved_refs, std::move(programmed)}});
  }
  if (!refusal.empty()) {
    warn(gateway.meta.source, gateway.parameters->at, "spec.infrastructure.parametersRef", refusal + ": this Gateway does not listen");
    status.conditions = {{"Accepted", no, "InvalidParameters", refusal}, {"Programmed", no, "Invalid", refusal}};
  } else {
    const bool all = good == entrances.size();
    std::string message = all ? "" : fmt::format("{} of {} listeners are not accepted", entrances.size() - good, entrances.size());
    status.conditions = {{"Accepted", good > 0 ? yes : no, all ? "Accepted" : "ListenersNotValid", message},
                         listening > 0 ? Condition{"Programmed", unknown, "Pending", ""}
                                       : Condition{"Programmed", no, "Invalid", good > 0 ? "no listener has a certificate" : message}};
  }
  made_->gateways_.push_back(std::move(status));
}

}  // namespace fairlead::route
