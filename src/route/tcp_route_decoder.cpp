#include "route/kinds.h"

namespace fairlead::route {
namespace {

constexpr std::size_t kMaxParents = 32;         // Gateway API
constexpr std::size_t kMaxBackends = 16;        // Gateway API
constexpr std::int64_t kMaxWeight = 1'000'000;  // Gateway API

void decode_parent(const Field& f, const ObjectKey& route, ParentRef& out) {
  Object o(f);
  out.at = f.node().at;
  out.kind.kind = "Gateway";
  out.gateway.ns = route.ns;
  o.optional("group", out.kind.group);
  o.optional("kind", out.kind.kind);
  o.optional("namespace", checked(out.gateway.ns, check_dns_label));
  o.required("name", checked(out.gateway.name, check_dns_subdomain));
  o.optional("sectionName", [&](const Field& s) { checked(out.section.emplace(), check_dns_subdomain)(s); });
  o.optional("port", out.port);
}

void decode_backend(const Field& f, const ObjectKey& route, BackendRef& out) {
  Object o(f);
  out.at = f.node().at;
  out.kind = {.group = "", .kind = "Service"};  // Gateway API's default
  out.backend.ns = route.ns;
  o.optional("group", out.kind.group);
  o.optional("kind", out.kind.kind);
  o.optional("namespace", checked(out.backend.ns, check_dns_label));
  o.required("name", checked(out.backend.name, check_dns_subdomain));
  o.optional("port", out.port);
  o.optional("weight", in_range(out.weight, 0, kMaxWeight));
}

void decode_rule(const Field& f, TcpRoute& out) {
  Object o(f);
  std::string name;
  o.optional("name", checked(name, check_dns_subdomain));
  o.required("backendRefs", [&](const Field& list) {
    list.items(1, kMaxBackends, [&](const Field& b) { decode_backend(b, out.meta.key, out.backends.emplace_back()); });
  });
}

}  // namespace

void decode_spec(Object& o, TcpRoute& out) {
  o.required("spec", [&](const Field& f) {
    Object spec(f);
    spec.required("parentRefs", [&](const Field& list) {
      list.items(1, kMaxParents, [&](const Field& p) { decode_parent(p, out.meta.key, out.parents.emplace_back()); });
    });
    spec.required("rules", [&](const Field& list) { list.items(1, 1, [&](const Field& rule) { decode_rule(rule, out); }); });
    spec.not_supported("useDefaultGateways");
  });
}

}  // namespace fairlead::route
