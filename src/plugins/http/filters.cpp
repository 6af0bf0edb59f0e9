#include "plugins/http/filters.h"

#include <algorithm>
#include <array>

#include "http/target.h"

namespace fairlead::http_plugin {
namespace {

constexpr std::string_view kFraming[] = {"Connection",       "Content-Length",    "Expect", "Host",    "Keep-Alive",
                                         "Proxy-Connection", "Transfer-Encoding", "TE",     "Trailer", "Upgrade"};
bool is_framing(std::string_view name) {
  return std::ranges::any_of(kFraming, [&](std::string_view f) { return http::equal_name(f, name); });
}

std::string_view join(const std::vector<std::string>& all, Texts& texts) {
  std::string text;
  for (const std::string& one : all) {
    if (!text.empty()) text += ", ";
    text += one;
  }
  return texts.keep(text);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

// "https://*.example.com" takes https://a.example.com and https://a.b.example.com, not https://example.com.
bool matches_origin(std::string_view pattern, std::string_view origin) {
  if (pattern == "*") return true;
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return equal_ignoring_case(pattern, origin);
  const std::string_view before = pattern.substr(0, star), after = pattern.substr(star + 1);
  return origin.size() > before.size() + after.size() && equal_ignoring_case(origin.substr(0, before.size()), before) &&
         equal_ignoring_case(origin.substr(origin.size() - after.size()), after) &&
         origin.substr(before.size(), origin.size() - before.size() - after.size()).find('/') == std::string_view::npos;
}

bool has_star(const std::vector<std::string>& all) { return std::ranges::find(all, "*") != all.end(); }

// False: not allowed.
bool allow_origin(http::Fields& answer, std::string_view origin, const route::CorsFilter& filter) {
  if (std::ranges::none_of(filter.allow_origins, [&](const std::string& p) { return matches_origin(p, origin); })) return false;
  if (has_star(filter.allow_origins) && !filter.allow_credentials) {
    answer.set("Access-Control-Allow-Origin", "*");
  } else {
    answer.set("Access-Control-Allow-Origin", origin);
    answer.add("Vary", "Origin");
  }
  if (filter.allow_credentials) answer.set("Access-Control-Allow-Credentials", "true");
  return true;
}

}  // namespace

void edit(http::Fields& fields, const route::HeaderEdit& edit) {
  for (const route::HeaderValue& h : edit.set)
    if (!is_framing(h.name)) fields.set(h.name, h.value);
  for (const route::HeaderValue& h : edit.add)
    if (!is_framing(h.name)) fields.add(h.name, h.value);
  for (const std::string& name : edit.remove) fields.remove(name);
}

void edit(http::Request& request, const route::HeaderEdit& header_edit) {
  for (const route::HeaderValue& h : header_edit.set)
    if (http::equal_name(h.name, "Host")) request.authority = h.value;
  edit(request.fields, header_edit);
}

std::string_view rewrite_path(std::string_view path, std::size_t prefix, const route::PathRewrite& rewrite, Texts& texts) {
  switch (rewrite.kind) {
    case route::PathRewrite::Kind::keep: return path;
    case route::PathRewrite::Kind::full: return rewrite.value.empty() ? std::string_view("/") : std::string_view(rewrite.value);
    case route::PathRewrite::Kind::prefix: break;
  }
  // The slash at the end of a prefix belongs to what follows it: "/foo/" and "/" match as "/foo" and "".
  if (prefix > 0 && path[prefix - 1] == '/') prefix--;
  const std::string_view rest = path.substr(prefix);
  std::string_view value = rewrite.value;
  if (!rest.empty())
    while (value.ends_with('/')) value.remove_suffix(1);
  if (value.empty() && rest.empty()) return "/";
  if (value.empty()) return rest;
  return texts.format("{}{}", value, rest);
}

namespace {

std::string_view with_query(std::string_view path, const http::Target& target, Texts& texts) {
  return target.has_query ? texts.format("{}?{}", path, target.query) : path;
}

}  // namespace

void rewrite(http::Request& request, std::size_t prefix, const route::RewriteFilter& filter, Texts& texts) {
  if (filter.hostname) request.authority = *filter.hostname;
  if (filter.path.kind == route::PathRewrite::Kind::keep || !request.target.starts_with('/')) return;
  const http::Target target = http::split_target(request.target);
  request.target = with_query(rewrite_path(target.path, prefix, filter.path, texts), target, texts);
}

std::string_view location_of(const http::Request& request, std::size_t prefix, const route::RedirectFilter& filter,
                             std::uint16_t listener_port, Texts& texts) {
  const std::string_view scheme = filter.scheme ? std::string_view(*filter.scheme) : request.scheme;
  std::string_view host;
  bool is_v6 = false;
  if (filter.hostname) {
    host = *filter.hostname;
  } else if (const auto authority = http::parse_authority(request.authority)) {
    host = authority->host;
    is_v6 = host.find(':') != std::string_view::npos;
  }
  const std::uint16_t usual = scheme == "https" ? 443 : 80;
  std::uint16_t port = filter.scheme ? usual : listener_port;
  if (filter.port) port = filter.port->value();
  const http::Target target = http::split_target(request.target);
  const std::string_view path = with_query(rewrite_path(target.path, prefix, filter.path, texts), target, texts);
  const std::string_view open = is_v6 ? "[" : "", close = is_v6 ? "]" : "";
  return port == usual ? texts.format("{}://{}{}{}{}", scheme, open, host, close, path)
                       : texts.format("{}://{}{}{}:{}{}", scheme, open, host, close, port, path);
}

bool is_preflight(const http::Request& request) {
  return request.method == "OPTIONS" && request.fields.contains("Origin") && request.fields.contains("Access-Control-Request-Method");
}

void answer_preflight(http::Fields& answer, const http::Request& request, const route::CorsFilter& filter, Texts& texts) {
  if (!allow_origin(answer, request.fields.find("Origin")->value, filter)) return;
  // With credentials "*" is no wild card (Fetch, 3.3.7): what was asked for is named instead.
  if (has_star(filter.allow_methods)) {
    answer.set("Access-Control-Allow-Methods",
               filter.allow_credentials ? request.fields.find("Access-Control-Request-Method")->value : std::string_view("*"));
  } else if (!filter.allow_methods.empty()) {
    answer.set("Access-Control-Allow-Methods", join(filter.allow_methods, texts));
  }
  const http::Field* wanted = request.fields.find("Access-Control-Request-Headers");
  if (has_star(filter.allow_headers)) {
    if (!filter.allow_credentials) {
      answer.set("Access-Control-Allow-Headers", "*");
    } else if (wanted != nullptr) {
      answer.set("Access-Control-Allow-Headers", wanted->value);
    }
  } else if (!filter.allow_headers.empty()) {
    answer.set("Access-Control-Allow-Headers", join(filter.allow_headers, texts));
  }
  answer.set("Access-Control-Max-Age", texts.format("{}", std::chrono::duration_cast<std::chrono::seconds>(filter.max_age).count()));
}

void add_cors(http::Fields& answer, std::string_view origin, const route::CorsFilter& filter, Texts& texts) {
  if (!allow_origin(answer, origin, filter)) return;
  if (!filter.expose_headers.empty() && !(has_star(filter.expose_headers) && filter.allow_credentials))
    answer.set("Access-Control-Expose-Headers", join(filter.expose_headers, texts));
}

}  // namespace fairlead::http_plugin
