// What every kind of route has: references to parents and to backends.
#include "route/kinds.h"

namespace fairlead::route {
namespace {
constexpr std::int64_t kMaxWeight = 1'000'000;  // Gateway API
}

void decode_parent(const Field& f, const std::string& ns, ParentRef& out) {
  Object o(f);
  out.at = f.node().at;
  out.kind.kind = "Gateway";
  out.gateway.ns = ns;
  o.optional("group", out.kind.group);
  o.optional("kind", out.kind.kind);
  o.optional("namespace", checked(out.gateway.ns, check_dns_label));
  o.required("name", checked(out.gateway.name, check_dns_subdomain));
  o.optional("sectionName", [&](const Field& s) { checked(out.section.emplace(), check_dns_subdomain)(s); });
  o.optional("port", out.port);
}

void decode_backend_name(Object& o, const std::string& ns, BackendRef& out) {
  out.at = o.field().node().at;
  out.kind = {.group = "", .kind = "Service"};  // Gateway API's default
  out.backend.ns = ns;
  o.optional("group", out.kind.group);
  o.optional("kind", out.kind.kind);
  o.optional("namespace", checked(out.backend.ns, check_dns_label));
  o.required("name", checked(out.backend.name, check_dns_subdomain));
  o.optional("port", out.port);
}

void decode_weight(Object& o, BackendRef& out) { o.optional("weight", in_range(out.weight, 0, kMaxWeight)); }

}  // namespace fairlead::route
