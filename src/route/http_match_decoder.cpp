// HTTPRouteMatch: what a request must be for a rule.
#include <algorithm>

#include "http/message.h"
#include "route/http_values.h"
#include "route/kinds.h"

namespace fairlead::route {
namespace {

constexpr std::size_t kMaxHeaders = 16;        // Gateway API
constexpr std::size_t kMaxQuery = 16;          // Gateway API
constexpr std::size_t kMaxHeaderValue = 4096;  // Gateway API
constexpr std::size_t kMaxQueryValue = 1024;   // Gateway API

void compile(const Field& f, std::string_view text, std::shared_ptr<const Regex>& out) {
  auto regex = Regex::parse(text);
  if (!regex) return f.error("{}", regex.error().describe());
  out = *std::move(regex);
}

void decode_path(const Field& f, RequestMatch& out) {
  using enum RequestMatch::Path;
  Object o(f);
  o.optional("type", one_of(out.path, {{"Exact", exact}, {"PathPrefix", prefix}, {"RegularExpression", regex}}));
  auto value = [&](const Field& v) {
    if (out.path == regex) {
      sized(out.path_value, 0, kMaxPath, anything)(v);
      return compile(v, out.path_value, out.path_regex);
    }
    sized(out.path_value, 0, kMaxPath, check_path)(v);
    out.path_value = normal_path(out.path_value);
  };
  o.optional("value", value);
  if (out.path == regex && !o.has("value")) compile(f, out.path_value, out.path_regex);
}

void decode_value_match(const Field& f, ValueMatch& out, std::size_t max_value) {
  Object o(f);
  bool regex = false;
  o.optional("type", one_of(regex, {{"Exact", false}, {"RegularExpression", true}}));
  o.required("name", checked(out.name, check_header_name));
  o.required("value", [&](const Field& v) {
    sized(out.value, 1, max_value, anything)(v);
    if (regex) compile(v, out.value, out.regex);
  });
}

template <class Same>
auto value_matches(std::vector<ValueMatch>& out, std::size_t at_most, std::size_t max_value, std::string_view what, Same same) {
  return [&out, at_most, max_value, what, same](const Field& list) {
    list.items(0, at_most, [&](const Field& f) {
      ValueMatch one;
      decode_value_match(f, one, max_value);
      if (std::ranges::any_of(out, [&](const ValueMatch& other) { return same(other.name, one.name); }))
        f.error("{} {} is there twice", what, shown(one.name));
      out.push_back(std::move(one));
    });
  };
}

}  // namespace

void decode_match(const Field& f, RequestMatch& out) {
  Object o(f);
  o.optional("path", [&](const Field& p) { decode_path(p, out); });
  o.optional("headers", value_matches(out.headers, kMaxHeaders, kMaxHeaderValue, "header", http::equal_name));
  o.optional("queryParams", value_matches(out.query, kMaxQuery, kMaxQueryValue, "query parameter", std::equal_to<std::string_view>()));
  o.optional("method", [&](const Field& m) {
    std::string_view method;
    one_of(method, {{"GET", "GET"},
                    {"HEAD", "HEAD"},
                    {"POST", "POST"},
                    {"PUT", "PUT"},
                    {"DELETE", "DELETE"},
                    {"CONNECT", "CONNECT"},
                    {"OPTIONS", "OPTIONS"},
                    {"TRACE", "TRACE"},
                    {"PATCH", "PATCH"}})(m);
    out.method = method;
  });
}

}  // namespace fairlead::route
