#include "wire/udp_message.h"

#include <gtest/gtest.h>

#include "fairlead/v1/udp.pb.h"
#include "wire/datagram.h"

namespace fairlead::wire {
namespace {

TEST(UdpMessage, IsWhatTheGeneratedClassReadsAndWrites) {
  for (const UdpOpen& open : {UdpOpen{}, UdpOpen{.idle = 60s}, UdpOpen{.idle = 1ms, .large_in_stream = true}}) {
    fairlead::v1::UdpOpen message;
    ASSERT_TRUE(message.ParseFromString(encode(open)));
    EXPECT_EQ(std::chrono::milliseconds(message.idle_ms()), open.idle);
    EXPECT_EQ(message.large_in_stream(), open.large_in_stream);
    auto back = decode_udp_open(message.SerializeAsString());
    ASSERT_TRUE(back) << back.error().describe();
    EXPECT_EQ(*back, open);
  }
}

TEST(UdpMessage, MillisecondsAreRoundedUpSoThatNoLimitIsNotMeant) { EXPECT_EQ(decode_udp_open(encode({.idle = 1us}))->idle, 1ms); }

TEST(UdpMessage, WhatCannotBeIsRefused) {
  for (std::string_view head : {std::string_view("\x08"), std::string_view("\x0a\x01x"), std::string_view("\x08\xff\xff\xff\xff\x1f")})
    EXPECT_EQ(decode_udp_open(head).error().code(), Code::invalid) << to_hex(as_bytes(head));
  EXPECT_TRUE(decode_udp_open("\x18\x05")) << "a field of a later version";
}

TEST(FlowDatagram, AHeadThatIsNotWholeIsNone) {
  EXPECT_FALSE(get_flow_datagram({}));
  EXPECT_FALSE(get_flow_datagram(as_bytes("\xc0\x01")));
  auto lone = get_flow_datagram(as_bytes("\x05"));
  ASSERT_TRUE(lone);
  EXPECT_EQ(lone->flow, 5u);
  EXPECT_TRUE(lone->payload.empty());
  EXPECT_EQ(as_text(get_flow_datagram(as_bytes(std::string_view("\x44\x00hello", 7)))->payload), "hello");
}

}  // namespace
}  // namespace fairlead::wire
