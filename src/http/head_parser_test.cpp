#include "http/head_parser.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "http/parse_test_support.h"

namespace fairlead::http {
namespace {

using Kind = BodyLength::Kind;

TEST(RequestParser, PartsOfAHead) {
  const RequestSeen seen = read_request(
      "PATCH /a%20b?c=d HTTP/1.1\r\nHost: shop.example:8080\r\nX-Zebra:  1 \t\r\nx-apple:\r\nX-Zebra: caf\xe9\r\nContent-Length: "
      "7\r\n\r\nabcdefg");
  ASSERT_EQ(seen.refused, "");
  EXPECT_EQ(seen.rest, "abcdefg");
  const Request& r = seen.head().request;
  EXPECT_EQ(r.method, "PATCH");
  EXPECT_EQ(r.target, "/a%20b?c=d");
  EXPECT_EQ(r.authority, "shop.example:8080");
  EXPECT_EQ(r.scheme, "");
  EXPECT_EQ(r.body, BodyLength::exact(7));
  EXPECT_EQ(lines(r.fields), "Host: shop.example:8080|X-Zebra: 1|x-apple: |X-Zebra: caf\xe9|Content-Length: 7");
  EXPECT_TRUE(seen.head().keep_alive);
  EXPECT_EQ(seen.head().minor, 1u);
}

TEST(RequestParser, AnEmptyLineBeforeTheHeadIsPassedOver) {
  const RequestSeen seen = read_request("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(seen.refused, "");
  EXPECT_EQ(seen.head().request.method, "GET");
  EXPECT_EQ(seen.rest, "");
}

TEST(RequestParser, WhatFollowsIsLeftAlone) {
  const RequestSeen seen = read_request("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(seen.head().request.target, "/1");
  EXPECT_EQ(seen.rest, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(RequestParser, AParserIsUsedForOneHeadAfterTheOther) {
  RequestParser parser;
  const std::string first =
      "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: close, upgrade\r\nUpgrade: "
      "websocket\r\nExpect: 100-continue\r\n\r\n";
  const std::string second = "GET /2 HTTP/1.0\r\n\r\n";
  ASSERT_EQ(parser.parse(first).value(), first.size());
  EXPECT_TRUE(parser.head().chunked && parser.head().accepts_trailers && !parser.head().keep_alive);
  EXPECT_TRUE(parser.head().request.expect_continue);
  EXPECT_EQ(parser.head().request.upgrade, "websocket");
  parser.reset();
  ASSERT_EQ(parser.parse(second).value(), second.size());
  const RequestHead& head = parser.head();
  EXPECT_FALSE(head.chunked || head.accepts_trailers || head.keep_alive || head.absolute);
  EXPECT_FALSE(head.request.expect_continue);
  EXPECT_EQ(head.request.upgrade, "");
  EXPECT_EQ(head.request.authority, "");
  EXPECT_EQ(head.request.body, BodyLength::none());
  EXPECT_TRUE(head.request.fields.empty());
}

TEST(RequestParser, TheBufferMayMove) {
  const std::string text = "GET http://a/x HTTP/1.1\r\nHost: a\r\nOne: 1\r\nTwo: 2\r\n\r\n";
  RequestParser parser;
  for (std::size_t n = 0; n < text.size(); n++) {
    const auto copy = std::make_unique<std::string>(text.substr(0, n));
    ASSERT_EQ(parser.parse(*copy).value(), std::nullopt) << n;
  }
  for (int again = 0; again < 3; again++) {
    const auto copy = std::make_unique<std::string>(text);
    ASSERT_EQ(parser.parse(*copy).value(), text.size());
    EXPECT_EQ(lines(parser.head().request.fields), "Host: a|One: 1|Two: 2");
    EXPECT_EQ(parser.head().request.target, "/x");
    EXPECT_EQ(parser.head().request.authority, "a");
  }
}

TEST(RequestParser, TargetsInTheirFourForms) {
  struct Case {
    const char *line, *host, *target, *authority, *scheme;
    bool absolute;
  };
  for (const Case& c : {Case{"GET /a", "h", "/a", "h", "", false}, Case{"OPTIONS *", "h", "*", "h", "", false},
                        Case{"GET http://h/a?b", "h", "/a?b", "h", "http", true},
                        Case{"GET HTTPS://H:1/", "h:1", "/", "H:1", "HTTPS", true}, Case{"GET http://h", "h", "/", "h", "http", true},
                        Case{"OPTIONS http://h", "h", "*", "h", "http", true}, Case{"OPTIONS http://h/", "h", "/", "h", "http", true},
                        Case{"GET //a//b", "h", "//a//b", "h", "", false}, Case{"GET /a?http://x", "h", "/a?http://x", "h", "", false},
                        Case{"GET http://[::1]:80/a", "[::1]:80", "/a", "[::1]:80", "http", true}}) {
    const RequestSeen seen = read_request(std::string(c.line) + " HTTP/1.1\r\nHost: " + c.host + "\r\n\r\n");
    ASSERT_EQ(seen.refused, "") << c.line;
    EXPECT_EQ(seen.head().request.target, c.target) << c.line;
    EXPECT_EQ(seen.head().request.authority, c.authority) << c.line;
    EXPECT_EQ(seen.head().request.scheme, c.scheme) << c.line;
    EXPECT_EQ(seen.head().absolute, c.absolute) << c.line;
  }
}

TEST(RequestParser, WhetherTheConnectionIsKept) {
  struct Case {
    int minor;
    const char* fields;
    bool kept;
  };
  for (const Case& c :
       {Case{1, "", true}, Case{1, "Connection: close\r\n", false}, Case{1, "Connection: keep-alive, Close\r\n", false},
        Case{1, "Connection: x\r\nConnection: close\r\n", false}, Case{0, "", false}, Case{0, "Connection: Keep-Alive\r\n", true},
        Case{0, "Connection: keep-alive, close\r\n", false}, Case{1, "Connection: \"close\"\r\n", true}}) {
    const RequestSeen seen = read_request("GET / HTTP/1." + std::to_string(c.minor) + "\r\nHost: a\r\n" + c.fields + "\r\n");
    ASSERT_EQ(seen.refused, "") << c.fields;
    EXPECT_EQ(seen.head().keep_alive, c.kept) << c.minor << c.fields;
  }
}

TEST(RequestParser, AnUpgradeIsForHttp11AndNamedByConnection) {
  struct Case {
    int minor;
    const char *fields, *protocol;
  };
  for (const Case& c :
       {Case{1, "Connection: Upgrade\r\nUpgrade: websocket\r\n", "websocket"}, Case{1, "Upgrade: websocket\r\n", ""},
        Case{0, "Connection: Upgrade\r\nUpgrade: websocket\r\n", ""}, Case{1, "Connection: upgrade\r\n", ""},
        Case{1, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", ""},
        Case{1, "Connection: keep-alive, upgrade\r\nUpgrade: H2C, websocket\r\n", "websocket"},
        Case{1, "Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: foo/2.1\r\n", "foo/2.1"},
        Case{1, "Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n", ""}, Case{1, "Connection: upgrade\r\nUpgrade: a b, c\r\n", "c"}}) {
    const RequestSeen seen = read_request("GET / HTTP/1." + std::to_string(c.minor) + "\r\nHost: a\r\n" + c.fields + "\r\n");
    ASSERT_EQ(seen.refused, "") << c.fields;
    EXPECT_EQ(seen.head().request.upgrade, c.protocol) << c.minor << c.fields;
  }
}

TEST(RequestParser, WhoWaitsFor100HasContentAndHttp11) {
  EXPECT_TRUE(
      read_request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n").head().request.expect_continue);
  EXPECT_FALSE(read_request("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n").head().request.expect_continue);
  EXPECT_FALSE(
      read_request("POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").head().request.expect_continue);
}

TEST(RequestParser, LimitsHoldAndOneMoreIsRefused) {
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ", end = "\r\n\r\n";
  const HeadLimits limits{.size = 1000, .fields = 3, .target = 100};
  const std::string fits = start + std::string(1000 - start.size() - end.size(), 'x') + end;
  EXPECT_EQ(read_request(fits, limits).refused, "");
  EXPECT_EQ(read_request(start + std::string(1001 - start.size() - end.size(), 'x') + end, limits).refused, "431 head-too-large");

  EXPECT_EQ(read_request("GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\n\r\n", limits).refused, "");
  EXPECT_EQ(read_request("GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\nC", limits).refused, "431 too-many-fields");

  EXPECT_EQ(read_request("GET /" + std::string(99, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", limits).refused, "");
  EXPECT_EQ(read_request("GET /" + std::string(100, 'a') + " HTTP/1.1\r\n", limits).refused, "414 target-too-long");
  EXPECT_EQ(read_request("GET /" + std::string(200, 'a'), limits).refused, "414 target-too-long") << "before its end is there";

  EXPECT_EQ(read_request(std::string(kLongestMethod, 'M') + " / HTTP/1.1\r\nHost: a\r\n\r\n").refused, "");
  EXPECT_EQ(read_request(std::string(kLongestMethod + 1, 'M') + " / HTTP/1.1\r\n").refused, "501 unknown-method");
}

TEST(ResponseParser, PartsOfAHead) {
  const ResponseSeen seen = read_response("HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Length: 3\r\n\r\nabc");
  ASSERT_EQ(seen.refused, "");
  EXPECT_EQ(seen.head().response.status, 404u);
  EXPECT_EQ(seen.head().response.reason, "Not Found");
  EXPECT_EQ(seen.head().response.body, BodyLength::exact(3));
  EXPECT_EQ(lines(seen.head().response.fields), "Server: x|Content-Length: 3");
  EXPECT_EQ(seen.rest, "abc");
}

TEST(ResponseParser, AReasonMayBeMissing) {
  for (const char* line : {"HTTP/1.1 200", "HTTP/1.1 200 "}) {
    const ResponseSeen seen = read_response(std::string(line) + "\r\nContent-Length: 0\r\n\r\n");
    ASSERT_EQ(seen.refused, "") << line;
    EXPECT_EQ(seen.head().response.reason, "");
  }
  EXPECT_EQ(read_response("HTTP/1.1 200 caf\xe9\tau lait\r\n\r\n").head().response.reason, "caf\xe9\tau lait");
}

TEST(ResponseParser, WhereTheContentEnds) {
  struct Case {
    const char *method, *head;
    BodyLength body;
    bool chunked, until_close, kept;
    const char* content_length = "";
  };
  for (const Case& c :
       {Case{"GET", "1.1 200\r\nContent-Length: 5", BodyLength::exact(5), false, false, true, "5"},
        Case{"GET", "1.1 200\r\nTransfer-Encoding: chunked", BodyLength::unknown(), true, false, true},
        Case{"GET", "1.1 200\r\nA: b", BodyLength::unknown(), false, true, false},
        Case{"GET", "1.0 200\r\nA: b", BodyLength::unknown(), false, true, false},
        Case{"GET", "1.0 200\r\nContent-Length: 5", BodyLength::exact(5), false, false, false, "5"},
        Case{"GET", "1.0 200\r\nContent-Length: 5\r\nConnection: keep-alive", BodyLength::exact(5), false, false, true, "5"},
        Case{"HEAD", "1.1 200\r\nContent-Length: 5", BodyLength::none(), false, false, true, "5"},
        Case{"HEAD", "1.1 200\r\nTransfer-Encoding: chunked", BodyLength::none(), false, false, true},
        Case{"HEAD", "1.1 200\r\nA: b", BodyLength::none(), false, false, true},
        Case{"GET", "1.1 304\r\nContent-Length: 5", BodyLength::none(), false, false, true, "5"},
        Case{"GET", "1.1 204\r\nA: b", BodyLength::none(), false, false, true},
        Case{"GET", "1.1 204\r\nContent-Length: 0", BodyLength::none(), false, false, true, "0"},
        Case{"GET", "1.1 204\r\nContent-Length: 5", BodyLength::none(), false, false, false, "5"},
        Case{"GET", "1.1 204\r\nTransfer-Encoding: chunked", BodyLength::none(), false, false, false},
        Case{"GET", "1.1 100\r\nA: b", BodyLength::none(), false, false, true},
        Case{"GET", "1.1 103\r\nLink: x", BodyLength::none(), false, false, true},
        Case{"GET", "1.1 200\r\nContent-Length: 5\r\nConnection: close", BodyLength::exact(5), false, false, false, "5"}}) {
    const ResponseSeen seen = read_response("HTTP/" + std::string(c.head) + "\r\n\r\n", c.method);
    ASSERT_EQ(seen.refused, "") << c.head;
    EXPECT_EQ(seen.head().response.body, c.body) << c.method << " " << c.head;
    EXPECT_EQ(seen.head().chunked, c.chunked) << c.method << " " << c.head;
    EXPECT_EQ(seen.head().until_close, c.until_close) << c.method << " " << c.head;
    EXPECT_EQ(seen.head().keep_alive, c.kept) << c.method << " " << c.head;
    EXPECT_EQ(seen.head().response.content_length, c.content_length) << c.method << " " << c.head;
  }
}

TEST(ResponseParser, A101NamesItsProtocol) {
  const ResponseSeen seen =
      read_response("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi");
  ASSERT_EQ(seen.refused, "");
  EXPECT_EQ(seen.head().response.upgrade, "websocket");
  EXPECT_EQ(seen.rest, "\x81\x02hi");
}

}  // namespace
}  // namespace fairlead::http
