#include "plugins/http/forwarding.h"

#include <algorithm>
#include <string>

#include "http/target.h"
#include "plugins/http/payload.h"

namespace fairlead::http_plugin {

namespace {

// What only a proxy may say; of a stranger it would be a lie or a mistake.
bool tells_of_the_way(const http::Field& field) {
  constexpr std::string_view kPrefix = "X-Forwarded-";
  if (field.name.size() > kPrefix.size() && http::equal_name(field.name.substr(0, kPrefix.size()), kPrefix)) return true;
  constexpr std::string_view kNames[] = {"Forwarded", "Via", "X-Real-IP"};
  return std::ranges::any_of(kNames, [&](std::string_view name) { return http::equal_name(field.name, name); });
}

// Behind what is there, as one field.
void append(http::Fields& fields, std::string_view name, std::string_view value, Texts& texts) {
  const http::Field* first = fields.find(name);
  if (first == nullptr) return fields.add(name, value);
  std::string all;
  for (const http::Field& f : fields)
    if (http::equal_name(f.name, name)) all.append(f.value).append(", ");
  all += value;
  fields.set(name, texts.keep(all));
}

}  // namespace

void forward_fields(http::Request& request, const RequestContext& context) {
  http::Fields& fields = request.fields;
  Texts& texts = context.desk.texts;
  const net::IpAddress& client = context.origin.client.ip;
  const bool trusted = std::ranges::any_of(context.port->policy.trusted_proxies, [&](const net::Cidr& c) { return c.contains(client); });
  if (!trusted) fields.remove_if(tells_of_the_way);
  const std::string_view address = texts.keep(client.to_text());
  append(fields, "X-Forwarded-For", address, texts);
  if (!fields.contains("X-Forwarded-Proto")) fields.add("X-Forwarded-Proto", request.scheme);
  if (!fields.contains("X-Forwarded-Host")) fields.add("X-Forwarded-Host", request.authority);
  if (fields.contains("Forwarded")) {
    // RFC 7239, 6: an IPv6 address is in brackets and quoted.
    append(fields, "Forwarded", client.is_v4() ? texts.format("for={}", address) : texts.format("for=\"[{}]\"", address), texts);
  }
  append(fields, "Via", "1.1 fairlead", texts);
  fields.set("traceparent", texts.keep(context.trace.to_text()));
}

std::string_view stripped_target(std::string_view target, const route::Backend& backend, Texts& texts) {
  if (!backend.node_from || !backend.node_from->strip || !target.starts_with('/')) return target;
  const http::Target parts = http::split_target(target);
  const std::string_view path = route::strip_node(backend, parts.path);
  if (path.data() == parts.path.data() && path.size() == parts.path.size()) return target;
  return parts.has_query ? texts.format("{}?{}", path, parts.query) : texts.keep(path);
}

namespace {

wire::TrafficClass traffic_class_of(const route::RequestPolicy& policy) {
  using Class = route::RequestPolicy::Class;
  switch (policy.traffic_class) {
    case Class::interactive: return wire::TrafficClass::interactive;
    case Class::bulk: return wire::TrafficClass::bulk;
    case Class::background: return wire::TrafficClass::background;
    case Class::management: return wire::TrafficClass::management;
  }
  return wire::TrafficClass::interactive;
}

}  // namespace

wire::FlowOpen flow_open(const RequestContext& context, const route::Endpoint& to, Duration remaining) {
  return {.plugin = std::string(kPlugin),
          .backend = to.backend->meta.key.to_text(),
          .target = to.target->to_text(),
          .traffic_class = traffic_class_of(context.rule().policy),
          .remaining = remaining,
          .traceparent = context.trace.to_text(),
          .head = {},
          .source = context.origin.client.to_text()};
}

wire::HttpService service_of(const route::Backend& backend) {
  wire::HttpService service;
  if (backend.tls) {
    service.tls = true;
    service.server_name = backend.tls->hostname;
    service.ca_pem = backend.tls->ca_pem;
  }
  service.proxy_protocol = backend.proxy_protocol;
  service.connect = backend.timeouts.connect;
  service.idle = backend.timeouts.idle;
  service.max_connections = backend.limits.connections;
  return service;
}

}  // namespace fairlead::http_plugin
