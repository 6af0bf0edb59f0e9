// What HTTPRoute and the policies may say: the schema of Gateway API v1 with its rules between fields.
#include <gtest/gtest.h>

#include <algorithm>

#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

using namespace testing;

std::string problems_of(std::string_view text) {
  Problems problems("f");
  decode_manifests(text, Format::yaml, problems);
  return to_text(problems.take());
}

std::string route(std::string_view rules, std::string_view more = "") { return http_route("name: r", "{name: g}", rules, more); }
std::string match(std::string_view spec) { return route(fmt::format("{{matches: [{{{}}}]}}", spec)); }
std::string path(std::string_view type, std::string_view value) {
  return match(fmt::format("path: {{type: {}, value: '{}'}}", type, value));
}
std::string filter(std::string_view type, std::string_view key, std::string_view spec) {
  return route(fmt::format("{{filters: [{{type: {}, {}: {{{}}}}}]}}", type, key, spec));
}
std::string cors(std::string_view spec) { return filter("CORS", "cors", spec); }
std::string mirror(std::string_view spec) {
  return filter("RequestMirror", "requestMirror", "backendRef: {name: b}, " + std::string(spec));
}

struct Wrong {
  std::string text;
  const char* problem;
};

void expect_all(std::initializer_list<Wrong> cases) {
  for (const Wrong& c : cases) {
    const std::string said = problems_of(c.text);
    EXPECT_NE(said.find(c.problem), std::string::npos) << c.text << "\n" << said;
    EXPECT_EQ(std::ranges::count(said, '\n'), 1) << c.text << said;
  }
}

TEST(HttpRouteDecoder, AnHttpRouteIsReadWithItsDefaults) {
  for (const char* version : {"v1", "v1beta1"}) {
    Manifests m =
        decoded(fmt::format("apiVersion: gateway.networking.k8s.io/{}\nkind: HTTPRoute\nmetadata: {{name: r}}\nspec: {{}}\n", version));
    const HttpRoute& r = m.http_routes.at(0);
    EXPECT_TRUE(r.parents.empty());
    EXPECT_TRUE(r.hostnames.empty());
    ASSERT_EQ(r.rules.size(), 1u);
    ASSERT_EQ(r.rules[0].matches.size(), 1u);
    EXPECT_EQ(r.rules[0].matches[0].path, RequestMatch::Path::prefix);
    EXPECT_EQ(r.rules[0].matches[0].path_value, "/");
  }
  Manifests m = decoded(route("{matches: [{headers: [{name: a, value: b}]}], retry: {}, sessionPersistence: {}}"));
  const HttpRouteRule& rule = m.http_routes.at(0).rules.at(0);
  EXPECT_EQ(rule.matches[0].path_value, "/");
  EXPECT_FALSE(rule.matches[0].headers.at(0).regex);
  EXPECT_FALSE(rule.request_timeout);
  EXPECT_EQ(rule.retry.attempts, 1u);
  EXPECT_EQ(rule.persistence->type, SessionPersistence::Type::cookie);
  EXPECT_FALSE(rule.persistence->permanent);
  EXPECT_EQ(decoded(route("{}")).http_routes.at(0).rules.at(0).retry.attempts, 0u);
}

TEST(HttpRouteDecoder, EveryFieldOfARuleIsRead) {
  Manifests m =
      decoded(route("{name: all, matches: [{path: {type: RegularExpression, value: '/a+'}, headers: [{type: RegularExpression, name: h, "
                    "value: '[0-9]'}], "
                    "queryParams: [{name: q, value: v}], method: PATCH}], timeouts: {request: 10s, backendRequest: 2s}, "
                    "retry: {codes: [500, 503], attempts: 3, backoff: 100ms}, "
                    "sessionPersistence: {sessionName: s, type: Cookie, absoluteTimeout: 1h, cookieConfig: {lifetimeType: Permanent}}, "
                    "backendRefs: [{group: fairlead.dev, kind: Backend, name: b, port: 80, weight: 3}]}",
                    "hostnames: [example.com, '*.example.com', example.com]"));
  const HttpRoute& r = m.http_routes.at(0);
  EXPECT_EQ(r.hostnames, (std::vector<std::string>{"example.com", "*.example.com"}));
  const HttpRouteRule& rule = r.rules.at(0);
  EXPECT_EQ(rule.name, "all");
  EXPECT_TRUE(rule.matches.at(0).path_regex->matches("/aaa"));
  EXPECT_TRUE(rule.matches[0].headers.at(0).regex->matches("7"));
  EXPECT_EQ(rule.matches[0].query.at(0).value, "v");
  EXPECT_EQ(rule.matches[0].method, "PATCH");
  EXPECT_EQ(rule.request_timeout, 10s);
  EXPECT_EQ(rule.backend_timeout, 2s);
  EXPECT_EQ(rule.retry.codes, (std::vector<std::uint16_t>{500, 503}));
  EXPECT_EQ(rule.retry.attempts, 3u);
  EXPECT_EQ(rule.retry.backoff, 100ms);
  EXPECT_EQ(rule.persistence->name, "s");
  EXPECT_TRUE(rule.persistence->permanent);
  EXPECT_EQ(rule.backends.at(0).ref.weight, 3u);
}

