#include "route/kinds.h"

namespace fairlead::route {
namespace {

constexpr std::size_t kMaxTargets = 64;  // more are better several Backends, or a Service

// An IP address, or a DNS name that is none in disguise: "127.1" and "0x7f.1" are addresses to resolvers.
void decode_host(const Field& f, std::string& out) {
  const std::optional<std::string_view> text = f.string();
  if (!text) return;
  if (auto ip = net::IpAddress::parse(*text)) {
    out = ip->to_text();
    return;
  }
  const std::string_view last = text->substr(text->rfind('.') + 1);
  const bool number = last.find_first_not_of("0123456789") == last.npos ||
                      (last.starts_with("0x") && last.find_first_not_of("0123456789abcdef", 2) == last.npos);
  if (number || !check_dns_subdomain(*text)) return f.error("{} is neither an IP address nor a DNS name", shown(*text));
  out = *text;
}

void decode_location(const Field& f, Backend& out) {
  Object o(f);
  std::optional<NodeChoice> nodes;
  decode_node_choice(o, nodes);
  const bool names_nodes = o.has("nodeName") || o.has("nodeSelector");
  if (o.has("cloud") == names_nodes) f.error("one of nodeName, nodeSelector and cloud: {{}} is needed");
  o.optional("cloud", [&](const Field& cloud) {
    Object nothing(cloud);
    out.location = Backend::Cloud{};
  });
  if (nodes) out.location = *std::move(nodes);
}

}  // namespace

void decode(const Field& f, Target& out) {
  Object o(f);
  o.required("address", [&](const Field& a) { decode_host(a, out.host); });
  o.required("port", out.port);
}

void decode_spec(Object& o, Backend& out) {
  o.required("spec", [&](const Field& f) {
    Object spec(f);
    spec.required("location", [&](const Field& l) { decode_location(l, out); });
    spec.required("targets", list_of(out.targets, 1, kMaxTargets));
    for (std::string_view key : {"protocol", "balancing", "healthCheck", "tls", "timeouts"}) spec.not_supported(key);
  });
}

}  // namespace fairlead::route
