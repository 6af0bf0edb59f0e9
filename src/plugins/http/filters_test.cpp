// Tables of the Gateway API's own texts (HTTPPathModifier, HTTPRequestRedirectFilter, HTTPCORSFilter), and of Fetch.
#include "plugins/http/filters.h"

#include <gtest/gtest.h>

#include "plugins/http/persistence.h"

namespace fairlead::http_plugin {
namespace {

TEST(Rewrite, ReplacesPrefixesAsTheTableOfGatewayApiSays) {
  struct Case {
    std::string_view path;
    std::size_t prefix;
    std::string_view replace, result;
  };
  const Case cases[] = {
      {"/foo/bar", 4, "/xyz", "/xyz/bar"},
      {"/foo/bar", 4, "/xyz/", "/xyz/bar"},
      {"/foo/bar", 5, "/xyz", "/xyz/bar"},
      {"/foo/bar", 5, "/xyz/", "/xyz/bar"},
      {"/foo", 4, "/xyz", "/xyz"},
      {"/foo/", 4, "/xyz", "/xyz/"},
      {"/foo/bar", 4, "", "/bar"},
      {"/foo/", 4, "", "/"},
      {"/foo", 4, "", "/"},
      {"/foo/", 4, "/", "/"},
      {"/foo", 4, "/", "/"},
      {"/foo", 0, "/xyz", "/xyz/foo"},
      {"/foo", 1, "/xyz", "/xyz/foo"},
      {"/", 0, "/xyz", "/xyz/"},
  };
  Texts texts;
  for (const Case& c : cases)
    EXPECT_EQ(rewrite_path(c.path, c.prefix, {route::PathRewrite::Kind::prefix, std::string(c.replace)}, texts), c.result)
        << c.path << " " << c.prefix << " " << c.replace;
  EXPECT_EQ(rewrite_path("/foo/bar", 4, {route::PathRewrite::Kind::full, "/all"}, texts), "/all");
  EXPECT_EQ(rewrite_path("/foo/bar", 4, {}, texts), "/foo/bar");
}

TEST(Rewrite, KeepsTheQuery) {
  Texts texts;
  http::Request request;
  request.authority = "a:80";
  request.target = "/foo/bar?x=/foo";
  const route::RewriteFilter filter{.hostname = "other.example", .path = {route::PathRewrite::Kind::prefix, "/new"}};
  rewrite(request, 4, filter, texts);
  EXPECT_EQ(request.target, "/new/bar?x=/foo");
  EXPECT_EQ(request.authority, "other.example");
}

TEST(Redirect, MakesALocation) {
  struct Case {
    std::string_view scheme, authority;
    route::RedirectFilter filter;
    std::uint16_t listener;
    std::string_view location;
  };
  using Kind = route::PathRewrite::Kind;
  const Case cases[] = {
      {"http", "a.example:8080", {.scheme = "https"}, 8080, "https://a.example/p?q=1"},
      {"http", "a.example", {.scheme = "https", .port = route::Port(8443)}, 80, "https://a.example:8443/p?q=1"},
      {"http", "a.example", {.hostname = "b.example"}, 80, "http://b.example/p?q=1"},
      {"http", "a.example:8080", {.hostname = "b.example"}, 8080, "http://b.example:8080/p?q=1"},
      {"https", "a.example", {.path = {Kind::full, "/new"}}, 443, "https://a.example/new?q=1"},
      {"http", "a.example", {.path = {Kind::prefix, "/new"}, .port = route::Port(80)}, 8080, "http://a.example/new?q=1"},
      {"https", "a.example", {.scheme = "http", .port = route::Port(443)}, 443, "http://a.example:443/p?q=1"},
      {"http", "[2001:db8::1]:8080", {}, 8080, "http://[2001:db8::1]:8080/p?q=1"},
  };
  for (const Case& c : cases) {
    Texts texts;
    http::Request request;
    request.scheme = c.scheme;
    request.authority = c.authority;
    request.target = "/p?q=1";
    EXPECT_EQ(location_of(request, 2, c.filter, c.listener, texts), c.location);
  }
}

TEST(Edit, SetsAddsAndRemovesInThisOrder) {
  http::Request request;
  request.authority = "a";
  request.fields.add("X-Set", "old");
  request.fields.add("x-set", "older");
  request.fields.add("X-Add", "1");
  request.fields.add("X-Gone", "1");
  const route::HeaderEdit change{.set = {{"X-Set", "new"}, {"X-New", "n"}, {"Host", "b"}, {"Content-Length", "0"}},
                                 .add = {{"X-Add", "2"}, {"Transfer-Encoding", "chunked"}},
                                 .remove = {"x-gone"}};
  edit(request, change);
  std::string all;
  for (const http::Field& f : request.fields) all += fmt::format("{}={};", f.name, f.value);
  EXPECT_EQ(all, "X-Set=new;X-Add=1;X-New=n;X-Add=2;") << "what frames the message is not a rule's to say";
  EXPECT_EQ(request.authority, "b");
}

http::Request asking(std::string_view method, std::string_view origin, std::string_view wanted = {}) {
  http::Request request;
  request.method = method;
  request.fields.add("Origin", origin);
  if (!wanted.empty()) request.fields.add("Access-Control-Request-Method", wanted);
  return request;
}
std::string value(const http::Fields& fields, std::string_view name) {
  const http::Field* field = fields.find(name);
  return field == nullptr ? "" : std::string(field->value);
}

TEST(Cors, OriginsMatchAsTheyAreWritten) {
  const route::CorsFilter filter{.allow_origins = {"https://a.example", "https://*.b.example", "http://c.example:*"}};
  struct Case {
    std::string_view origin;
    bool allowed;
  };
  const Case cases[] = {
      {"https://a.example", true},
      {"http://a.example", false},
      {"https://a.example.evil", false},
      {"https://x.b.example", true},
      {"https://x.y.b.example", true},
      {"https://b.example", false},
      {"https://evil/.b.example", false},
      {"http://c.example:8080", true},
      {"http://c.example", false},
      {"https://A.Example", true},
      {"null", false},
  };
  for (const Case& c : cases) {
    Texts texts;
    http::Fields answer;
    add_cors(answer, c.origin, filter, texts);
    EXPECT_EQ(value(answer, "Access-Control-Allow-Origin"), c.allowed ? c.origin : "") << c.origin;
    EXPECT_EQ(value(answer, "Vary"), c.allowed ? "Origin" : "");
  }
}

TEST(Cors, APreflightIsTold) {
  Texts texts;
  route::CorsFilter filter{.allow_origins = {"*"}, .allow_methods = {"GET", "PUT"}, .allow_headers = {"X-A"}, .max_age = 60s};
  const http::Request request = asking("OPTIONS", "https://a.example", "PUT");
  EXPECT_TRUE(is_preflight(request));
  EXPECT_FALSE(is_preflight(asking("OPTIONS", "https://a.example")));
  EXPECT_FALSE(is_preflight(asking("GET", "https://a.example", "PUT")));
  http::Fields answer;
  answer_preflight(answer, request, filter, texts);
  EXPECT_EQ(value(answer, "Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(value(answer, "Access-Control-Allow-Methods"), "GET, PUT");
  EXPECT_EQ(value(answer, "Access-Control-Allow-Headers"), "X-A");
  EXPECT_EQ(value(answer, "Access-Control-Max-Age"), "60");

  filter.allow_credentials = true;
  filter.allow_methods = {"*"};
  http::Fields with_credentials;
  answer_preflight(with_credentials, request, filter, texts);
  EXPECT_EQ(value(with_credentials, "Access-Control-Allow-Origin"), "https://a.example") << "with credentials * is no wild card";
  EXPECT_EQ(value(with_credentials, "Access-Control-Allow-Methods"), "PUT");
  EXPECT_EQ(value(with_credentials, "Access-Control-Allow-Credentials"), "true");

  filter.allow_origins = {"https://b.example"};
  http::Fields none;
  answer_preflight(none, request, filter, texts);
  EXPECT_TRUE(none.empty());
}

TEST(Persistence, ReadsCookiesAmongOthers) {
  http::Fields fields;
  fields.add("Cookie", "a=1; session=x; sessions=y");
  fields.add("cookie", "late=z");
  EXPECT_EQ(route::cookie_in(fields, "session"), "x");
  EXPECT_EQ(route::cookie_in(fields, "late"), "z");
  EXPECT_EQ(route::cookie_in(fields, "sess"), "");
  EXPECT_EQ(route::cookie_in(fields, "a"), "1");
}

}  // namespace
}  // namespace fairlead::http_plugin
