#include "http/target.h"

#include <gtest/gtest.h>

#include <string>

namespace fairlead::http {
namespace {

std::string show(std::string_view text) {
  const auto made = parse_authority(text);
  if (!made) return "-";
  return std::string(made->host) + (made->port ? "|" + std::to_string(*made->port) : "");
}

TEST(Authority, Forms) {
  struct Case {
    const char *text, *made;
  };
  for (const Case& c : {Case{"a", "a"},
                        {"a.example", "a.example"},
                        {"A.Example.", "A.Example."},
                        {"a_b-c", "a_b-c"},
                        {"a:80", "a|80"},
                        {"a:", "a"},
                        {"a:1", "a|1"},
                        {"a:65535", "a|65535"},
                        {"a:00080", "a|80"},
                        {"192.0.2.1:8080", "192.0.2.1|8080"},
                        {"[::1]", "::1"},
                        {"[2001:db8::7]:443", "2001:db8::7|443"},
                        {"[::ffff:192.0.2.1]", "::ffff:192.0.2.1"},
                        {"1.2.3", "1.2.3"},
                        {"", "-"},
                        {":80", "-"},
                        {"a:0", "-"},
                        {"a:65536", "-"},
                        {"a:000080", "-"},
                        {"a:8a", "-"},
                        {"a:-1", "-"},
                        {"a:80:80", "-"},
                        {"::1", "-"},
                        {"[::1", "-"},
                        {"[]", "-"},
                        {"[a]", "-"},
                        {"[1.2.3.4]", "-"},
                        {"[::1]x", "-"},
                        {"[::1]:", "::1"},
                        {"[fe80::1%25eth0]", "-"},
                        {"u@a", "-"},
                        {"a b", "-"},
                        {"a,b", "-"},
                        {"a/b", "-"},
                        {"a..b", "-"},
                        {".a", "-"},
                        {".", "-"},
                        {"~a", "-"},
                        {"a%2eb", "-"},
                        {"caf\xc3\xa9", "-"},
                        {"*.a", "-"}})
    EXPECT_EQ(show(c.text), c.made) << c.text;
}

TEST(Authority, ANulEndsNoAddress) {
  using namespace std::string_view_literals;
  EXPECT_EQ(show("[::1\0]"sv), "-");
  EXPECT_EQ(show("[::1\0@evil]:80"sv), "-");
  EXPECT_EQ(show("a\0"sv), "-");
}

TEST(Authority, AHostHasAtMost255Characters) {
  EXPECT_NE(show(std::string(255, 'a')), "-");
  EXPECT_EQ(show(std::string(256, 'a')), "-");
  EXPECT_EQ(show("[" + std::string(300, ':') + "]"), "-");
}

TEST(Target, IsSplitAtTheFirstQuestionMark) {
  const Target t = split_target("/a?b?c");
  EXPECT_EQ(t.path, "/a");
  EXPECT_EQ(t.query, "b?c");
  EXPECT_TRUE(t.has_query);
  EXPECT_TRUE(split_target("/a?").has_query);
  EXPECT_FALSE(split_target("/a").has_query);
}

std::string normal(std::string_view path) {
  std::string scratch = "left from before";
  const auto made = normalize_path(path, scratch);
  if (!made) {
    EXPECT_EQ(made.error().status, 400u);
    EXPECT_EQ(made.error().code, "bad-path");
    return "-";
  }
  // It is a fixed point.
  std::string again;
  EXPECT_EQ(normalize_path(*made, again).value(), *made) << path;
  return std::string(*made);
}

TEST(NormalizePath, Table) {
  struct Case {
    const char *path, *made;
  };
  for (const Case& c : {// nothing to do
                        Case{"/", "/"},
                        {"/a", "/a"},
                        {"/a/", "/a/"},
                        {"/a/b.c", "/a/b.c"},
                        {"/a//b", "/a//b"},
                        {"//", "//"},
                        {"/a:b@c;d=e,f", "/a:b@c;d=e,f"},
                        {"/~a_b-c", "/~a_b-c"},
                        {"/.well-known/x", "/.well-known/x"},
                        {"/...", "/..."},
                        {"/a/..b", "/a/..b"},
                        {"/a/b..", "/a/b.."},
                        {"/%C3%A9", "/%C3%A9"},
                        {"/a%20b", "/a%20b"},
                        {"/{a}|b^", "/{a}|b^"},
                        // dot segments (RFC 3986, 5.2.4 and 5.4)
                        {"/.", "/"},
                        {"/..", "/"},
                        {"/./", "/"},
                        {"/../", "/"},
                        {"/a/.", "/a/"},
                        {"/a/./b", "/a/b"},
                        {"/a/..", "/"},
                        {"/a/../", "/"},
                        {"/a/../b", "/b"},
                        {"/a/b/..", "/a/"},
                        {"/a/b/../", "/a/"},
                        {"/a/b/../c", "/a/c"},
                        {"/a/b/c/./../../g", "/a/g"},
                        {"/../../a", "/a"},
                        {"/a/../../../b", "/b"},
                        {"/a//../b", "/a/b"},
                        {"/a/./../b/./c/..", "/b/"},
                        {"//..", "/"},
                        {"//../a", "/a"},
                        {"/..//a", "//a"},
                        // escapes
                        {"/%61", "/a"},
                        {"/%7E%2D%5F", "/~-_"},
                        {"/%41%5a%30", "/AZ0"},
                        {"/%c3%a9", "/%C3%A9"},
                        {"/%2e", "/"},
                        {"/a/%2E%2e/b", "/b"},
                        {"/a/.%2e/b", "/b"},
                        {"/a/%2e./b", "/b"},
                        {"/%2e%2e%2e", "/..."},
                        {"/a%2fb", "/a%2Fb"},
                        {"/a%5cb", "/a%5Cb"},
                        {"/a\\b", "/a%5Cb"},
                        {"/%2f", "/%2F"},
                        {"/a%252e%252e", "/a%252e%252e"},
                        {"/%252e%252e/b", "/%252e%252e/b"},
                        {"/%3f%23", "/%3F%23"},
                        {"/%25", "/%25"},
                        {"/%01", "/%01"},
                        {"/%ff", "/%FF"},
                        // what some services would resolve, and we do not
                        {"/a/..%2fb", "-"},
                        {"/a/..%2Fb", "-"},
                        {"/a/%2e%2e%2fb", "-"},
                        {"/a/..%5cb", "-"},
                        {"/a/..\\b", "-"},
                        {"/a%2f..%2fb", "-"},
                        {"/a%2f../b", "-"},
                        {"/a%5c..", "-"},
                        {"/a\\..\\b", "-"},
                        {"/a/..;/b", "-"},
                        {"/a/..;x=y/b", "-"},
                        {"/a/.;/b", "-"},
                        {"/a/%2e%2e;/b", "-"},
                        {"/a%2f.%2fb", "-"},
                        {"/a/.%5cb", "-"},
                        {"/a/..%3bx/b", "-"},
                        {"/a%5c.%3B", "-"},
                        // and what only looks so
                        {"/a/...%2fb", "/a/...%2Fb"},
                        {"/a/x;../b", "/a/x;../b"},
                        {"/a..%2fb", "/a..%2Fb"},
                        {"/a/..b%2f", "/a/..b%2F"},
                        // never
                        {"", "-"},
                        {"a", "-"},
                        {"*", "-"},
                        {"/%00", "-"},
                        {"/a%00b", "-"},
                        {"/%", "-"},
                        {"/%2", "-"},
                        {"/%zz", "-"},
                        {"/%2g", "-"},
                        {"/a%", "-"},
                        {"/a#b", "-"},
                        {"/a b", "-"},
                        {"/a\tb", "-"},
                        {"/a\nb", "-"},
                        {"/caf\xc3\xa9", "-"},
                        {"/a\x7f", "-"},
                        {"/%u0041", "-"}})
    EXPECT_EQ(normal(c.path), c.made) << c.path;
}

TEST(NormalizePath, APathThatIsNormalIsGivenBackItself) {
  std::string scratch;
  for (const std::string_view path : {"/", "/a/b/c", "/a%20b", "/.well-known"})
    EXPECT_EQ(normalize_path(path, scratch)->data(), path.data());
}

TEST(QueryParameter, Table) {
  struct Case {
    const char *query, *name, *value;
  };
  for (const Case& c :
       {Case{"a=1", "a", "1"}, {"a=1&b=2", "b", "2"},   {"a=1&a=2", "a", "1"}, {"a", "a", ""},         {"a=", "a", ""},
        {"a&b=1", "b", "1"},   {"a=b=c", "a", "b=c"},   {"x=1", "a", "-"},     {"", "a", "-"},         {"&&a=1&", "a", "1"},
        {"a=b+c", "a", "b c"}, {"a=%41%2f", "a", "A/"}, {"%61=1", "a", "1"},   {"a+b=1", "a b", "1"},  {"a=%", "a", "%"},
        {"a=%4", "a", "%4"},   {"a=%zz", "a", "%zz"},   {"A=1", "a", "-"},     {"aa=1&a=2", "a", "2"}, {"a%00=1&a=2", "a", "2"},
        {"a=x%00y", "a", "x"}, {"a;b=1", "b", "-"}}) {
    std::string scratch;
    const auto made = query_parameter(c.query, c.name, scratch);
    if (std::string_view(c.query) == "a=x%00y") {
      EXPECT_EQ(made, std::string_view("x\0y", 3));
    } else {
      EXPECT_EQ(made.value_or("-"), c.value) << c.query;
    }
  }
}

TEST(CanonicalHost, IsLowerAndHasNoDotAtItsEnd) {
  EXPECT_EQ(canonical_host("Shop.EXAMPLE."), "shop.example");
  EXPECT_EQ(canonical_host("2001:DB8::1"), "2001:db8::1");
  EXPECT_EQ(canonical_host(""), "");
}

}  // namespace
}  // namespace fairlead::http
