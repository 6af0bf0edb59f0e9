// The cases of Gateway API's own conformance suite for HTTPRoute and Gateway, as tables: each TEST is named as the case is there.
#include <gtest/gtest.h>

#include "route/http_requests.h"
#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

using namespace testing;

struct Case {
  Request request;
  const char* backend;
};

void expect(const Snapshot& s, std::initializer_list<Case> cases, std::uint16_t port = 80) {
  for (const Case& c : cases) {
    std::string headers;
    for (const HeaderValue& h : c.request.headers) headers += fmt::format(" {}: {}", h.name, h.value);
    EXPECT_EQ(answer(s, c.request, port), c.backend) << c.request.method << " " << c.request.host << c.request.target << headers;
  }
}

const std::string kSame = gateway("name: same-namespace", "{name: http, port: 80, protocol: HTTP}");
const std::string kBackends = backend("name: v1", "nodeName: a") + backend("name: v2", "nodeName: a") + backend("name: v3", "nodeName: a");

std::string rule(std::string_view matches, std::string_view to) {
  return fmt::format("{{matches: [{}], backendRefs: [{{group: fairlead.dev, kind: Backend, name: {}, port: 8080}}]}}", matches, to);
}
std::string route(std::string_view name, std::string_view rules, std::string_view more = "") {
  return http_route(fmt::format("name: {}", name), "{name: same-namespace}", rules, more);
}

TEST(HttpConformance, HTTPRouteMatching) {
  auto s = built(kSame + kBackends +
                 route("matching", rule("{path: {type: PathPrefix, value: /}}, {headers: [{name: version, value: one}]}", "v1") + ", " +
                                       rule("{path: {type: PathPrefix, value: /v2}}, {headers: [{name: version, value: two}]}", "v2")));
  expect(*s, {
                 {{.target = "/"}, "v1"},
                 {{.target = "/example"}, "v1"},
                 {{.target = "/", .headers = {{"Version", "one"}}}, "v1"},
                 {{.target = "/v2"}, "v2"},
                 {{.target = "/v2/example"}, "v2"},
                 {{.target = "/", .headers = {{"Version", "two"}}}, "v2"},
                 {{.target = "/v2/"}, "v2"},
                 {{.target = "/v2example"}, "v1"},
                 {{.target = "/foo/v2/example"}, "v1"},
             });
}

}  // namespace
}  // namespace fairlead::route
