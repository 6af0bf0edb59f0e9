#include "plugins/http/request_context.h"

#include "http/target.h"
#include "plugins/http/filters.h"
#include "plugins/http/forwarding.h"

namespace fairlead::http_plugin {
namespace {

observe::TraceContext trace_of(const http::Fields& fields, Random& random) {
  if (const http::Field* told = fields.find("traceparent"))
    if (const auto trace = observe::TraceContext::parse(told->value)) return trace->child(random);
  return observe::TraceContext::begin(random, false);
}

OwnAnswer no_route(std::string detail) { return {404, "no-route", "destination_not_found", std::move(detail), false}; }

}  // namespace

RequestContext::RequestContext(Ingress& ingress, Desk& d, const Origin& o)
    : desk(d),
      origin(o),
      rules(ingress.rules),
      port(rules->port(o.at)),
      trace(trace_of(d.parser.head().request.fields, ingress.loop().random())) {}

std::optional<OwnAnswer> RequestContext::find_rule() {
  const http::Request& asked = desk.parser.head().request;
  if (!asked.authority.empty()) {
    const auto authority = http::parse_authority(asked.authority);
    if (!authority) return OwnAnswer{400, "bad-host", "http_request_error", "the Host is not a name or an address", false};
    host = http::canonical_host(authority->host);
  }
  const http::Target target = http::split_target(asked.target);
  query = target.query;
  if (asked.target == "*") {
    path = "/";  // rules speak of paths; this asks for the server as a whole
  } else {
    const auto normal = http::normalize_path(target.path, desk.path);
    if (!normal) return answer_of(normal.error());
    path = *normal;
  }

  if (port == nullptr) return no_route("there are no rules for this port any more");
  if (origin.tls && !origin.tls_peer.server_name.empty()) {
    const route::HttpHost* by_sni = port->find(origin.tls_peer.server_name);
    const route::HttpHost* by_host = port->find(host);
    if (by_sni != by_host && by_host != nullptr)
      return OwnAnswer{421, "misdirected", {}, "this connection was made for another host name", false};
  }
  match = port->match(to_match());
  if (match.rule == nullptr) return no_route("no rule is for this request");
  return std::nullopt;
}

std::optional<OwnAnswer> RequestContext::filter(Random& random) {
  const http::Request& asked = desk.parser.head().request;
  http::Request& request = desk.request;
  request = asked;
  request.scheme = origin.tls ? "https" : "http";
  if (request.authority.empty()) request.authority = desk.texts.keep(origin.local.to_text());
  if (asked.target != "*") {
    const http::Target target = http::split_target(asked.target);
    if (path.data() != target.path.data()) request.target = target.has_query ? desk.texts.format("{}?{}", path, target.query) : path;
  }
  http::strip_hop_by_hop(request.fields);
  desk.answer_fields.clear();

  forward_fields(request, *this);
  for (const route::HttpFilter& any : rule().filters) {
    if (const auto* headers = std::get_if<route::RequestHeaderFilter>(&any)) {
      edit(request, headers->edit);
    } else if (const auto* url = std::get_if<route::RewriteFilter>(&any)) {
      rewrite(request, match.prefix, *url, desk.texts);
    } else if (const auto* redirected = std::get_if<route::RedirectFilter>(&any)) {
      redirect = location_of(request, match.prefix, *redirected, port->bind.port, desk.texts);
      desk.answer_fields.set("Location", redirect);
      answered_here = redirected->status;
      return std::nullopt;
    } else if (const auto* mirror = std::get_if<route::MirrorFilter>(&any)) {
      if (random.below(mirror->denominator) < mirror->numerator) mirrors.push_back(mirror);
    } else if (const auto* shared = std::get_if<route::CorsFilter>(&any)) {
      if (is_preflight(asked)) {
        answer_preflight(desk.answer_fields, asked, *shared, desk.texts);
        answered_here = 204;
        return std::nullopt;
      }
      cors = shared;
    }
  }
  return std::nullopt;
}

}  // namespace fairlead::http_plugin
