#include "http/encode.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"
#include "http/parse_test_support.h"

namespace fairlead::http {
namespace {

Request get(std::string_view target = "/") {
  return {.method = "GET", .scheme = "http", .authority = "a:80", .target = target, .fields = {}};
}

std::string text_of(const Request& r, bool keep_alive = true, const Fields& extra = {}) {
  std::string out = "before|";
  put_request_head(out, r, keep_alive, extra);
  EXPECT_TRUE(out.starts_with("before|"));
  return out.substr(7);
}
std::string text_of(const Response& r, ResponseFraming framing = {true, false}, unsigned minor = 1, const Fields& extra = {}) {
  std::string out;
  put_response_head(out, r, framing, minor, extra);
  return out;
}

TEST(EncodeRequest, TheFramingIsOurs) {
  Request r = get("/a?b");
  r.fields.add("X-Zebra", "1");
  Fields extra;
  extra.add("Via", "x");
  EXPECT_EQ(text_of(r, true, extra), "GET /a?b HTTP/1.1\r\nHost: a:80\r\nX-Zebra: 1\r\nVia: x\r\n\r\n");
  EXPECT_EQ(text_of(get(), false), "GET / HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n");
  r = get();
  r.body = BodyLength::exact(0);
  EXPECT_EQ(text_of(r), "GET / HTTP/1.1\r\nHost: a:80\r\nContent-Length: 0\r\n\r\n");
  r.body = BodyLength::exact(UINT64_MAX);
  EXPECT_EQ(text_of(r), "GET / HTTP/1.1\r\nHost: a:80\r\nContent-Length: 18446744073709551615\r\n\r\n");
  r.body = BodyLength::unknown();
  r.expect_continue = true;
  EXPECT_EQ(text_of(r), "GET / HTTP/1.1\r\nHost: a:80\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
  r = get();
  r.upgrade = "websocket";
  EXPECT_EQ(text_of(r), "GET / HTTP/1.1\r\nHost: a:80\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(EncodeResponse, TheFramingIsOurs) {
  Response r{.status = 200, .reason = "Fine", .fields = {}, .body = BodyLength::exact(3), .upgrade = {}, .content_length = {}};
  r.fields.add("Server", "x");
  EXPECT_EQ(text_of(r), "HTTP/1.1 200 Fine\r\nServer: x\r\nContent-Length: 3\r\n\r\n");
  r.reason = {};
  r.body = BodyLength::unknown();
  r.fields.clear();
  EXPECT_EQ(text_of(r, {true, true}), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(text_of(r, {false, false}, 0), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  r.body = BodyLength::exact(1);
  EXPECT_EQ(text_of(r, {true, false}, 0), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n");
  r.status = 299;
  EXPECT_EQ(text_of(r), "HTTP/1.1 299 \r\nContent-Length: 1\r\n\r\n");
}

TEST(EncodeResponse, WithoutContent) {
  Response r{.status = 304, .reason = {}, .fields = {}, .body = {}, .upgrade = {}, .content_length = "12"};
  EXPECT_EQ(text_of(r), "HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n");
  r.status = 204;
  EXPECT_EQ(text_of(r), "HTTP/1.1 204 No Content\r\n\r\n") << "it may not have one (RFC 9110, 8.6)";
  r.status = 103;
  EXPECT_EQ(text_of(r, {false, true}), "HTTP/1.1 103 Early Hints\r\n\r\n");
  r.status = 101;
  r.upgrade = "websocket";
  EXPECT_EQ(text_of(r, {false, false}), "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(EncodeDeathTest, NobodyElsesHeadIsWritten) {
  for (const std::string_view evil :
       {std::string_view("a\r\nX: y"), std::string_view("a\nb"), std::string_view("a\rb"), std::string_view("a\0b", 3)}) {
    Request r = get();
    r.fields.add("X", evil);
    EXPECT_DEATH(text_of(r), "");
    r = get();
    r.fields.add(evil, "x");
    EXPECT_DEATH(text_of(r), "");
    r = get();
    r.method = evil;
    EXPECT_DEATH(text_of(r), "");
    r = get(evil);
    EXPECT_DEATH(text_of(r), "");
    r = get();
    r.authority = evil;
    EXPECT_DEATH(text_of(r), "");
    Response answer{.status = 200, .reason = evil, .fields = {}, .body = {}, .upgrade = {}, .content_length = {}};
    EXPECT_DEATH(text_of(answer), "");
  }
  EXPECT_DEATH(text_of(get("")), "");
  EXPECT_DEATH(text_of(get("/a b")), "");
}

TEST(Encode, ReasonsOfStatuses) {
  EXPECT_EQ(reason_phrase(404), "Not Found");
  EXPECT_EQ(reason_phrase(503), "Service Unavailable");
  EXPECT_EQ(reason_phrase(299), "");
}

std::string word(Random& random, std::string_view of, std::size_t least) {
  std::string made(least + random.below(20), '\0');
  for (char& c : made) c = of[random.below(of.size())];
  return made;
}

struct RandomFields {
  std::vector<std::string> texts;
  Fields fields;
  explicit RandomFields(Random& random) {
    texts.reserve(40);
    for (std::uint64_t n = random.below(20); n > 0; n--) {
      const std::string& name = texts.emplace_back("x" + word(random, "aZ-_!09'", 0));
      std::string value = word(random, "az09,;=\" \t\xe9", 0);
      value.erase(0, value.find_first_not_of(" \t"));
      value.erase(value.find_last_not_of(" \t") + 1);
      fields.add(name, texts.emplace_back(value));
    }
  }
};

TEST(Encode, WhatIsWrittenIsReadAsItWas) {
  Random random(11);
  for (int round = 0; round < 500; round++) {
    RandomFields some(random);
    const std::string method = word(random, "GETPOSTx-", 1), target = "/" + word(random, "ab/%20?&=.~", 0);
    Request r{.method = method, .scheme = {}, .authority = "shop.example:81", .target = target, .fields = some.fields};
    const auto kind = static_cast<BodyLength::Kind>(random.below(3));
    r.body = {kind, kind == BodyLength::Kind::exact ? random.below(1'000'000'000'000'000'000) : 0};
    r.expect_continue = kind != BodyLength::Kind::none && random.chance(0.3);
    if (random.chance(0.2)) r.upgrade = "websocket";
    const bool keep_alive = !r.upgrade.empty() || random.chance(0.5);
    const std::string text = text_of(r, keep_alive);

    RequestSeen seen = read_request(text);
    ASSERT_EQ(seen.refused, "") << text;
    EXPECT_EQ(seen.head().keep_alive, keep_alive);
    EXPECT_EQ(seen.head().chunked, kind == BodyLength::Kind::unknown);
    Request back = seen.head().request;
    strip_hop_by_hop(back.fields);
    EXPECT_EQ(back.method, r.method);
    EXPECT_EQ(back.authority, r.authority);
    EXPECT_EQ(back.target, r.target);
    EXPECT_EQ(back.fields, r.fields) << text;
    EXPECT_EQ(back.body, r.body);
    EXPECT_EQ(back.upgrade, r.upgrade);
    EXPECT_EQ(back.expect_continue, r.expect_continue);
    EXPECT_EQ(text_of(back, keep_alive), text) << "and written as it was";
  }
}

TEST(Encode, AnAnswerThatIsWrittenIsReadAsItWas) {
  Random random(12);
  for (int round = 0; round < 500; round++) {
    RandomFields some(random);
    constexpr unsigned kStatuses[] = {200, 204, 206, 301, 304, 404, 500, 599};
    const std::string reason = word(random, "ab \xe9", 1);
    Response r{
        .status = kStatuses[random.below(8)], .reason = reason, .fields = some.fields, .body = {}, .upgrade = {}, .content_length = {}};
    const bool content = r.status != 204 && r.status != 304;
    const bool exact = random.chance(0.5);
    if (content) r.body = exact ? BodyLength::exact(random.below(1'000'000)) : BodyLength::unknown();
    const bool chunked = content && !exact && random.chance(0.5);
    const bool until_close = content && !exact && !chunked;
    const bool keep_alive = !until_close && random.chance(0.5);
    const std::string text = text_of(r, {keep_alive, chunked});

    const ResponseSeen seen = read_response(text);
    ASSERT_EQ(seen.refused, "") << text;
    EXPECT_EQ(seen.head().keep_alive, keep_alive);
    EXPECT_EQ(seen.head().chunked, chunked);
    EXPECT_EQ(seen.head().until_close, until_close);
    Response back = seen.head().response;
    strip_hop_by_hop(back.fields);
    EXPECT_EQ(back.status, r.status);
    EXPECT_EQ(back.reason, r.reason);
    EXPECT_EQ(back.fields, r.fields);
    EXPECT_EQ(back.body, r.body);
  }
}

// Each pair of cuts of a head gives the same.
TEST(Encode, WhateverTheCuts) {
  const std::string text =
      "\r\nPUT http://a:1/x?y HTTP/1.1\r\nhost: a:1\r\nContent-Length:\t12 \r\nX:\r\nLong: " + std::string(30, 'v') + "\r\n\r\nrest";
  const std::size_t head = text.size() - 4;
  for (std::size_t i = 0; i <= text.size(); i++) {
    for (std::size_t j = i; j <= text.size(); j++) {
      const auto seen = detail::read_head<RequestParser>(text, {}, {i, j, text.size()},
                                                         [](RequestParser& p, std::string_view buffer) { return p.parse(buffer); });
      ASSERT_TRUE(seen.whole) << i << " " << j << seen.refused;
      ASSERT_EQ(seen.rest, "rest");
      ASSERT_GE(seen.after, head);
      const Request& r = seen.parser.head().request;
      ASSERT_EQ(lines(r.fields), "host: a:1|Content-Length: 12|X: |Long: " + std::string(30, 'v'));
      ASSERT_EQ(r.target, "/x?y");
      ASSERT_EQ(r.body, BodyLength::exact(12));
    }
  }
}

}  // namespace
}  // namespace fairlead::http
