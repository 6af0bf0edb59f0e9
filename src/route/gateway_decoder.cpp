#include "route/http_values.h"
#include "route/kinds.h"

namespace fairlead::route {
namespace {

constexpr std::size_t kMaxListeners = 64;  // Gateway API
constexpr std::size_t kMaxAddresses = 16;  // Gateway API

void decode_route_kind(const Field& f, GroupKind& out) {
  Object o(f);
  o.optional("group", out.group);
  o.required("kind", out.kind);
}

void decode_allowed_routes(const Field& f, Listener& out) {
  Object o(f);
  o.optional("namespaces", [&](const Field& namespaces) {
    Object n(namespaces);
    n.optional("from", one_of(out.from_all_namespaces, {{"Same", false}, {"All", true}}));
    n.not_supported("selector");
  });
  o.optional("kinds", [&](const Field& kinds) {
    out.kinds.emplace();
    kinds.items(0, 8, [&](const Field& k) { decode_route_kind(k, out.kinds->emplace_back()); });
    if (out.kinds->empty()) out.kinds.reset();
  });
}

}  // namespace

void decode(const Field& f, Listener& out) {
  Object o(f);
  out.at = f.node().at;
  o.required("name", checked(out.name, check_dns_subdomain));
  o.required("port", out.port);
  o.required("protocol", one_of(out.protocol, {{name(Protocol::http), Protocol::http},
                                               {name(Protocol::https), Protocol::https},
                                               {name(Protocol::tls), Protocol::tls},
                                               {name(Protocol::tcp), Protocol::tcp},
                                               {name(Protocol::udp), Protocol::udp},
                                               {name(Protocol::mqtt), Protocol::mqtt}}));
  o.optional("hostname", [&](const Field& h) {
    checked(out.hostname.emplace(), check_hostname)(h);
    if (out.protocol == Protocol::tcp || out.protocol == Protocol::udp)
      h.warn("{} carries no host name: this is ignored", name(out.protocol));
  });
  o.optional("allowedRoutes", [&](const Field& a) { decode_allowed_routes(a, out); });
  if (out.protocol == Protocol::https)
    o.optional("tls", [&](const Field& t) { decode_tls(t, out); });
  else if (out.protocol == Protocol::tls || out.protocol == Protocol::mqtt)
    o.not_supported("tls");
  else
    o.optional("tls", [&](const Field& t) { t.error("not with the protocol {}", name(out.protocol)); });
}

namespace {

void decode_address(const Field& f, net::IpAddress& out) {
  Object o(f);
  std::monostate ip;
  o.optional("type", one_of(ip, {{"IPAddress", {}}}));
  o.required("value", out);
}

void decode_infrastructure(const Field& f, Gateway& out) {
  Object o(f);
  o.optional("parametersRef", [&](const Field& ref) {
    Gateway::Parameters& p = out.parameters.emplace();
    Object r(ref);
    p.at = ref.node().at;
    r.required("group", p.kind.group);
    r.required("kind", p.kind.kind);
    r.required("name", checked(p.name, check_dns_subdomain));
  });
  o.not_supported("labels");
  o.not_supported("annotations");
}

void check_distinct_names(const Field& f, const std::vector<Listener>& listeners) {
  for (std::size_t i = 0; i < listeners.size(); i++)
    for (std::size_t k = 0; k < i; k++)
      if (listeners[i].name == listeners[k].name && !listeners[i].name.empty())
        f.report(Severity::error, listeners[i].at, "two listeners have the name " + shown(listeners[i].name));
}

}  // namespace

void decode_spec(Object& o, Gateway& out) {
  o.required("spec", [&](const Field& f) {
    Object spec(f);
    spec.required("gatewayClassName", checked(out.class_name, check_dns_subdomain));
    spec.required("listeners", [&](const Field& l) {
      list_of(out.listeners, 1, kMaxListeners)(l);
      check_distinct_names(l, out.listeners);
    });
    spec.optional("addresses", [&](const Field& a) {
      a.items(0, kMaxAddresses, [&](const Field& address) { decode_address(address, out.addresses.emplace_back()); });
    });
    spec.optional("infrastructure", [&](const Field& i) { decode_infrastructure(i, out); });
    for (std::string_view key : {"backendTLS", "tls", "allowedListeners", "defaultScope"}) spec.not_supported(key);
  });
}

}  // namespace fairlead::route
