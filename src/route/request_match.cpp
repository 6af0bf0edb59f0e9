#include "route/request_match.h"

#include <algorithm>

#include "http/target.h"

namespace fairlead::route {
namespace {

// A text that lives as long as the thread, so that a match makes none.
std::string& scratch() {
  thread_local std::string text;
  return text;
}

bool takes(const ValueMatch& wanted, const std::optional<std::string_view>& value) {
  return value && (wanted.regex ? wanted.regex->matches(*value) : *value == wanted.value);
}

}  // namespace

std::optional<std::string_view> joined_value(const http::Fields& fields, std::string_view name, std::string& scratch) {
  std::optional<std::string_view> value;
  bool several = false;
  for (const http::Field& f : fields) {
    if (f.name.size() != name.size() || !http::equal_name(f.name, name)) continue;
    if (!value) {
      value = f.value;
      continue;
    }
    if (!several) scratch.assign(*value);
    several = true;
    scratch += ',';
    scratch += f.value;
    value = scratch;
  }
  return value;
}

bool RequestMatch::takes_rest(const RequestToMatch& request) const {
  if (!method.empty() && method != request.method) return false;
  std::string& text = scratch();
  return std::ranges::all_of(headers, [&](const ValueMatch& h) { return takes(h, joined_value(request.fields, h.name, text)); }) &&
         std::ranges::all_of(query, [&](const ValueMatch& q) { return takes(q, http::query_parameter(request.query, q.name, text)); });
}

}  // namespace fairlead::route
