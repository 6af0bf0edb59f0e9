#include <gtest/gtest.h>

#include "base/random.h"
#include "wire/message.h"

namespace fairlead::wire {
namespace {

Bytes body_of(const std::vector<std::byte>& frame) { return get_frame(frame).value().value().body; }

TEST(Varint, RoundTripsAtEachEdge) {
  for (std::uint64_t value : {0ULL, 63ULL, 64ULL, 16383ULL, 16384ULL, (1ULL << 30) - 1, 1ULL << 30, (1ULL << 62) - 1}) {
    std::array<std::byte, kMaxLength> bytes;
    const std::size_t size = put_varint(bytes, value);
    auto back = get_varint(Bytes(bytes).first(size));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->value, value);
    EXPECT_EQ(back->size, size);
    EXPECT_FALSE(get_varint(Bytes(bytes).first(size - 1)));
  }
}

TEST(Frame, IsWholeOrNotThere) {
  const std::vector<std::byte> frame = encode(FlowOpen{.plugin = "tcp", .target = "127.0.0.1:80"});
  for (std::size_t n = 0; n < frame.size(); n++) EXPECT_FALSE(get_frame(Bytes(frame).first(n)).value()) << n;
  EXPECT_EQ(get_frame(frame).value()->size, frame.size());
}

TEST(Frame, OverTheLimitIsRefusedBeforeItsBodyComes) {
  std::array<std::byte, kMaxLength> length;
  std::size_t size = put_varint(length, kMaxFrame);
  EXPECT_FALSE(get_frame(Bytes(length).first(size)).value().has_value());
  size = put_varint(length, kMaxFrame + 1);
  EXPECT_EQ(get_frame(Bytes(length).first(size)).error().code(), Code::too_large);
}

TEST(Message, EachKindRoundTrips) {
  Hello hello{
      .features = {"plugin/tcp"}, .node = "edge-a", .boot_id = BootId(7), .labels = {{"site", "berlin"}}, .unix_ms = 5, .software = "x"};
  Hello hello_back = decode_hello(body_of(encode(hello))).value();
  EXPECT_EQ(hello_back.features, hello.features);
  EXPECT_EQ(hello_back.node, hello.node);
  EXPECT_EQ(hello_back.boot_id, hello.boot_id);
  EXPECT_EQ(hello_back.labels, hello.labels);

  HelloReply reply{.version = 1, .replica_address = "a:1", .code = SessionCode::superseded, .message = "m"};
  HelloReply reply_back = decode_hello_reply(body_of(encode(reply))).value();
  EXPECT_EQ(reply_back.code, reply.code);
  EXPECT_EQ(reply_back.replica_address, reply.replica_address);

  Control drain{.kind = Control::Kind::drain, .drain_remaining = 1500ms, .drain_reason = "r"};
  Control drain_back = decode_control(body_of(encode(drain))).value();
  EXPECT_EQ(drain_back.kind, Control::Kind::drain);
  EXPECT_EQ(drain_back.drain_remaining, 1500ms);

  FlowOpen open{.plugin = "tcp",
                .backend = "default/shop",
                .target = "127.0.0.1:80",
                .traffic_class = TrafficClass::bulk,
                .remaining = 1ms + 1ns,
                .traceparent = "t",
                .head = std::string("\0\xff", 2),
                .source = "1.2.3.4:5"};
  FlowOpen open_back = decode_flow_open(body_of(encode(open))).value();
  EXPECT_EQ(open_back.target, open.target);
  EXPECT_EQ(open_back.head, open.head);
  EXPECT_EQ(open_back.remaining, 2ms) << "remaining time is rounded up: a deadline never becomes none";
  EXPECT_EQ(open_back.traffic_class, open.traffic_class);

  FlowReply refused{.code = FlowCode::forbidden, .delivered = Delivered::maybe, .message = "no"};
  FlowReply refused_back = decode_flow_reply(body_of(encode(refused))).value();
  EXPECT_EQ(refused_back.code, refused.code);
  EXPECT_EQ(refused_back.delivered, refused.delivered);
}

TEST(Message, LimitsAreKeptAtTheLimitAndOnePast) {
  Hello hello{.node = "a"};
  for (std::size_t i = 0; i < kMaxLabels; i++) hello.labels["k" + std::to_string(i)] = "v";
  EXPECT_TRUE(decode_hello(body_of(encode(hello))));
  hello.labels["one"] = "more";
  EXPECT_EQ(decode_hello(body_of(encode(hello))).error().code(), Code::too_large);

  FlowOpen open{.plugin = "tcp", .backend = std::string(kMaxName, 'b')};
  EXPECT_TRUE(decode_flow_open(body_of(encode(open))));
  open.backend += 'b';
  EXPECT_EQ(decode_flow_open(body_of(encode(open))).error().code(), Code::too_large);
}

TEST(Message, WhatCannotBeIsRefused) {
  EXPECT_FALSE(decode_flow_open({})) << "no plug-in";
  EXPECT_FALSE(decode_hello(body_of(encode(Hello{.version_min = 2, .version_max = 1}))));
  EXPECT_FALSE(decode_flow_open(as_bytes("\x0a\xff")));
  EXPECT_FALSE(decode_flow_open(as_bytes("\x0a\x02\xff\xfe"))) << "text that is not UTF-8";
}

TEST(Message, ACodeOfALaterVersionBecomesACarefulOne) {
  EXPECT_EQ(decode_flow_reply(as_bytes("\x08\x7f")).value().code, FlowCode::internal);
  EXPECT_EQ(decode_flow_reply(as_bytes("\x10\x07")).value().delivered, Delivered::maybe);
  EXPECT_EQ(decode_hello_reply(as_bytes("\x30\x63")).value().code, SessionCode::protocol);
  EXPECT_EQ(decode_control(as_bytes(std::string_view("\x9a\x06\x00", 3))).value().kind, Control::Kind::none);
  EXPECT_EQ(flow_code(1'000'000), FlowCode::internal);
}

TEST(Message, GarbageNeverDoesMoreThanFail) {
  Random random(1);
  std::vector<std::byte> frame = encode(Hello{.features = {"a", "b"}, .node = "edge-a", .labels = {{"k", "v"}}});
  for (int i = 0; i < 20'000; i++) {
    std::vector<std::byte> bad = frame;
    for (std::uint64_t n = 1 + random.below(4); n > 0; n--) bad[random.below(bad.size())] = static_cast<std::byte>(random.next());
    static_cast<void>(decode_hello(bad));
    static_cast<void>(decode_flow_open(bad));
    static_cast<void>(get_frame(bad));
  }
}

}  // namespace
}  // namespace fairlead::wire
