// http_route.h: HTTPRoute, ListenerPolicy and RequestPolicy as they are written, validated one by one.
//
//   gateway.networking.k8s.io/v1, v1beta1       HTTPRoute (Gateway API 1.4, experimental fields of a rule too)
//   fairlead.dev/v1alpha1                       ListenerPolicy, RequestPolicy
#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "route/http_matcher.h"
#include "route/http_rules.h"
#include "route/model.h"

namespace fairlead::route {

struct MirrorReference {
  BackendRef to;
  std::uint32_t numerator = 100, denominator = 100;
};
struct ExtensionReference {
  GroupKind kind;
  std::string name;
  Position at;
};
using FilterSpec =
    std::variant<RequestHeaderFilter, ResponseHeaderFilter, RewriteFilter, RedirectFilter, MirrorReference, CorsFilter, ExtensionReference>;

struct HttpBackendRef {
  BackendRef ref;
  std::vector<HttpFilter> filters;  // RequestHeaderFilter, ResponseHeaderFilter
};

struct HttpRouteRule {
  std::string name;
  std::vector<RequestMatch> matches;  // one of them must hold; at least one
  std::vector<FilterSpec> filters;
  std::vector<HttpBackendRef> backends;
  std::optional<Duration> request_timeout, backend_timeout;
  RetryRule retry;
  std::optional<SessionPersistence> persistence;
};

struct HttpRoute {
  ObjectMeta meta;
  std::vector<ParentRef> parents;
  std::vector<std::string> hostnames;  // none: those of the listener
  std::vector<HttpRouteRule> rules;
};

struct ListenerPolicyObject {
  ObjectMeta meta;
  std::vector<PolicyTarget> targets;
  ListenerPolicy policy;
};

struct RequestPolicyObject {
  ObjectMeta meta;
  RequestPolicy policy;
};

}  // namespace fairlead::route