TEST(HttpRouteDecoder, WhatARequestMustBeIsChecked) {
  expect_all({
      {path("Prefix", "/"), "path.type: \"Prefix\" is none of Exact, PathPrefix, RegularExpression"},
      {path("Exact", "a"), "spec.rules[0].matches[0].path.value: \"a\" is not a path: it must begin with /"},
      {path("PathPrefix", ""), "it must begin with /"},
      {path("PathPrefix", "/a//b"), "// is not allowed"},
      {path("PathPrefix", "/a/./b"), "/./ and /../ are not allowed"},
      {path("Exact", "/a/%2e%2E/b"), "/./ and /../ are not allowed"},
      {path("Exact", "/a/.."), "/. and /.. at the end are not allowed"},
      {path("Exact", "/a/%2e"), "/. and /.. at the end are not allowed"},
      {path("Exact", "/a%2fb"), "an encoded slash (%2F) is not allowed"},
      {path("Exact", "/a%00"), "%00 is not allowed"},
      {path("Exact", "/a%0g"), "% must be followed by two hex digits"},
      {path("Exact", "/a%0"), "% must be followed by two hex digits"},
      {path("Exact", "/a#b"), "a character that is not one of a path"},
      {path("Exact", "/a?b"), "a character that is not one of a path"},
      {path("Exact", "/a b"), "a character that is not one of a path"},
      {path("Exact", "/é"), "a character that is not one of a path"},
      {path("RegularExpression", "/("), "not a regular expression: missing )"},
      {path("RegularExpression", "(a)\\1"), "not a regular expression: invalid escape sequence"},
      {match("headers: [{name: 'a b', value: c}]"), "headers[0].name: \"a b\" is not the name of a header"},
      {match("headers: [{name: a}]"), "\"value\" is missing"},
      {match("headers: [{name: a, value: ''}]"), "0 bytes, and 1 to 4096 are allowed"},
      {match("headers: [{name: a, value: b}, {name: A, value: c}]"), "header \"A\" is there twice"},
      {match("queryParams: [{name: a, value: b}, {name: a, value: c}]"), "query parameter \"a\" is there twice"},
      {match("queryParams: [{name: a, type: Regex, value: b}]"), "is none of Exact, RegularExpression"},
      {match("method: get"), "method: \"get\" is none of GET, HEAD, POST"},
      {match("hosts: [a]"), "unknown key \"hosts\""},
  });
  EXPECT_EQ(problems_of(match("queryParams: [{name: a, value: b}, {name: A, value: c}]")), "");
  EXPECT_EQ(problems_of(path("RegularExpression", "no slash")), "");
}

