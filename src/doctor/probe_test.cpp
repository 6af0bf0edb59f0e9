// The probe service under those who want too much of it, and its messages.
#include <gmock/gmock.h>

#include "doctor/knock.h"
#include "doctor/probe_world.h"

namespace fairlead::doctor {
namespace {

using testing::HasSubstr;

NodeName node(std::string_view name) { return NodeName::parse(name).value(); }

Bytes body_of(const std::vector<std::byte>& frame) { return Bytes(frame).subspan(1); }  // a short frame's length has one byte

TEST(ProbeMessage, GoesThereAndBack) {
  const ProbeRequest asked{.kind = ProbeKind::sink, .bytes = 5, .time = 3s};
  const std::vector<std::byte> asked_frame = encode(asked);
  const auto request = decode_probe_request(body_of(asked_frame));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->kind, ProbeKind::sink);
  EXPECT_EQ(request->bytes, 5u);
  EXPECT_EQ(request->time, 3s);

  const ProbeDatagram sent{.kind = ProbeDatagram::Kind::echoed, .number = 7, .sent_ns = 1ULL << 60, .come = 9};
  const auto datagram = decode_probe_datagram(encode(sent));
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->number, 7u);
  EXPECT_EQ(datagram->sent_ns, 1ULL << 60);
  EXPECT_EQ(datagram->come, 9u);
}

TEST(ProbeMessage, RefusesWhatCannotBe) {
  const auto with = [](ProbeKind kind, Duration time) {
    const std::vector<std::byte> frame = encode(ProbeRequest{.kind = kind, .time = time});
    return decode_probe_request(body_of(frame));
  };
  EXPECT_TRUE(with(ProbeKind::source, kMaxTransfer));
  EXPECT_FALSE(with(ProbeKind::source, kMaxTransfer + 1ms));
  EXPECT_TRUE(with(ProbeKind::wake, kMaxWake));
  EXPECT_FALSE(with(ProbeKind::wake, kMaxWake + 1ms));
  EXPECT_EQ(with(static_cast<ProbeKind>(9), 0s).error().code(), Code::unsupported);
  EXPECT_FALSE(decode_probe_request(as_bytes("\xff\xff")));
  EXPECT_FALSE(decode_probe_answer(as_bytes("\xff\xff")));
  EXPECT_FALSE(decode_probe_datagram(as_bytes("short")));
  std::vector<std::byte> odd = encode(ProbeDatagram());
  odd[0] = std::byte{4};
  EXPECT_FALSE(decode_probe_datagram(odd));
}

TEST(ProbeQuota, LimitsConnectionsAndForgetsNodesThatAreDone) {
  ProbeQuota quota({.connections = 2, .all = 3, .burst = 100, .refill = 10});
  TimePoint now{};
  EXPECT_TRUE(quota.enter(node("a"), now));
  EXPECT_TRUE(quota.enter(node("a"), now));
  EXPECT_FALSE(quota.enter(node("a"), now));
  EXPECT_TRUE(quota.enter(node("b"), now));
  EXPECT_FALSE(quota.enter(node("c"), now));
  quota.leave(node("b"), now);
  EXPECT_EQ(quota.known(), 1u);
  EXPECT_TRUE(quota.enter(node("c"), now));
}

TEST(ProbeQuota, LetsANodeMoveItsShareOneAtATime) {
  ProbeQuota quota({.connections = 2, .all = 3, .burst = 100, .refill = 10});
  TimePoint now{};
  EXPECT_FALSE(quota.begin_transfer(node("a"), 60, now)) << "has not entered";
  ASSERT_TRUE(quota.enter(node("a"), now));
  EXPECT_EQ(quota.begin_transfer(node("a"), 60, now), 60u);
  EXPECT_FALSE(quota.begin_transfer(node("a"), 60, now));
  quota.end_transfer(node("a"), 60);
  EXPECT_EQ(quota.begin_transfer(node("a"), 60, now), 40u);
  quota.end_transfer(node("a"), 40);
  EXPECT_FALSE(quota.begin_transfer(node("a"), 60, now));
  quota.leave(node("a"), now);
  EXPECT_EQ(quota.known(), 1u) << "or its allowance would be whole again";
  now += 5s;
  ASSERT_TRUE(quota.enter(node("a"), now));
  EXPECT_EQ(quota.begin_transfer(node("a"), 60, now), 50u);
  quota.end_transfer(node("a"), 0);
  quota.leave(node("a"), now);
  now += 100s;
  ASSERT_TRUE(quota.enter(node("b"), now));
  EXPECT_EQ(quota.known(), 1u);
}

