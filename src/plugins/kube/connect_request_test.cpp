#include "plugins/kube/connect_request.h"

#include <gtest/gtest.h>

namespace fairlead::kube_plugin {
namespace {

// The status of the refusal, or 0 when the head is whole, or 1 when more is needed; fed byte by byte, and at once.
unsigned status_of(std::string_view text) {
  ConnectReader whole, pieces;
  const auto at_once = whole.feed(text);
  std::expected<std::size_t, ConnectReader::Refusal> one = 0;
  for (std::size_t i = 0; i < text.size() && one && !pieces.done(); i++) one = pieces.feed(text.substr(i, 1));
  EXPECT_EQ(at_once.has_value(), one.has_value()) << text;
  if (!at_once) {
    EXPECT_EQ(at_once.error().status, one.error().status);
    return at_once.error().status;
  }
  EXPECT_EQ(whole.done(), pieces.done());
  return whole.done() ? 0 : 1;
}

TEST(ConnectReader, ReadsWhatTheApiServerSends) {
  ConnectReader reader;
  constexpr std::string_view kHead = "CONNECT 10.90.1.2:10250 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  const auto taken = reader.feed(std::string(kHead) + "\x16\x03\x01");
  ASSERT_TRUE(taken);
  EXPECT_EQ(*taken, kHead.size()) << "what follows is the tunnel's";
  ASSERT_TRUE(reader.done());
  EXPECT_EQ(reader.target().host, "10.90.1.2");
  EXPECT_EQ(reader.target().port, 10250);
}

TEST(ConnectReader, TheTargetDecidesAndNotHost) {
  ConnectReader reader;
  ASSERT_TRUE(reader.feed("CONNECT Edge-A:10250 HTTP/1.1\r\nHost: edge-b:10250\r\nhost: edge-c\r\n\r\n"));
  ASSERT_TRUE(reader.done());
  EXPECT_EQ(reader.target().host, "edge-a");
}

TEST(ConnectReader, IPv6TargetsLoseTheirBrackets) {
  ConnectReader reader;
  ASSERT_TRUE(reader.feed("CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(reader.target().host, "2001:db8::1");
}

TEST(ConnectReader, WhatIsNoConnectIsRefusedAsSoonAsItIsSeen) {
  EXPECT_EQ(status_of("\x16\x03\x01\x02"), 400u) << "TLS";
  EXPECT_EQ(status_of("PRI * HTTP/2.0\r\n"), 505u);
  EXPECT_EQ(status_of("GET"), 405u);
  EXPECT_EQ(status_of("GET http://x/ HTTP/1.1\r\n"), 405u);
  EXPECT_EQ(status_of("connect a:1 HTTP/1.1\r\n"), 405u) << "methods have case";
  EXPECT_EQ(status_of("CONNECT a:1 HTTP/2.0\r\n"), 505u);
  EXPECT_EQ(status_of("CONNECT a:1\r\n"), 400u);
  EXPECT_EQ(status_of("CONNECT a HTTP/1.1\r\n"), 400u) << "no port";
  EXPECT_EQ(status_of("CONNECT a: HTTP/1.1\r\n"), 400u);
  EXPECT_EQ(status_of("CONNECT a:0 HTTP/1.1\r\n"), 400u);
  EXPECT_EQ(status_of("CONNECT a:65536 HTTP/1.1\r\n"), 400u);
  EXPECT_EQ(status_of("CONNECT :1 HTTP/1.1\r\n"), 400u);
  EXPECT_EQ(status_of("CONNECT me@a:1 HTTP/1.1\r\n"), 400u);
  EXPECT_EQ(status_of("CONNECT http://a:1/ HTTP/1.1\r\n"), 400u);
  EXPECT_EQ(status_of("CONNECT a:1 HTTP/1.1\n"), 400u) << "a bare LF";
  EXPECT_EQ(status_of("CONNECT a:1 HTTP/1.1\r\n folded: x\r\n"), 400u);
  EXPECT_EQ(status_of("CONNECT a:1 HTTP/1.1\r\nname : x\r\n"), 400u);
  EXPECT_EQ(status_of("CONNECT a:1 HTTP/1.1\r\nname: x\ry"), 400u);
  EXPECT_EQ(status_of(std::string_view("CONNECT a:1 HTTP/1.1\r\nname: \0\r\n", 31)), 400u);
  EXPECT_EQ(status_of("CONNECT a:1 HTTP/1.1\r\n"), 1u);
  EXPECT_EQ(status_of("CONNECT a:1 HTTP/1.0\r\nname:\r\n\r\n"), 0u);
}

TEST(ConnectReader, TheFirstLineIsReadToItsLimitAndNotOnePast) {
  const auto line = [](std::size_t size) { return "CONNECT " + std::string(size - 8, 'a'); };
  EXPECT_EQ(status_of(line(ConnectReader::kMaxLine)), 1u);
  EXPECT_EQ(status_of(line(ConnectReader::kMaxLine + 1)), 414u);
}

TEST(ConnectReader, AHeadIsReadToItsLimitAndNotOnePast) {
  std::string head = "CONNECT a:1 HTTP/1.1\r\nx: ";
  head += std::string(ConnectReader::kMaxHead - head.size() - 4, 'y') + "\r\n\r\n";
  ASSERT_EQ(head.size(), ConnectReader::kMaxHead);
  ConnectReader fits, does_not;
  EXPECT_EQ(fits.feed(head).value(), head.size());
  EXPECT_TRUE(fits.done());
  head.insert(head.size() - 4, "y");
  EXPECT_EQ(does_not.feed(head).error().status, 431u);
}

}  // namespace
}  // namespace fairlead::kube_plugin
