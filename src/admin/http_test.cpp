#include "admin/http.h"

#include <gtest/gtest.h>

namespace fairlead::admin {
namespace {

TEST(AdminHttp, RequestIsReadAndWhatFollowsIsLeft) {
  const std::string_view text = "GET /v1/status?node=edge-a HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\nGET /next";
  const auto parsed = parse_request(text);
  ASSERT_TRUE(parsed && *parsed);
  EXPECT_EQ((*parsed)->request.path, "/v1/status");
  EXPECT_EQ((*parsed)->request.query, "node=edge-a");
  EXPECT_FALSE((*parsed)->request.head);
  EXPECT_TRUE((*parsed)->request.keep_alive);
  EXPECT_EQ(text.substr((*parsed)->size), "GET /next");
}

TEST(AdminHttp, EveryPrefixOfARequestNeedsMore) {
  const std::string_view text = "HEAD / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa4\r\n\r\n";
  for (std::size_t n = 0; n < text.size(); n++) {
    const auto parsed = parse_request(text.substr(0, n));
    ASSERT_TRUE(parsed) << n << ": " << parsed.error().message;
    EXPECT_FALSE(*parsed) << n;
  }
  const auto whole = parse_request(text);
  ASSERT_TRUE(whole && *whole);
  EXPECT_TRUE((*whole)->request.head);
}

TEST(AdminHttp, ConnectionIsKeptUnlessThePeerWantsOtherwise) {
  const auto kept = [](std::string_view text) { return parse_request(text).value().value().request.keep_alive; };
  EXPECT_TRUE(kept("GET / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n"));
  EXPECT_FALSE(kept("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  EXPECT_FALSE(kept("GET / HTTP/1.0\r\n\r\n"));
}

struct Malformed {
  const char* name;
  std::string text;
  int status;
};

class AdminHttpRefuses : public testing::TestWithParam<Malformed> {};

TEST_P(AdminHttpRefuses, WithItsStatus) {
  const auto parsed = parse_request(GetParam().text);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().status, GetParam().status) << parsed.error().message;
}

const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n";

INSTANTIATE_TEST_SUITE_P(Each, AdminHttpRefuses,
                         testing::Values(Malformed{"NoTarget", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400},                     //
                                         Malformed{"TwoSpaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},                 //
                                         Malformed{"Tab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},                       //
                                         Malformed{"SpaceInTarget", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},           //
                                         Malformed{"AbsoluteTarget", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},     //
                                         Malformed{"ControlInTarget", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},        //
                                         Malformed{"Http09", "GET /\r\n\r\n", 400},                                         //
                                         Malformed{"Http2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},                      //
                                         Malformed{"Http12", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},                     //
                                         Malformed{"LowerCaseVersion", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},           //
                                         Malformed{"Post", "POST / HTTP/1.1\r\nHost: a\r\n\r\n", 405},                      //
                                         Malformed{"LowerCaseMethod", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 405},            //
                                         Malformed{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},                                //
                                         Malformed{"TwoHosts", kGet + "host: b\r\n\r\n", 400},                              //
                                         Malformed{"BareLf", "GET / HTTP/1.1\nHost: a\n\n", 400},                           //
                                         Malformed{"BareLfInTheMiddle", kGet + "X: 1\nY: 2\r\n\r\n", 400},                  //
                                         Malformed{"BareCr", kGet + "X: 1\rY: 2\r\n\r\n", 400},                             //
                                         Malformed{"Nul", kGet + std::string("X: \0\r\n\r\n", 8), 400},                     //
                                         Malformed{"Folded", kGet + "X: 1\r\n 2\r\n\r\n", 400},                             //
                                         Malformed{"SpaceBeforeColon", kGet + "X : 1\r\n\r\n", 400},                        //
                                         Malformed{"NoColon", kGet + "X\r\n\r\n", 400},                                     //
                                         Malformed{"NoName", kGet + ": 1\r\n\r\n", 400},                                    //
                                         Malformed{"ControlInValue", kGet + "X: \x02\r\n\r\n", 400},                        //
                                         Malformed{"Body", kGet + "Content-Length: 1\r\n\r\nx", 413},                       //
                                         Malformed{"Chunked", kGet + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413}),  //
                         [](const auto& info) { return info.param.name; });

std::string with_fields(std::size_t count) {
  std::string text = kGet;
  for (std::size_t i = 1; i < count; i++) text += "X: 1\r\n";
  return text + "\r\n";
}
std::string of_size(std::size_t size) { return kGet + "X: " + std::string(size - kGet.size() - 7, 'x') + "\r\n\r\n"; }

TEST(AdminHttp, LimitsHoldExactly) {
  EXPECT_TRUE(parse_request(with_fields(kMaxFields)));
  ASSERT_FALSE(parse_request(with_fields(kMaxFields + 1)));
  EXPECT_EQ(parse_request(with_fields(kMaxFields + 1)).error().status, 431);
  ASSERT_EQ(of_size(kMaxHead).size(), kMaxHead);
  EXPECT_TRUE(parse_request(of_size(kMaxHead)));
  ASSERT_FALSE(parse_request(of_size(kMaxHead + 1)));
  EXPECT_EQ(parse_request(of_size(kMaxHead + 1)).error().status, 431);
}

TEST(AdminHttp, ResponseComesBackAsItWas) {
  const Response sent{.status = 503, .content_type = "application/json", .body = "{\"ready\":false}\n"};
  const auto got = parse_response(format_response(sent, false, false));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 503);
  EXPECT_EQ(got->content_type, "application/json");
  EXPECT_EQ(got->body, sent.body);
}

TEST(AdminHttp, HeadHasNoBodyButItsLength) {
  const std::string text = format_response({.body = "12345"}, true, true);
  EXPECT_TRUE(text.ends_with("\r\n\r\n"));
  EXPECT_NE(text.find("Content-Length: 5\r\n"), std::string::npos);
}

TEST(AdminHttp, WhatIsNoAnswerOfOursIsRefused) {
  for (const char* text :
       {"", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"})
    EXPECT_FALSE(parse_response(text)) << text;
}

TEST(AdminHttp, EveryPrefixOfAResponseIsAnError) {
  const std::string text = format_response({.body = "12345"}, false, false);
  for (std::size_t n = 0; n < text.size(); n++) EXPECT_FALSE(parse_response(text.substr(0, n))) << n;
}

}  // namespace
}  // namespace fairlead::admin
