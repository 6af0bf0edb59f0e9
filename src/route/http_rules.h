// http_rules.h: the HTTP rules in force, compiled: what an ingress asks for each request. Made by Snapshot (http_resolver.cpp) from
// Gateways and HTTPRoutes; immutable. Semantics are those of Gateway API v1 (HTTPRouteRule, HTTPRouteMatch, HTTPRouteFilter).
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/time.h"
#include "http/message.h"
#include "net/address.h"
#include "route/model.h"
#include "wire/message.h"

namespace fairlead::route {

using BackendId = Strong<struct BackendIdTag, std::uint32_t>;  // of one snapshot
using RouteId = Strong<struct RouteIdTag, std::string>;        // "namespace/name"

// A share of a route's connections or requests.
struct WeightedBackend {
  std::uint32_t weight = 1;
  // None: the reference is not good, and this share is refused (TCPRoute: reset; HTTPRoute: 500).
  std::optional<BackendId> backend;
  std::vector<std::uint32_t> targets;  // indexes into Backend::targets
  friend bool operator==(const WeightedBackend&, const WeightedBackend&) = default;
};

struct HeaderValue {
  std::string name, value;
};
struct HeaderEdit {  // in this order: set, add, remove
  std::vector<HeaderValue> set, add;
  std::vector<std::string> remove;
};
struct RequestHeaderFilter {
  HeaderEdit edit;
};
struct ResponseHeaderFilter {
  HeaderEdit edit;
};
struct PathRewrite {
  enum class Kind : std::uint8_t { keep, full, prefix } kind = Kind::keep;  // prefix: the matched prefix is replaced
  std::string value;
};
struct RewriteFilter {
  std::optional<std::string> hostname;
  PathRewrite path;
};
struct RedirectFilter {
  std::optional<std::string> scheme, hostname;
  PathRewrite path;
  std::optional<Port> port;
  unsigned status = 302;
};
struct MirrorFilter {
  WeightedBackend to;
  std::uint32_t numerator = 100, denominator = 100;  // of all requests
};
struct CorsFilter {
  std::vector<std::string> allow_origins;  // "https://*.example.com", "*"
  std::vector<std::string> allow_methods, allow_headers, expose_headers;
  bool allow_credentials = false;
  Duration max_age = 5s;
};
using HttpFilter = std::variant<RequestHeaderFilter, ResponseHeaderFilter, RewriteFilter, RedirectFilter, MirrorFilter, CorsFilter>;

struct HttpShare : WeightedBackend {
  std::vector<HttpFilter> filters;  // RequestHeader, ResponseHeader; after those of the rule
};

struct RetryRule {
  std::vector<std::uint16_t> codes;  // of answers that are tried again (so the rule says that its requests are repeatable)
  unsigned attempts = 0;             // more tries after the first
  Duration backoff{};
};

struct SessionPersistence {
  enum class Type : std::uint8_t { cookie, header } type = Type::cookie;
  std::string name;  // of the cookie or header
  std::optional<Duration> absolute_timeout;
  bool permanent = false;  // cookie with Max-Age = absolute_timeout; else of the browser's session
};

// RequestPolicy (fairlead.dev/v1alpha1), by an ExtensionRef filter of a rule; what it does not say has these defaults.
struct RequestPolicy {
  std::optional<std::uint64_t> max_body;  // bytes; beyond: 413. None: no limit
  bool repeatable = false;                // a request that may have been delivered may be tried again (replay up to 64 KiB)
  wire::TrafficClass traffic_class = wire::TrafficClass::interactive;
  bool wait_for_link = false;  // onLinkDown: wait (up to the request's timeout); default: fail
  std::string node_header;     // of answers: which node served; empty: not told
};

struct HttpRule {
  RouteId route;
  std::size_t index = 0;  // of the rule in its route
  std::string name;       // of the rule, may be empty
  std::vector<HttpFilter> filters;
  std::vector<HttpShare> backends;
  std::optional<Duration> request_timeout;  // timeouts.request: of the whole exchange, as the client sees it; none: no limit
  std::optional<Duration> backend_timeout;  // timeouts.backendRequest: of one try
  RetryRule retry;
  std::optional<SessionPersistence> persistence;
  RequestPolicy policy;
};

// A request as rules see it: path normalized (http/target.h), host canonical and without port.
struct RequestToMatch {
  std::string_view host, path, query, method;
  const http::Fields& fields;
};

struct HttpMatch {
  const HttpRule* rule = nullptr;
  const struct HttpHost* listener = nullptr;
  // Bytes of the path that a PathPrefix matched, without the slash at its end: of "/shop/cart" 5 by "/shop" and "/shop/", 0 by "/". For
  // the other kinds the whole path.
  std::size_t prefix = 0;
};

// ListenerPolicy (fairlead.dev/v1alpha1): what holds for a Gateway's listeners. Defaults where there is none.
struct ListenerPolicy {
  std::vector<net::Cidr> trusted_proxies;  // whose X-Forwarded-*, Forwarded and Via are kept
  bool proxy_protocol = false;             // each connection begins with a PROXY header, from trusted_proxies only
  std::size_t max_head = 64 * 1024;        // bytes
  std::size_t max_fields = 128;
  Duration head_timeout = 10s;                   // from its first byte to the end of a head: 408
  Duration idle_timeout = 60s;                   // between requests
  Duration body_timeout = 60s;                   // without a byte of a body that is due: 408
  std::uint32_t max_connections_per_source = 0;  // 0: no limit
};

class HttpMatcher;  // of one listener: http_matcher.h

// A listener of a Gateway, one of those that share a port.
struct HttpHost {
  ObjectKey gateway;
  std::string name;                     // of the Gateway's listener
  std::optional<std::string> hostname;  // "*.example.com"; none: any
  std::optional<ListenerTls> tls;
  std::shared_ptr<const HttpMatcher> rules;
};

// The order of HttpPort::hosts.
bool is_more_specific(const HttpHost& a, const HttpHost& b);

// A socket to listen at, with the listeners that it serves. [::] takes IPv4 too.
struct HttpPort {
  net::SocketAddress bind;
  bool tls = false;
  ListenerPolicy policy;
  std::vector<HttpHost> hosts;  // the most specific host name first

  // The listener for `host`, or null (404; with TLS 421 if the connection's SNI was another listener's).
  const HttpHost* find(std::string_view host) const;
  // The rule for a request; `rule` is null when there is none (404).
  HttpMatch match(const RequestToMatch& request) const;
};

}  // namespace fairlead::route
