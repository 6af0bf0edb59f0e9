#include "net/proxy_protocol.h"

#include <gtest/gtest.h>

#include <vector>

namespace fairlead::net {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};
SocketAddress at(const char* text) { return SocketAddress::parse(text).value(); }

std::string v2(char command, char family, std::string_view body) {
  std::string text(kSignature);
  text += command;
  text += family;
  text += static_cast<char>(body.size() >> 8);
  text += static_cast<char>(body.size() & 0xff);
  return text.append(body);
}
constexpr std::string_view kFour{"\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x01\xbb", 12};
std::string six() {
  return std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x01" + "\x20\x01\x0d\xb8" + std::string(11, '\0') +
         "\x02\x30\x39\x01\xbb";
}

struct Good {
  std::string text;
  bool local;
  const char* source;
  const char* destination;
};
std::vector<Good> good() {
  return {
      {"PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n", false, "192.0.2.1:12345", "198.51.100.2:443"},
      {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", false, "255.255.255.255:65535", "255.255.255.255:65535"},
      {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", false, "0.0.0.0:0", "0.0.0.0:0"},
      {"PROXY TCP6 2001:db8::1 2001:db8::2 12345 443\r\n", false, "[2001:db8::1]:12345", "[2001:db8::2]:443"},
      {"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", false, "192.0.2.1:1", "[::1]:2"},
      {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", false,
       "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
      {"PROXY UNKNOWN\r\n", true, "0.0.0.0:0", "0.0.0.0:0"},
      {"PROXY UNKNOWN ffff:f...f:ffff anything at all 65535\r\n", true, "0.0.0.0:0", "0.0.0.0:0"},
      {v2('\x21', '\x11', kFour), false, "192.0.2.1:12345", "198.51.100.2:443"},
      {v2('\x21', '\x21', six()), false, "[2001:db8::1]:12345", "[2001:db8::2]:443"},
      {v2('\x21', '\x11', std::string(kFour).append("\x02\x00\x03xyz\x04\x00\x00"sv)), false, "192.0.2.1:12345", "198.51.100.2:443"},
      {v2('\x20', '\x00', ""), true, "0.0.0.0:0", "0.0.0.0:0"},
      {v2('\x20', '\x11', kFour), true, "0.0.0.0:0", "0.0.0.0:0"},
      {v2('\x20', '\x11', "not looked at"), true, "0.0.0.0:0", "0.0.0.0:0"},
      {v2('\x21', '\x00', "abc"), true, "0.0.0.0:0", "0.0.0.0:0"},
      {v2('\x21', '\x31', std::string(216, 'u')), true, "0.0.0.0:0", "0.0.0.0:0"},
      {v2('\x21', '\x12', kFour), true, "0.0.0.0:0", "0.0.0.0:0"},
  };
}

TEST(ProxyProtocol, AHeaderIsReadHoweverItIsCut) {
  for (const Good& c : good()) {
    const std::string text = c.text + "GET / HTTP/1.1\r\n";
    for (std::size_t n = 0; n < c.text.size(); n++) {
      auto part = parse_proxy_header(as_bytes(text).first(n));
      ASSERT_TRUE(part) << c.text << " " << n << ": " << part.error().describe();
      EXPECT_FALSE(*part) << c.text << " " << n;
    }
    for (std::size_t n = c.text.size(); n <= text.size(); n++) {
      auto whole = parse_proxy_header(as_bytes(text).first(n));
      ASSERT_TRUE(whole && *whole) << c.text;
      EXPECT_EQ((*whole)->size, c.text.size());
      EXPECT_EQ((*whole)->header.local, c.local) << c.text;
      EXPECT_EQ((*whole)->header.source.to_text(), c.source);
      EXPECT_EQ((*whole)->header.destination.to_text(), c.destination);
    }
  }
}

TEST(ProxyProtocol, WhatIsMalformedIsRefused) {
  const std::string long_line = "PROXY UNKNOWN " + std::string(kMaxProxyHeader, 'x');
  const std::string_view bad[] = {
      "GET / HTTP/1.1\r\n",
      "\x16\x03\x01",
      "proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1  2\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2\r\n",
      "PROXY TCP4\r\n",
      "PROXY \r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\rx",
      "PROXY TCP4 192.0.2.1\t198.51.100.2 1 2\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\0\r\n"sv,
      "PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 0x2\r\n",
      "PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n",
      "PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n",
      "PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n",
      "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
      "PROXY TCP4 ::ffff:192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY TCP6 2001:db8::1 198.51.100.2 1 2\r\n",
      "PROXY TCP6 2001:db8:::1 2001:db8::2 1 2\r\n",
      "PROXY TCP6 [2001:db8::1] 2001:db8::2 1 2\r\n",
      "PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n",
      "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY UNKNOWNX\r\n",
      "PROXY unknown\r\n",
      long_line,
      "\r\n\r\n\0\r\nQUIT\r"sv,
  };
  for (std::string_view text : bad) {
    auto parsed = parse_proxy_header(as_bytes(text));
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), Code::invalid) << text;
  }
  const std::string four(kFour);
  const std::string binary[] = {
      v2('\x11', '\x11', four),                                    // version 1
      v2('\x31', '\x11', four),                                    // version 3
      v2('\x22', '\x11', four),                                    // an unknown command
      v2('\x21', '\x41', four),                                    // an unknown family
      v2('\x21', '\x13', four),                                    // an unknown protocol
      v2('\x20', '\x13', four),                                    // for LOCAL too
      v2('\x21', '\x11', kFour.substr(1)),                         // addresses cut off
      v2('\x21', '\x11', ""),                                      //
      v2('\x21', '\x21', four),                                    // IPv4 where IPv6 is announced
      v2('\x21', '\x11', four + "\x04"),                           // an extension without its head
      v2('\x21', '\x11', four + std::string("\x04\x00", 2)),       //
      v2('\x21', '\x11', four + std::string("\x04\x00\x02x", 4)),  // longer than the header
      v2('\x21', '\x11', four + std::string("\x04\xff\xffx", 4)),  //
  };
  for (const std::string& text : binary) {
    auto parsed = parse_proxy_header(as_bytes(text));
    ASSERT_FALSE(parsed) << to_hex(as_bytes(text));
    EXPECT_EQ(parsed.error().code(), Code::invalid);
  }
}

TEST(ProxyProtocol, LimitsHold) {
  // 107 bytes with the end of the line: the longest that version 1 has.
  const std::string line = "PROXY UNKNOWN " + std::string(91, 'x') + "\r\n";
  ASSERT_EQ(line.size(), 107u);
  EXPECT_TRUE(parse_proxy_header(as_bytes(line)).value());
  const std::string over = "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n";
  EXPECT_FALSE(parse_proxy_header(as_bytes(over)));
  EXPECT_FALSE(parse_proxy_header(as_bytes(over).first(107)));
  EXPECT_FALSE(parse_proxy_header(as_bytes(over).first(106)).value());

  const auto filled = [](std::size_t size) { return v2('\x20', '\x00', std::string(size - 16, 'x')); };
  EXPECT_TRUE(parse_proxy_header(as_bytes(filled(kMaxProxyHeader))).value());
  EXPECT_FALSE(parse_proxy_header(as_bytes(filled(kMaxProxyHeader + 1))));
  // It is refused as soon as its size is known.
  EXPECT_FALSE(parse_proxy_header(as_bytes(filled(kMaxProxyHeader + 1)).first(16)));
}

TEST(ProxyProtocol, WhatIsMadeIsReadBack) {
  const char* const addresses[] = {"192.0.2.1:1", "203.0.113.255:65535", "[2001:db8::1]:80", "[::1]:443"};
  for (unsigned version : {1u, 2u})
    for (const char* source : addresses)
      for (const char* destination : addresses) {
        const std::string made = make_proxy_header(version, at(source), at(destination));
        auto parsed = parse_proxy_header(as_bytes(made));
        ASSERT_TRUE(parsed && *parsed) << made;
        EXPECT_EQ((*parsed)->size, made.size());
        EXPECT_FALSE((*parsed)->header.local);
        EXPECT_EQ((*parsed)->header.source, at(source));
        EXPECT_EQ((*parsed)->header.destination, at(destination));
      }
  EXPECT_EQ(make_proxy_header(1, at("192.0.2.1:12345"), at("198.51.100.2:443")), "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n");
  EXPECT_EQ(make_proxy_header(1, at("192.0.2.1:1"), at("[::1]:2")), "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n");
  EXPECT_EQ(make_proxy_header(2, at("192.0.2.1:12345"), at("198.51.100.2:443")), v2('\x21', '\x11', kFour));
}

}  // namespace
}  // namespace fairlead::net