TEST(HttpRouteDecoder, FiltersAreChecked) {
  const std::string header = "requestHeaderModifier";
  expect_all({
      {route("{filters: [{type: Nope}]}"), "filters[0].type: \"Nope\" is none of RequestHeaderModifier"},
      {route("{filters: [{type: CORS}]}"), "spec.rules[0].filters[0]: \"cors\" is missing"},
      {route("{filters: [{type: CORS, cors: {}, urlRewrite: {}}]}"), "filters[0].urlRewrite: not with the type of this filter"},
      {route("{filters: [{type: CORS, cors: {}}, {type: CORS, cors: {}}]}"), "filters[1]: a second filter of type CORS"},
      {route("{matches: [{path: {value: /a}}], filters: [{type: URLRewrite, urlRewrite: {hostname: a}}, "
             "{type: RequestRedirect, requestRedirect: {}}]}"),
       "filters: RequestRedirect and URLRewrite: only one of them"},
      {route("{filters: [{type: RequestRedirect, requestRedirect: {}}], backendRefs: [{name: b}]}"),
       "spec.rules[0]: RequestRedirect and backendRefs: only one of them"},
      {route("{matches: [{path: {value: /a}}, {path: {value: /b}}], "
             "filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /c}}}]}"),
       "filters: ReplacePrefixMatch needs exactly one match, and that of a PathPrefix"},
      {route("{matches: [{path: {type: Exact, value: /a}}], "
             "filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /c}}}]}"),
       "needs exactly one match"},
      {filter("URLRewrite", "urlRewrite", "path: {type: ReplaceFullPath}"), "\"replaceFullPath\" is missing"},
      {filter("URLRewrite", "urlRewrite", "path: {type: ReplaceFullPath, replaceFullPath: /a, replacePrefixMatch: /b}"),
       "replacePrefixMatch: not with the type ReplaceFullPath"},
      {filter("URLRewrite", "urlRewrite", "path: {type: ReplaceFullPath, replaceFullPath: 'a b'}"), "is not a path"},
      {filter("URLRewrite", "urlRewrite", "hostname: '*.a'"), "hostname: \"*.a\" is not a name"},
      {filter("URLRewrite", "urlRewrite", "hostname: 10.0.0.1"), "is an IP address, not a host name"},
      {filter("RequestRedirect", "requestRedirect", "scheme: ftp"), "scheme: \"ftp\" is none of http, https"},
      {filter("RequestRedirect", "requestRedirect", "statusCode: 300"), "statusCode: 300 is none of 301, 302, 303, 307, 308"},
      {filter("RequestHeaderModifier", header, "set: [{name: a, value: \"b\\r\\nc\"}]"), "has control characters"},
      {filter("RequestHeaderModifier", header, "set: [{name: a, value: ' b'}]"), "begins or ends with white space"},
      {filter("RequestHeaderModifier", header, "set: [{name: content-length, value: '3'}]"), "\"content-length\" frames the message"},
      {filter("RequestHeaderModifier", header, "add: [{name: a, value: b}, {name: A, value: b}]"), "header \"A\" is there twice"},
      {filter("RequestHeaderModifier", header, "remove: [a, a]"), "header \"a\" is there twice"},
      {mirror("percent: 101"), "percent: 101 is not from 0 to 100"},
      {mirror("percent: 1, fraction: {numerator: 1}"), "percent and fraction: only one of them"},
      {mirror("fraction: {numerator: 5, denominator: 4}"), "5 of 4 is more than all"},
      {mirror("fraction: {numerator: 0, denominator: 0}"), "denominator: 0 is not from 1"},
      {cors("allowOrigins: ['*', 'https://a']"), "allowOrigins: \"*\" beside others"},
      {cors("allowMethods: [GET, '*']"), "allowMethods: \"*\" beside others"},
      {cors("allowHeaders: [a, '*']"), "allowHeaders: \"*\" beside others"},
      {cors("allowMethods: [get]"), "\"get\" is no method of HTTP"},
      {cors("maxAge: 0"), "maxAge: 0 is not from 1"},
      {route("{filters: [{type: ExtensionRef, extensionRef: {group: fairlead.dev, kind: RequestPolicy}}]}"), "\"name\" is missing"},
      {route("{backendRefs: [{name: b, filters: [{type: CORS, cors: {}}]}]}"),
       "filters: filters of one backend are RequestHeaderModifier and ResponseHeaderModifier in this version"},
  });
  EXPECT_EQ(problems_of(filter("RequestHeaderModifier", header, "set: [{name: Host, value: a.example.com}]")), "");
  EXPECT_EQ(problems_of(route("{filters: ["
                              "{type: RequestMirror, requestMirror: {backendRef: {name: a}}}, "
                              "{type: RequestMirror, requestMirror: {backendRef: {name: b}}}]}")),
            "");
  for (const char* good : {"*", "https://example.com", "http://*.example.com:8080", "https://*", "https://a-b.C"})
    EXPECT_EQ(problems_of(cors(fmt::format("allowOrigins: ['{}']", good))), "") << good;
  for (const char* bad :
       {"example.com", "https://", "https://a/", "https://a:", "https://a:123456", "https://a..b", "https://*a", "ftp://a"})
    EXPECT_NE(problems_of(cors(fmt::format("allowOrigins: ['{}']", bad))).find("is not an origin"), std::string::npos) << bad;
}

