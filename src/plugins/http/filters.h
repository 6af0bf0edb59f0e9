// filters.h: what Gateway API's filters do to a message (HTTPRouteFilter): header edits, URL rewrite, redirect, CORS. Pure functions.
// What they put into a message are views of the rule, of the request, or of `texts`.
#pragma once
#include <string_view>

#include "http/message.h"
#include "net/address.h"
#include "plugins/http/texts.h"
#include "route/http_rules.h"

namespace fairlead::http_plugin {

// Set, add, remove, in this order. Fields that only the framing may have are left alone; Host is no field of a Request but its authority.
void edit(http::Fields& fields, const route::HeaderEdit& edit);
void edit(http::Request& request, const route::HeaderEdit& edit);

// `path` with the first `prefix` bytes, or all of it, replaced.
std::string_view rewrite_path(std::string_view path, std::size_t prefix, const route::PathRewrite& rewrite, Texts& texts);
void rewrite(http::Request& request, std::size_t prefix, const route::RewriteFilter& filter, Texts& texts);

// The Location of a redirect. `listener_port`: of the Gateway's listener, which counts when the filter names neither port nor scheme.
std::string_view location_of(const http::Request& request, std::size_t prefix, const route::RedirectFilter& filter,
                             std::uint16_t listener_port, Texts& texts);

// Whether this is a question of a browser before it makes a request (Fetch, CORS-preflight request).
bool is_preflight(const http::Request& request);
// Fields of the answer to it, for the service is not asked; without any if the origin is not allowed.
void answer_preflight(http::Fields& answer, const http::Request& request, const route::CorsFilter& filter, Texts& texts);
// Fields of the answer to any other request with an Origin.
void add_cors(http::Fields& answer, std::string_view origin, const route::CorsFilter& filter, Texts& texts);

}  // namespace fairlead::http_plugin
