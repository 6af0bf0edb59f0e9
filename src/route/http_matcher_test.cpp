#include "route/http_matcher.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "route/http_reference.h"
#include "route/http_requests.h"
#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

using namespace testing;

const std::string kGateway = gateway("name: g", "{name: http, port: 80, protocol: HTTP}");

// A route to the Backend of its own name, with one match.
std::string route(std::string_view name, std::string_view match, std::string_view more = "", std::string_view metadata = "") {
  return http_route(fmt::format("name: {}{}", name, metadata), "{name: g}",
                    fmt::format("{{matches: [{{{}}}], backendRefs: [{}]}}", match, backend_ref(fmt::format("name: {}", name))), more) +
         backend(fmt::format("name: {}", name), "nodeName: n");
}
std::string path(std::string_view type, std::string_view value) { return fmt::format("path: {{type: {}, value: '{}'}}", type, value); }

TEST(HttpMatcher, FindsWhatThePlainWayFinds) {
  Random random(7);
  auto choose = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random.below(below)); };
  std::map<bool, int> found;
  for (int round = 0; round < 300; round++) {
    std::vector<HttpMatcher::Attached> routes;
    // Now and then so many that a path has a long list of matches.
    for (std::uint32_t left = 1 + choose(round % 10 == 0 ? 400 : 20); left > 0; left--) routes.push_back(random_route(choose));
    const HttpMatcher matcher(routes);
    for (int i = 0; i < 50; i++) {
      const RandomRequest request(choose);
      const HttpMatch compiled = matcher.match(request.ask()), plain = match_plainly(routes, request.ask());
      ASSERT_EQ(compiled.rule, plain.rule) << request.host << request.path << "?" << request.query << " in round " << round;
      if (plain.rule != nullptr) ASSERT_EQ(compiled.prefix, plain.prefix) << request.path;
      found[plain.rule != nullptr]++;
    }
  }
  EXPECT_GT(found[true], 1000);
  EXPECT_GT(found[false], 1000);
}

TEST(HttpMatcher, AMoreSpecificHostNameComesBeforeABetterPath) {
  auto s =
      built(kGateway + route("any", path("Exact", "/a")) + route("wide", path("Exact", "/a"), "hostnames: ['*.c']") +
            route("narrow", path("Exact", "/a"), "hostnames: ['*.b.c']") + route("exact", path("PathPrefix", "/"), "hostnames: [a.b.c]"));
  EXPECT_EQ(answer(*s, {.host = "a.b.c", .target = "/a"}), "exact");
  EXPECT_EQ(answer(*s, {.host = "x.b.c", .target = "/a"}), "narrow");
  EXPECT_EQ(answer(*s, {.host = "x.c", .target = "/a"}), "wide");
  EXPECT_EQ(answer(*s, {.host = "c", .target = "/a"}), "any");
  EXPECT_EQ(answer(*s, {.host = "", .target = "/a"}), "any");
}

TEST(HttpMatcher, ALessSpecificHostNameIsAskedWhenAMoreSpecificOneHasNoRule) {
  auto s = built(kGateway + route("any", path("Exact", "/any")) + route("wide", path("Exact", "/wide"), "hostnames: ['*.c']") +
                 route("exact", path("Exact", "/exact"), "hostnames: [a.c]"));
  for (const char* name : {"any", "wide", "exact"}) EXPECT_EQ(answer(*s, {.host = "a.c", .target = fmt::format("/{}", name)}), name);
}

TEST(HttpMatcher, ARegularExpressionComesBehindPrefixesAndBeforeWhatSaysNothingOfThePath) {
  auto s = built(kGateway + route("regex", path("RegularExpression", "/v[0-9]+/.*")) + route("root", path("PathPrefix", "/")) +
                 route("prefix", path("PathPrefix", "/v1/a")));
  EXPECT_EQ(answer(*s, {.target = "/v1/b"}), "regex");
  EXPECT_EQ(answer(*s, {.target = "/v1/a/c"}), "prefix");
  EXPECT_EQ(answer(*s, {.target = "/x/v1/b"}), "root");  // an expression is for the whole path
  EXPECT_EQ(answer(*s, {.target = "/v1"}), "root");
}

TEST(HttpMatcher, TheOlderRouteThenTheFirstByNameThenTheFirstRuleComesFirst) {
  EXPECT_EQ(answer(*built(kGateway + route("b", "") + route("a", "")), {}), "a");
  EXPECT_EQ(answer(*built(kGateway + route("a", "") + route("b", "", "", ", creationTimestamp: '2024-01-01T00:00:00Z'")), {}), "b");
  EXPECT_EQ(answer(*built(kGateway + route("a", "", "", ", creationTimestamp: '2024-01-02T00:00:00Z'") +
                          route("b", "", "", ", creationTimestamp: '2024-01-01T00:00:00Z'")),
                   {}),
            "b");
  auto s = built(kGateway + http_route("name: r", "{name: g}", "{name: first}, {name: second}"));
  EXPECT_EQ(match(port_of(*s, 80), {}).rule->name, "first");
}

