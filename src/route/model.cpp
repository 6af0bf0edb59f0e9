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

}  // namespace fairlead::route
