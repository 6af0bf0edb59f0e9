// TCPRoute and UDPRoute.
#include "route/kinds.h"

namespace fairlead::route {
namespace {

void decode_backend(const Field& f, const ObjectKey& route, BackendRef& out) {
  Object o(f);
  decode_backend_name(o, route.ns, out);
  decode_weight(o, out);
}

void decode_rule(const Field& f, PortRoute& out) {
  Object o(f);
  std::string name;
  o.optional("name", checked(name, check_dns_subdomain));
  o.required("backendRefs", [&](const Field& list) {
    list.items(1, kMaxBackends, [&](const Field& b) { decode_backend(b, out.meta.key, out.backends.emplace_back()); });
  });
}

void decode_route(Object& o, PortRoute& out) {
  o.required("spec", [&](const Field& f) {
    Object spec(f);
    spec.required("parentRefs", [&](const Field& list) {
      list.items(1, kMaxParents, [&](const Field& p) { decode_parent(p, out.meta.key.ns, out.parents.emplace_back()); });
    });
    spec.required("rules", [&](const Field& list) { list.items(1, 1, [&](const Field& rule) { decode_rule(rule, out); }); });
    spec.not_supported("useDefaultGateways");
  });
}

}  // namespace

void decode_spec(Object& o, TcpRoute& out) { decode_route(o, out); }
void decode_spec(Object& o, UdpRoute& out) { decode_route(o, out); }

}  // namespace fairlead::route