TEST(HttpMatcher, TheValuesOfRepeatedHeadersAreOneList) {
  auto s = built(kGateway + route("list", "headers: [{name: x, value: 'a,b,c'}]") +
                 route("regex", "headers: [{name: x, type: RegularExpression, value: '.*(^|,)z(,|$).*'}]"));
  EXPECT_EQ(answer(*s, {.headers = {{"X", "a"}, {"y", "1"}, {"x", "b"}, {"x", "c"}}}), "list");
  EXPECT_EQ(answer(*s, {.headers = {{"X", "a"}, {"x", "z"}}}), "regex");
  EXPECT_EQ(answer(*s, {.headers = {{"X", ""}, {"x", "z"}}}), "regex");
  EXPECT_EQ(answer(*s, {.headers = {{"X", "az"}}}), "404");
}

TEST(HttpMatcher, PathsOfRulesAreInTheFormOfPathsOfRequests) {
  auto s = built(kGateway + route("a", path("Exact", "/%7euser/%c3%a9")) + route("b", path("PathPrefix", "/a%5cb")));
  EXPECT_EQ(answer(*s, {.target = "/~user/%C3%a9"}), "a");
  EXPECT_EQ(answer(*s, {.target = "/%7Euser/%c3%A9"}), "a");
  EXPECT_EQ(answer(*s, {.target = "/a%5Cb/c"}), "b");
  EXPECT_EQ(answer(*s, {.target = "/a%2Fb"}), "404");
}

TEST(HttpMatcher, DotSegmentsLeadToNoOtherRule) {
  auto s = built(kGateway + route("open", path("PathPrefix", "/open")) + route("closed", path("PathPrefix", "/closed")));
  EXPECT_EQ(answer(*s, {.target = "/open/../closed/x"}), "closed");
  EXPECT_EQ(answer(*s, {.target = "/open/%2e%2E/closed"}), "closed");
  EXPECT_EQ(answer(*s, {.target = "/open/%2fclosed"}), "open");
}

TEST(HttpMatcher, LongPathsAndHostsAreMatchedInOnePass) {
  auto s = built(kGateway + route("p", path("PathPrefix", "/a/a/a")) + route("h", "", "hostnames: ['*.a.a.a']"));
  std::string long_path, long_host;
  for (int i = 0; i < 8000; i++) long_path += "/a";
  for (int i = 0; i < 126; i++) long_host += "a.";
  EXPECT_EQ(match(port_of(*s, 80), {.host = "x", .target = long_path}).prefix, 6u);
  EXPECT_EQ(answer(*s, {.host = long_host + "a"}), "h");
}

TEST(HttpMatcher, WhatIsNoPathMatchesNoPrefix) {
  auto s = built(kGateway + route("root", path("PathPrefix", "/")));
  const http::Fields none;
  EXPECT_EQ(port_of(*s, 80).match({.host = "x", .path = "*", .query = "", .method = "OPTIONS", .fields = none}).rule, nullptr);
}

TEST(HttpPort, FindsTheMostSpecificListener) {
  std::vector<HttpHost> hosts;
  for (const char* name : {"*.c", "b.c", "*.b.c", "a.b.c", "d", "*.longer.b.c"}) hosts.push_back({.hostname = name});
  hosts.push_back({});
  std::ranges::sort(hosts, is_more_specific);
  HttpPort port{.hosts = hosts};
  for (const auto& [host, listener] : std::initializer_list<std::pair<const char*, const char*>>{{"a.b.c", "a.b.c"},
                                                                                                 {"x.b.c", "*.b.c"},
                                                                                                 {"x.y.b.c", "*.b.c"},
                                                                                                 {"b.c", "b.c"},
                                                                                                 {"x.longer.b.c", "*.longer.b.c"},
                                                                                                 {"longer.b.c", "*.b.c"},
                                                                                                 {"x.c", "*.c"},
                                                                                                 {"d", "d"},
                                                                                                 {"c", ""},
                                                                                                 {"", ""},
                                                                                                 {".c", ""},
                                                                                                 {"x.d", ""}})
    EXPECT_EQ(port.find(host)->hostname.value_or(""), listener) << host;
  port.hosts.pop_back();
  EXPECT_EQ(port.find("x.d"), nullptr);
  EXPECT_EQ(HttpPort().find("x"), nullptr);
}

TEST(Regex, TakesTheWholeTextInLinearTime) {
  auto evil = Regex::parse("(a*)*b").value();
  EXPECT_FALSE(evil->matches(std::string(20'000, 'a')));
  EXPECT_TRUE(evil->matches(std::string(20'000, 'a') + "b"));
  EXPECT_FALSE(evil->matches("xb"));
  EXPECT_TRUE(Regex::parse("\xc3.").value()->matches("\xc3\xa9"));  // bytes
  for (const char* bad : {"(", "a(?=b)", "(a)\\1", "((a{1000}){1000})"}) EXPECT_FALSE(Regex::parse(bad)) << bad;
}

}  // namespace
}  // namespace fairlead::route
