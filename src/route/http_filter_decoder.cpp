// HTTPRouteFilter: what is done to a request, to its answer, or instead of asking a backend.
#include <algorithm>
#include <array>

#include "http/message.h"
#include "route/http_values.h"
#include "route/kinds.h"

namespace fairlead::route {
namespace {

constexpr std::size_t kMaxFilters = 16;        // Gateway API
constexpr std::size_t kMaxEdits = 16;          // Gateway API
constexpr std::size_t kMaxHeaderValue = 4096;  // Gateway API
constexpr std::size_t kMaxCorsItems = 64;      // Gateway API
constexpr std::size_t kMaxCorsMethods = 9;     // Gateway API

void decode_edited_name(const Field& f, std::string& out) {
  checked(out, check_header_name)(f);
  if (is_framing_field(out)) f.error("{} frames the message: Fairlead writes it itself", shown(out));
}

void decode_header(const Field& f, HeaderValue& out) {
  Object o(f);
  o.required("name", [&](const Field& n) { decode_edited_name(n, out.name); });
  o.required("value", sized(out.value, 1, kMaxHeaderValue, check_header_value));
}

void decode_headers(const Field& list, std::vector<HeaderValue>& out) {
  list.items(0, kMaxEdits, [&](const Field& f) {
    HeaderValue header;
    decode_header(f, header);
    if (std::ranges::any_of(out, [&](const HeaderValue& h) { return http::equal_name(h.name, header.name); }))
      f.error("header {} is there twice", shown(header.name));
    out.push_back(std::move(header));
  });
}

void decode_edit(const Field& f, HeaderEdit& out) {
  Object o(f);
  o.optional("set", [&](const Field& list) { decode_headers(list, out.set); });
  o.optional("add", [&](const Field& list) { decode_headers(list, out.add); });
  o.optional("remove", [&](const Field& list) {
    list.items(0, kMaxEdits, [&](const Field& n) {
      std::string name;
      checked(name, check_header_name)(n);
      if (std::ranges::find(out.remove, name) != out.remove.end()) n.error("header {} is there twice", shown(name));
      out.remove.push_back(std::move(name));
    });
  });
}

Result<void> check_new_prefix(std::string_view text) {
  if (text.empty()) return {};
  return check_path(text);
}

void decode_path_rewrite(const Field& f, PathRewrite& out) {
  Object o(f);
  out.kind = PathRewrite::Kind::keep;
  o.required("type", one_of(out.kind, {{"ReplaceFullPath", PathRewrite::Kind::full}, {"ReplacePrefixMatch", PathRewrite::Kind::prefix}}));
  const bool full = out.kind == PathRewrite::Kind::full;
  const std::string_view mine = full ? "replaceFullPath" : "replacePrefixMatch";
  const std::string_view other = full ? "replacePrefixMatch" : "replaceFullPath";
  if (out.kind == PathRewrite::Kind::keep) {  // reported already
    o.ignore(mine);
    o.ignore(other);
    return;
  }
  o.required(mine, sized(out.value, 0, kMaxPath, check_new_prefix));
  o.optional(other, [&](const Field& v) { v.error("not with the type {}", full ? "ReplaceFullPath" : "ReplacePrefixMatch"); });
}

RewriteFilter decode_rewrite(const Field& f) {
  RewriteFilter out;
  Object o(f);
  o.optional("hostname", [&](const Field& h) { checked(out.hostname.emplace(), check_precise_hostname)(h); });
  o.optional("path", [&](const Field& p) { decode_path_rewrite(p, out.path); });
  return out;
}

RedirectFilter decode_redirect(const Field& f) {
  RedirectFilter out;
  Object o(f);
  o.optional("scheme", [&](const Field& s) {
    std::string_view scheme;
    one_of(scheme, {{"http", "http"}, {"https", "https"}})(s);
    out.scheme = scheme;
  });
  o.optional("hostname", [&](const Field& h) { checked(out.hostname.emplace(), check_precise_hostname)(h); });
  o.optional("path", [&](const Field& p) { decode_path_rewrite(p, out.path); });
  o.optional("port", out.port);
  o.optional("statusCode", [&](const Field& s) {
    constexpr std::array<std::int64_t, 5> kCodes = {301, 302, 303, 307, 308};
    decode_whole(s, 0, INT32_MAX, [&](std::int64_t n) {
      if (std::ranges::find(kCodes, n) == kCodes.end()) return s.error("{} is none of 301, 302, 303, 307, 308", n);
      out.status = static_cast<unsigned>(n);
    });
  });
  return out;
}

MirrorReference decode_mirror(const Field& f, const std::string& ns) {
  MirrorReference out;
  Object o(f);
  o.required("backendRef", [&](const Field& b) {
    Object ref(b);
    decode_backend_name(ref, ns, out.to);
  });
  if (o.has("percent") && o.has("fraction")) f.error("percent and fraction: only one of them");
  o.optional("percent", in_range(out.numerator, 0, 100));
  o.optional("fraction", [&](const Field& part) {
    Object p(part);
    out.denominator = 100;
    p.required("numerator", in_range(out.numerator, 0, INT32_MAX));
    p.optional("denominator", in_range(out.denominator, 1, INT32_MAX));
    if (out.numerator > out.denominator) part.error("{} of {} is more than all", out.numerator, out.denominator);
  });
  return out;
}

// A list of words in which "*" stands alone.
template <class Check>
auto words(std::vector<std::string>& out, std::size_t at_most, std::size_t max_size, Check check) {
  return [&out, at_most, max_size, check](const Field& list) {
    list.items(0, at_most, [&](const Field& f) {
      std::string word;
      sized(word, 1, max_size, check)(f);
      if (std::ranges::find(out, word) != out.end()) f.error("{} is there twice", shown(word));
      out.push_back(std::move(word));
    });
    if (out.size() > 1 && std::ranges::find(out, "*") != out.end()) list.error("\"*\" beside others");
  };
}

Result<void> check_method(std::string_view text) {
  constexpr std::array<std::string_view, 10> kMethods = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                                         "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"};
  if (std::ranges::find(kMethods, text) == kMethods.end()) return fail(Code::invalid, "{} is no method of HTTP", shown(text));
  return {};
}

CorsFilter decode_cors(const Field& f) {
  CorsFilter out;
  Object o(f);
  o.optional("allowOrigins", words(out.allow_origins, kMaxCorsItems, 253, check_origin));
  o.optional("allowMethods", words(out.allow_methods, kMaxCorsMethods, 16, check_method));
  o.optional("allowHeaders", words(out.allow_headers, kMaxCorsItems, 256, check_header_name));
  o.optional("exposeHeaders", words(out.expose_headers, kMaxCorsItems, 256, check_header_name));
  o.optional("allowCredentials", out.allow_credentials);
  o.optional("maxAge",
             [&](const Field& m) { decode_whole(m, 1, INT32_MAX, [&](std::int64_t n) { out.max_age = std::chrono::seconds(n); }); });
  return out;
}

ExtensionReference decode_extension(const Field& f) {
  ExtensionReference out;
  Object o(f);
  out.at = f.node().at;
  o.required("group", out.kind.group);
  o.required("kind", out.kind.kind);
  o.required("name", checked(out.name, check_dns_subdomain));
  return out;
}

RequestHeaderFilter decode_request_headers(const Field& f) {
  RequestHeaderFilter out;
  decode_edit(f, out.edit);
  return out;
}
ResponseHeaderFilter decode_response_headers(const Field& f) {
  ResponseHeaderFilter out;
  decode_edit(f, out.edit);
  return out;
}

enum class Type : std::uint8_t { none, request_header, response_header, mirror, redirect, rewrite, cors, extension };

struct TypeName {
  Type type;
  std::string_view name, key;
  bool repeats;
};
constexpr std::array<TypeName, 7> kTypes = {{{Type::request_header, "RequestHeaderModifier", "requestHeaderModifier", false},
                                             {Type::response_header, "ResponseHeaderModifier", "responseHeaderModifier", false},
                                             {Type::mirror, "RequestMirror", "requestMirror", true},
                                             {Type::redirect, "RequestRedirect", "requestRedirect", false},
                                             {Type::rewrite, "URLRewrite", "urlRewrite", false},
                                             {Type::cors, "CORS", "cors", false},
                                             {Type::extension, "ExtensionRef", "extensionRef", false}}};

FilterSpec read_filter(Type type, const Field& f, const std::string& ns) {
  switch (type) {
    case Type::request_header: return decode_request_headers(f);
    case Type::response_header: return decode_response_headers(f);
    case Type::mirror: return decode_mirror(f, ns);
    case Type::redirect: return decode_redirect(f);
    case Type::rewrite: return decode_rewrite(f);
    case Type::cors: return decode_cors(f);
    case Type::none:
    case Type::extension: break;
  }
  return decode_extension(f);
}

// Its type, or none and a report.
Type decode_filter(const Field& f, const std::string& ns, std::vector<FilterSpec>& out) {
  Object o(f);
  Type type = Type::none;
  o.required("type", [&](const Field& t) {
    if (auto i = decode_word(t, kTypes.size(), [](std::size_t n) { return kTypes[n].name; })) type = kTypes[*i].type;
  });
  for (const TypeName& t : kTypes) {
    if (type == Type::none)
      o.ignore(t.key);
    else if (t.type == type)
      o.required(t.key, [&](const Field& v) { out.push_back(read_filter(type, v, ns)); });
    else
      o.optional(t.key, [&](const Field& v) { v.error("not with the type of this filter"); });
  }
  return type;
}

const PathRewrite* path_of(const FilterSpec& filter) {
  if (const auto* r = std::get_if<RewriteFilter>(&filter)) return &r->path;
  if (const auto* r = std::get_if<RedirectFilter>(&filter)) return &r->path;
  return nullptr;
}

}  // namespace

void decode_filters(const Field& f, const std::string& ns, std::vector<FilterSpec>& out) {
  std::array<std::size_t, kTypes.size() + 1> seen{};
  f.items(0, kMaxFilters, [&](const Field& item) {
    const Type type = decode_filter(item, ns, out);
    std::size_t& n = seen[static_cast<std::size_t>(type)];
    n++;
    for (const TypeName& t : kTypes)
      if (t.type == type && n == 2 && !t.repeats) item.error("a second filter of type {}", t.name);
  });
  if (seen[static_cast<std::size_t>(Type::redirect)] > 0 && seen[static_cast<std::size_t>(Type::rewrite)] > 0)
    f.error("RequestRedirect and URLRewrite: only one of them");
}

bool replaces_prefix(const std::vector<FilterSpec>& filters) {
  return std::ranges::any_of(filters, [](const FilterSpec& filter) {
    const PathRewrite* path = path_of(filter);
    return path != nullptr && path->kind == PathRewrite::Kind::prefix;
  });
}

}  // namespace fairlead::route
