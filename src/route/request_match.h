// request_match.h: HTTPRouteMatch, compiled: what a request must be like for one rule.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "route/http_rules.h"
#include "route/regex.h"

namespace fairlead::route {

// A header or a query parameter. Of several headers of one name the values are joined with "," (RFC 9110, 5.3); of several query
// parameters the first one counts.
struct ValueMatch {
  std::string name;
  std::string value;
  std::shared_ptr<const Regex> regex;  // none: exactly `value`
};

// All of it must hold.
struct RequestMatch {
  enum class Path : std::uint8_t { exact, prefix, regex } path = Path::prefix;
  std::string path_value = "/";  // normalized, as paths of requests are
  std::shared_ptr<const Regex> path_regex;
  std::vector<ValueMatch> headers, query;
  std::string method;  // empty: any

  // Of matches of one path, those with less come first.
  std::tuple<bool, std::int64_t, std::int64_t> precedence() const {
    return {method.empty(), -static_cast<std::int64_t>(headers.size()), -static_cast<std::int64_t>(query.size())};
  }
  // Whether method, headers and query are as they must be. Allocates nothing.
  bool takes_rest(const RequestToMatch& request) const;
};

// The value of all headers of that name. It lies in the request, or in `scratch` if there are several.
std::optional<std::string_view> joined_value(const http::Fields& fields, std::string_view name, std::string& scratch);

}  // namespace fairlead::route
