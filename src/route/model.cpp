#include "route/model.h"

#include <fmt/format.h>

namespace fairlead::route {

bool NodeChoice::picks(const NodeName& node, const Labels& labels) const {
  if (const NodeName* name = std::get_if<NodeName>(&by)) return *name == node;
  return matches(std::get<Labels>(by), labels);
}

std::string_view name(Protocol p) {
  switch (p) {
    case Protocol::http: return "HTTP";
    case Protocol::https: return "HTTPS";
    case Protocol::tls: return "TLS";
    case Protocol::tcp: return "TCP";
    case Protocol::udp: return "UDP";
    case Protocol::mqtt: return "fairlead.dev/MQTT";
  }
  return "";
}

std::string Target::to_text() const { return net::HostPort{host, port.value()}.to_text(); }

void Manifests::append(const Manifests& other) {
  gateways.insert(gateways.end(), other.gateways.begin(), other.gateways.end());
  placements.insert(placements.end(), other.placements.begin(), other.placements.end());
  tcp_routes.insert(tcp_routes.end(), other.tcp_routes.begin(), other.tcp_routes.end());
  backends.insert(backends.end(), other.backends.begin(), other.backends.end());
}

}  // namespace fairlead::route
