#include "app/objects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "route/test_manifests.h"

namespace fairlead::app {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

constexpr char kRules[] = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front}
spec: {gatewayClassName: fairlead, listeners: [{name: web, port: 8080, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: front}]
  rules: [{backendRefs: [{group: fairlead.dev, kind: Backend, name: shop}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: lost}
spec:
  parentRefs: [{name: front, sectionName: nowhere}]
  rules: [{backendRefs: [{group: fairlead.dev, kind: Backend, name: nothing}]}]
---
apiVersion: fairlead.dev/v1alpha1
kind: Backend
metadata: {name: shop}
spec: {location: {nodeSelector: {site: berlin}}, targets: [{address: 127.0.0.1, port: 80}]}
)";

std::shared_ptr<const route::Snapshot> rules() { return route::Snapshot::build(route::testing::decoded(kRules), route::Site::cloud()); }

json::value parsed(const std::string& text) { return json::parse(text); }

json::value condition(const json::value& conditions, std::string_view type) {
  for (const json::value& c : conditions.as_array())
    if (c.at("type").as_string() == type) return c;
  return nullptr;
}

TEST(Objects, AnOpenListenerIsProgrammed) {
  const json::value all = parsed(gateways_json(*rules(), {{"default/front", "web", "[::]:8080", "", ""}}));
  const json::value& gateway = all.at("items").at(0);
  EXPECT_EQ(gateway.at("metadata").at("name").as_string(), "front");
  EXPECT_EQ(condition(gateway.at("status").at("conditions"), "Programmed").at("status").as_string(), "True");
  const json::value& listener = gateway.at("status").at("listeners").at(0);
  EXPECT_EQ(listener.at("attachedRoutes").to_number<int>(), 1);
  EXPECT_EQ(listener.at("addresses").at(0).as_string(), "[::]:8080");
  EXPECT_EQ(condition(listener.at("conditions"), "Programmed").at("status").as_string(), "True");
}

TEST(Objects, AListenerWhosePortIsTakenIsNotProgrammedAndSaysWhy) {
  const json::value all = parsed(gateways_json(*rules(), {{"default/front", "web", "[::]:8080", "", "address in use"}}));
  const json::value programmed = condition(all.at("items").at(0).at("status").at("listeners").at(0).at("conditions"), "Programmed");
  EXPECT_EQ(programmed.at("status").as_string(), "False");
  EXPECT_EQ(programmed.at("message").as_string(), "address in use");
}

TEST(Objects, RoutesHaveTheConditionsOfEachParent) {
  const json::value all = parsed(routes_json(*rules()));
  ASSERT_EQ(all.at("items").as_array().size(), 2u);
  for (const json::value& route : all.at("items").as_array()) {
    EXPECT_EQ(route.at("kind").as_string(), "HTTPRoute");
    const bool good = route.at("metadata").at("name").as_string() == "shop";
    const json::value& parent = route.at("status").at("parents").at(0);
    EXPECT_EQ(parent.at("parentRef").at("name").as_string(), "front");
    EXPECT_EQ(condition(parent.at("conditions"), "Accepted").at("reason").as_string(), good ? "Accepted" : "NoMatchingParent");
    EXPECT_EQ(condition(parent.at("conditions"), "ResolvedRefs").at("reason").as_string(), good ? "ResolvedRefs" : "BackendNotFound");
  }
}

TEST(Objects, ThePeoplesTableNamesWhatIsWrongBelowIt) {
  const std::string text = objects_text(routes_json(*rules())).value();
  EXPECT_THAT(text, HasSubstr("HTTPRoute  default/shop  default/front"));
  EXPECT_THAT(text, HasSubstr("False (BackendNotFound)"));
  EXPECT_THAT(text, HasSubstr("Backend default/nothing is not there"));
}

TEST(Objects, BackendsShowTheirEndpoints) {
  route::EndpointReport endpoint{.backend = "default/shop", .node = NodeName::parse("edge-a").value(), .target = "127.0.0.1:80"};
  endpoint.healthy = false;
  endpoint.last_error = "connection refused";
  const std::string text = objects_text(backends_json(*rules(), {endpoint})).value();
  EXPECT_THAT(text, HasSubstr("nodes site=berlin"));
  EXPECT_THAT(text, HasSubstr("edge-a  127.0.0.1:80  unhealthy"));
  EXPECT_THAT(text, HasSubstr("connection refused"));
}

TEST(Objects, WhatIsNoListIsRefused) {
  EXPECT_FALSE(objects_text("[]"));
  EXPECT_FALSE(objects_text("{\"nodes\": []}"));
  EXPECT_EQ(objects_text("{\"items\": []}").value(), "there are none\n");
}

}  // namespace
}  // namespace fairlead::app
