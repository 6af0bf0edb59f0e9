#include "plugins/http/forwarding.h"

#include <algorithm>
#include <string>

#include "http/target.h"
#include "plugins/http/payload.h"

namespace fairlead::http_plugin {

void forward_fields(http::Request& request, const RequestContext& context) {
  const Origin& origin = context.origin;
  const bool trusted =
      std::ranges::any_of(context.port->policy.trusted_proxies, [&](const net::Cidr& c) { return c.contains(origin.client.ip); });
  const std::string client = origin.client.ip.to_text();
  context.desk.forwarded.apply(request.fields, {.client = client,
                                                .trusted = trusted,
                                                .scheme = request.scheme,
                                                .host = request.authority,
                                                .port = origin.local.port,
                                                .minor = context.desk.parser.head().minor});
  request.fields.set("traceparent", context.desk.texts.keep(context.trace.to_text()));
}

std::string_view stripped_target(std::string_view target, const route::Backend& backend, Texts& texts) {
  if (!backend.node_from || !backend.node_from->strip || !target.starts_with('/')) return target;
  const http::Target parts = http::split_target(target);
  const std::string_view path = route::strip_node(backend, parts.path);
  if (path.data() == parts.path.data() && path.size() == parts.path.size()) return target;
  return parts.has_query ? texts.format("{}?{}", path, parts.query) : texts.keep(path);
}

wire::FlowOpen flow_open(const RequestContext& context, const route::Endpoint& to, Duration remaining) {
  return {.plugin = std::string(kPlugin),
          .backend = to.backend->meta.key.to_text(),
          .target = to.target->to_text(),
          .traffic_class = context.rule().policy.traffic_class,
          .remaining = remaining,
          .traceparent = context.trace.to_text(),
          .head = {},
          .source = context.origin.client_text};
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
