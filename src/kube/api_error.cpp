#include "kube/api_error.h"

#include <fmt/format.h>

#include "http/encode.h"
#include "kube/json_items.h"
#include "kube/objects.h"

namespace fairlead::kube {
namespace {

constexpr std::size_t kLongestMessage = 512;

std::string message_of(std::string_view body) {
  static const Wanted wanted = Wanted::paths({"message"});
  JsonItems items(JsonItems::Shape::one, wanted);
  std::string message;
  const auto read = items.feed(body, [&](boost::json::object& status) -> Result<void> {
    message = text_at(status, {"message"});
    return {};
  });
  if (!read || message.empty()) message = body.substr(0, body.find('\n'));
  if (message.size() > kLongestMessage) message.resize(kLongestMessage);
  for (char& c : message)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return message;
}

std::string advice(const ApiRequest& request, unsigned status) {
  if (status == 401) return "; its credentials are wrong or have expired";
  if (status != 403) return {};
  return fmt::format("; its role needs the rule {{apiGroups: [\"{}\"], resources: [{}], verbs: [{}]}}", request.group, request.resource,
                     request.verb);
}

}  // namespace

Code code_of_status(unsigned status) {
  switch (status) {
    case 400:
    case 422: return Code::invalid;
    case 401: return Code::unauthenticated;
    case 403: return Code::forbidden;
    case 404: return Code::not_found;
    case 409: return Code::exists;
    case 410: return Code::closed;
    case 429: return Code::overloaded;
    default: return status >= 500 ? Code::unreachable : Code::refused;
  }
}

Error api_error(const ApiRequest& request, std::string_view server, unsigned status, std::string_view body) {
  const std::string message = message_of(body);
  return Error(code_of_status(status),
               fmt::format("the API server at {} did not {}: {} {}{}{}{}", server, request.what(), status, http::reason_phrase(status),
                           message.empty() ? "" : ": ", message, advice(request, status)));
}

}  // namespace fairlead::kube