TEST(HttpRouteDecoder, WhatElseIsInARuleIsChecked) {
  expect_all({
      {route("{timeouts: {request: 1s, backendRequest: 2s}}"), "spec.rules[0].timeouts: backendRequest is longer than request"},
      {route("{timeouts: {request: 10}}"), "10 has no unit"},
      {route("{timeouts: {idle: 10s}}"), "unknown key \"idle\""},
      {route("{retry: {codes: [200]}}"), "codes[0]: 200 is not from 400 to 599"},
      {route("{retry: {attempts: 101}}"), "attempts: 101 is not from 0 to 100"},
      {route("{sessionPersistence: {idleTimeout: 1h}}"), "idleTimeout: not supported by this version"},
      {route("{sessionPersistence: {sessionName: 'a b'}}"), "sessionName: \"a b\" is not the name"},
      {route("{sessionPersistence: {cookieConfig: {lifetimeType: Permanent}}}"), "needs an absoluteTimeout"},
      {route("{sessionPersistence: {type: Header, cookieConfig: {}}}"), "cookieConfig: only with the type Cookie"},
      {route("{name: a}, {name: a}"), "spec.rules[1]: two rules have the name \"a\""},
      {route(""), "spec.rules: at least 1 needed, 0 here"},
      {route("{}", "hostnames: [1.2.3.4]"), "hostnames[0]: \"1.2.3.4\" is an IP address, not a host name"},
      {route("{}", "hostnames: [A.example.com]"), "is not a name"},
      {route("{}", "hostnames: ['a.*.com']"), "is not a name"},
      {route("{}", "useDefaultGateways: All"), "useDefaultGateways: not supported by this version"},
      {http_route("name: r", "{name: g}, {name: g, sectionName: a}", "{}"), "must both have a sectionName or both a port"},
      {http_route("name: r", "{name: g}, {name: g}", "{}"), "must both have a sectionName or both a port"},
      {http_route("name: r", "{name: g, sectionName: a}, {name: g, sectionName: a}", "{}"), "must differ in sectionName or port"},
  });
  EXPECT_EQ(problems_of(http_route("name: r", "{name: g, sectionName: a}, {name: g, sectionName: b}, {name: h}", "{}")), "");
  EXPECT_EQ(problems_of(http_route("name: r", "{name: g, port: 80}, {name: g, port: 81}", "{}")), "");
}

TEST(HttpRouteDecoder, ALimitIsHeldAtTheLimitAndOnePastIt) {
  auto many = [](std::string_view one, int n) {
    std::string text;
    for (int i = 0; i < n; i++) text += (i > 0 ? ", " : "") + fmt::format(fmt::runtime(one), i);
    return text;
  };
  auto at_limit = [&](int n, auto text_of) {
    EXPECT_EQ(problems_of(text_of(n)), "") << text_of(n);
    EXPECT_NE(problems_of(text_of(n + 1)).find(" allowed"), std::string::npos) << text_of(n + 1);
  };
  at_limit(16, [&](int n) { return route(many("{{name: r{}}}", n)); });
  at_limit(64, [&](int n) { return route("{matches: [" + many("{{path: {{value: /{}}}}}", n) + "]}"); });
  at_limit(16, [&](int n) { return route("{}", "hostnames: [" + many("h{}.example.com", n) + "]"); });
  at_limit(16, [&](int n) { return route("{backendRefs: [" + many("{{name: b{}}}", n) + "]}"); });
  at_limit(32, [&](int n) { return http_route("name: r", many("{{name: g{}}}", n), "{}"); });
  at_limit(16, [&](int n) { return match("headers: [" + many("{{name: h{}, value: a}}", n) + "]"); });
  at_limit(16, [&](int n) { return match("queryParams: [" + many("{{name: h{}, value: a}}", n) + "]"); });
  at_limit(16, [&](int n) {
    return route("{filters: [" + many("{{type: RequestMirror, requestMirror: {{backendRef: {{name: b{}}}}}}}", n) + "]}");
  });
  at_limit(16, [&](int n) { return filter("RequestHeaderModifier", "requestHeaderModifier", "remove: [" + many("h{}", n) + "]"); });
  at_limit(64, [&](int n) { return cors("allowOrigins: [" + many("'https://h{}'", n) + "]"); });
  at_limit(1024, [&](int n) { return path("PathPrefix", "/" + std::string(static_cast<std::size_t>(n) - 1, 'a')); });
  at_limit(4096, [&](int n) { return match("headers: [{name: h, value: " + std::string(static_cast<std::size_t>(n), 'a') + "}]"); });
  // All rules together.
  auto rules = [&](int last, std::string_view more) {
    const std::string full = "{matches: [" + many("{{path: {{value: /{}}}}}", 64) + "]}";
    return route(full + ", {matches: [" + many("{{path: {{value: /{}}}}}", last) + "]}" + std::string(more));
  };
  EXPECT_EQ(problems_of(rules(64, "")), "");
  EXPECT_NE(problems_of(rules(64, ", {}")).find("129 matches in all rules; at most 128 are allowed"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::route
