#include "route/request_key.h"

#include <gtest/gtest.h>

#include "route/balancer.h"
#include "route/endpoint_token.h"
#include "route/keyed_hash.h"

namespace fairlead::route {
namespace {

TEST(StripNode, WhatIsSentOnBeginsBehindTheNode) {
  struct Case {
    unsigned segment;
    const char *path, *rest;
  };
  for (const Case& c : std::initializer_list<Case>{
           {1, "/a/x/y", "/x/y"},
           {1, "/a/", "/"},
           {1, "/a", "/"},
           {2, "/nodes/a/x", "/x"},
           {2, "/nodes/a", "/"},
           {2, "/nodes", "/nodes"},
           {2, "/nodes/", "/nodes/"},
           {1, "/", "/"},
           {1, "*", "*"},
           {1, "", ""},
       }) {
    Backend backend;
    backend.node_from = NodeFrom{.index = c.segment, .header = "", .strip = true};
    EXPECT_EQ(strip_node(backend, c.path), c.rest) << c.path;
    backend.node_from->strip = false;
    EXPECT_EQ(strip_node(backend, c.path), c.path);
    backend.node_from.reset();
    EXPECT_EQ(strip_node(backend, c.path), c.path);
  }
}

TEST(CookieIn, FindsTheFirstOfThatName) {
  http::Fields fields;
  fields.add("Cookie", "a=1; bb=2;  b=3; b=4; empty=");
  fields.add("X", "b=0");
  fields.add("cookie", "c=5");
  EXPECT_EQ(cookie_in(fields, "a"), "1");
  EXPECT_EQ(cookie_in(fields, "b"), "3");
  EXPECT_EQ(cookie_in(fields, "c"), "5");
  EXPECT_EQ(cookie_in(fields, "empty"), "");
  EXPECT_EQ(cookie_in(fields, "d"), "");
}

TEST(EndpointToken, IsReadAsItWasWritten) {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0x123456789abcdef0}, UINT64_MAX}) {
    const std::string text = to_text(EndpointToken(value));
    EXPECT_EQ(text.size(), kTokenSize);
    EXPECT_EQ(parse_endpoint_token(text), EndpointToken(value));
  }
  EXPECT_FALSE(parse_endpoint_token(""));
  EXPECT_FALSE(parse_endpoint_token("AAAAAAAAAAAA"));
  EXPECT_FALSE(parse_endpoint_token("AAAAAAAAAA="));
  EXPECT_FALSE(parse_endpoint_token(std::string(11, '_'))) << "66 bits";
}

// The vectors of the SipHash paper: the key is 00 01 .. 0f, the text 00 01 02 ...
TEST(KeyedHash, IsSipHash24) {
  const HashKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string text;
  EXPECT_EQ(keyed_hash(key, text), 0x726fdb47dd0e0e31u);
  for (char c = 0; c < 15; c++) text += c;
  EXPECT_EQ(keyed_hash(key, text), 0xa129ca6149be45e5u);
}

}  // namespace
}  // namespace fairlead::route
