#include "app/pages.h"

#include <fmt/format.h>

namespace fairlead::app {

Task<admin::Response> Inspect::doctor(std::string, std::string) {
  co_return admin::Response{.status = 404, .body = "nodes are examined from the cloud; an edge by `fairlead doctor` on its machine\n"};
}

Task<admin::Response> ComponentPages::get(admin::Request request) {
  if (request.path == "/healthz") co_return admin::Response{.body = "ok\n"};
  if (request.path == "/readyz") {
    std::string why = co_await component_.unready();
    if (why.empty()) co_return admin::Response{.body = "ok\n"};
    co_return admin::Response{.status = 503, .body = why + "\n"};
  }
  if (request.path == "/v1/status") {
    std::string status = co_await component_.status_json();
    co_return admin::Response{.content_type = "application/json", .body = std::move(status)};
  }
  if (constexpr std::string_view kDoctor = "/v1/doctor/"; request.path.starts_with(kDoctor)) {
    auto examining = component_.doctor(request.path.substr(kDoctor.size()), std::move(request.query));
    admin::Response answer = co_await examining;
    co_return answer;
  }
  if (constexpr std::string_view kObjects = "/v1/"; request.path.starts_with(kObjects)) {
    std::string kind = request.path.substr(kObjects.size());
    auto asking = component_.objects_json(std::move(kind));
    std::string objects = co_await asking;
    if (!objects.empty()) co_return admin::Response{.content_type = "application/json", .body = std::move(objects)};
  }
  if (request.path == "/metrics") {
    co_await component_.publish_metrics();
    co_return admin::Response{.content_type = std::string(observe::kTextContentType), .body = observe::to_text(registry_)};
  }
  if (request.path == "/")
    co_return admin::Response{.body = "/healthz  /readyz  /metrics  /v1/status  /v1/gateways  /v1/routes  /v1/backends  /v1/doctor/NODE\n"};
  co_return admin::Response{.status = 404, .body = fmt::format("there is no {} here; / lists what there is\n", request.path)};
}

}  // namespace fairlead::app