Task<std::vector<std::unique_ptr<ProbeLine>>> dial_many(ProbeWorld& world, std::size_t count) {
  std::vector<std::unique_ptr<ProbeLine>> lines;
  for (std::size_t i = 0; i < count; i++) {
    ProbeAsk ask = world.ask();
    auto line = co_await ProbeLine::dial(world.edge_host, world.cloud_at(), std::move(ask));
    if (line) lines.push_back(*std::move(line));
  }
  co_return lines;
}
Task<std::size_t> answered(std::vector<std::unique_ptr<ProbeLine>>& lines) {
  std::size_t count = 0;
  for (auto& line : lines) {
    auto where = co_await line->where();
    count += where.has_value() ? 1 : 0;
  }
  co_return count;
}
Task<void> move_down(ProbeLine& line, Result<Transferred>& into) { into = co_await line.down(4_MiB, 2s); }
Task<void> move_both(Loop& loop, ProbeLine& a, ProbeLine& b, Result<Transferred>& first, Result<Transferred>& second) {
  Scope scope(loop);
  scope.spawn(move_down(a, first));
  co_await loop.sleep(200ms);
  scope.spawn(move_down(b, second));
  co_await scope.done();
}

TEST(ProbeServer, TurnsAwayMoreConnectionsThanItsLimit) {
  ProbeWorld world({.rtt = 40ms}, {.connections = 3});
  auto lines = world.loop.run(dial_many(world, 5));
  EXPECT_EQ(world.loop.run(answered(lines)), 3u);
  EXPECT_EQ(world.server->counters().limited, 2u);
  lines.clear();
  world.loop.run_for(10s);
  EXPECT_EQ(world.quota.known(), 0u);
}

TEST(ProbeServer, MovesForOneOfANodeAtATime) {
  ProbeWorld world({.rtt = 40ms, .rate = 10'000'000});
  auto lines = world.loop.run(dial_many(world, 2));
  ASSERT_EQ(lines.size(), 2u);
  Result<Transferred> first = fail(Code::internal, ""), second = fail(Code::internal, "");
  world.loop.run(move_both(world.loop, *lines[0], *lines[1], first, second));
  EXPECT_TRUE(first);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().describe(), HasSubstr("another transfer of this node is under way"));
}

TEST(ProbeServer, EndsWhatLastsTooLong) {
  ProbeWorld world;
  auto lines = world.loop.run(dial_many(world, 1));
  world.loop.run_for(2min);
  EXPECT_EQ(world.loop.run(answered(lines)), 1u);
  world.loop.run_for(2min);
  EXPECT_EQ(world.loop.run(answered(lines)), 1u);
  world.loop.run_for(70s);
  EXPECT_EQ(world.loop.run(answered(lines)), 0u);
}

TEST(ProbeLine, IsSilentWhileNobodyAsks) {
  ProbeWorld world;
  auto lines = world.loop.run(dial_many(world, 1));
  ASSERT_EQ(world.loop.run(answered(lines)), 1u);
  world.loop.run_for(10s);
  const std::uint64_t before = world.net.counters().sent;
  world.loop.run_for(100s);
  EXPECT_EQ(world.net.counters().sent, before);
}

TEST(Knocker, FindsEachSizeToFourBytes) {
  for (std::size_t mtu = 1228; mtu <= 1500; mtu += 17) {
    ProbeWorld world({.rtt = 20ms, .mtu = mtu});
    auto knocker = Knocker::make(world.edge_host, world.cloud_at()).value();
    const auto found = world.loop.run(knocker->largest(200ms));
    ASSERT_TRUE(found) << mtu;
    EXPECT_LE(*found + 28, mtu);
    EXPECT_GE(*found + 28 + 4, mtu);
  }
}

}  // namespace
}  // namespace fairlead::doctor
