// A flow between two sockets: a user's at the cloud, a service's at the edge. Each sees what it would see of the other itself.
#include "link/splice.h"

#include <gtest/gtest.h>

#include "link/link_world.h"
#include "link/remote_peers.h"
#include "net/linger.h"
#include "net/testing.h"
#include "quic/chunk.h"

namespace fairlead::link {
namespace {

constexpr std::uint16_t kService = 7000, kEntrance = 5000;

// Joins each flow with a new connection to the service.
class SpliceEgress final : public Egress {
 public:
  explicit SpliceEgress(net::Network& network) : network_(network) {}
  std::string_view plugin() const override { return "splice"; }
  Task<void> serve(std::unique_ptr<Flow> flow) override {
    const net::SocketAddress service{net::IpAddress::loopback_v4(), kService};
    auto socket = co_await network_.connect(service);
    if (!socket) {
      Refusal refusal{FlowCode::refused, Delivered::no, "nobody listens"};
      auto refusing = flow->refuse(std::move(refusal));
      co_await refusing;
      co_return;
    }
    auto accepted = co_await flow->accept();
    static_cast<void>(accepted);
    SpliceEnd how = co_await splice(*flow, **socket);
    ends.push_back(how);
  }
  std::vector<SpliceEnd> ends;

 private:
  net::Network& network_;
};

// Answers, and goes without having read all.
class HastyEgress final : public Egress {
 public:
  std::string_view plugin() const override { return "hasty"; }
  Task<void> serve(std::unique_ptr<Flow> flow) override {
    auto accepted = co_await flow->accept();
    if (!accepted) co_return;
    co_await flow->loop().sleep(100ms);
    auto written = co_await flow->write(as_bytes("bye"));
    if (written) static_cast<void>(flow->shut());
  }
};

// With true the flow's user is on another loop than its session.
class Splice : public ::testing::TestWithParam<bool> {
 protected:
  Splice() : edge(world.edge("edge-a")), egress(*edge.host), user_host(world.net.host("user", ip("192.0.2.77"))) {
    edge.egresses.add(egress);
    edge.egresses.add(hasty);
    remote = std::make_unique<RemotePeers>(*world.cloud_link, world.loop);
    service_listener = edge.host->listen({net::IpAddress::loopback_v4(), kService}).value();
    entrance = world.cloud_host->listen({ip("192.0.2.1"), kEntrance}).value();
    ingress.spawn(take());
    world.loop.run(edge.link->connected(), 10s);
  }
  ~Splice() override { ingress.cancel_now(); }

  Task<void> take() {
    for (;;) {
      auto incoming = co_await entrance->accept();
      if (!incoming) co_return;
      ingress.spawn(serve(world.cloud_host->adopt(*std::move(incoming))));
    }
  }
  Task<void> serve(std::unique_ptr<net::Stream> socket) {
    wire::FlowOpen head{.plugin = plugin, .target = "127.0.0.1:7000"};
    Destination to = to_node("edge-a");
    Peers& peers = GetParam() ? static_cast<Peers&>(*remote) : *world.cloud_link;
    auto flow = co_await peers.open(std::move(to), std::move(head));
    if (!flow) co_return;
    SpliceEnd how = co_await splice_opened(**flow, *socket);
    ends.push_back(how);
  }
  // A user that has dialled, and its counterpart at the service.
  void connect() {
    user = std::move(world.loop.run(user_host.connect({ip("192.0.2.1"), kEntrance}), 10s)).value();
    auto incoming = world.loop.run(service_listener->accept(), 10s);
    service = edge.host->adopt(std::move(incoming).value());
  }
  net::Rest rest(net::Stream& stream) { return world.loop.run(net::read_rest(stream), 60s); }
  void expect_over(FlowCode at_cloud, FlowCode at_edge) {
    world.loop.run_for(1s);
    ASSERT_EQ(ends.size(), 1u);
    ASSERT_EQ(egress.ends.size(), 1u);
    EXPECT_EQ(name(ends.front().code), name(at_cloud)) << ends.front().message;
    EXPECT_EQ(name(egress.ends.front().code), name(at_edge)) << egress.ends.front().message;
    EXPECT_EQ(world.cloud_link->totals().flows_open, 0u);
    EXPECT_EQ(edge.link->totals().flows_open, 0u);
    EXPECT_EQ(remote->carried(), 0u);
    EXPECT_EQ(quic::chunks_in_use(), chunks_before);
  }

  const std::size_t chunks_before = quic::chunks_in_use();
  CapturedLog log;
  // A session that outlives the patience of a splice.
  static WorldOptions options() {
    WorldOptions options{.link = {.rtt = 20ms, .rate = 100'000'000}, .session = {.survive = 10min}};
    options.quic.engine.idle_timeout = 11min;
    return options;
  }
  LinkWorld world{options()};
  TestEdge& edge;
  SpliceEgress egress;
  HastyEgress hasty;
  std::string plugin = "splice";
  sim::Host& user_host;
  std::unique_ptr<RemotePeers> remote;
  std::unique_ptr<net::Listener> service_listener, entrance;
  std::unique_ptr<net::Stream> user, service;
  std::vector<SpliceEnd> ends;
  Scope ingress{world.loop}, traffic{world.loop};
};

TEST_P(Splice, BytesGoBothWaysAtOnceAndBothEnds) {
  connect();
  traffic.spawn(net::write_pattern_and_shut(*user, 3'000'000));
  traffic.spawn(net::write_pattern_and_shut(*service, 2'000'000));
  net::Rest at_user;
  traffic.spawn(net::read_rest_into(*user, at_user));
  const net::Rest at_service = rest(*service);
  world.loop.run(traffic.done(), 60s);
  EXPECT_TRUE(at_service.end && at_service.intact && at_service.size == 3'000'000);
  EXPECT_TRUE(at_user.end && at_user.intact && at_user.size == 2'000'000);
  expect_over(FlowCode::ok, FlowCode::ok);
}

TEST_P(Splice, AUserThatIsDoneStillHearsTheAnswer) {
  connect();
  world.loop.run(net::write_pattern_and_shut(*user, 100'000), 10s);
  EXPECT_EQ(rest(*service).size, 100'000u);
  world.loop.run_for(10s);
  world.loop.run(net::write_pattern_and_shut(*service, 300'000), 10s);
  const net::Rest answer = rest(*user);
  EXPECT_TRUE(answer.end && answer.intact && answer.size == 300'000);
  expect_over(FlowCode::ok, FlowCode::ok);
}

TEST_P(Splice, AServiceThatIsDoneStillHearsTheUser) {
  connect();
  world.loop.run(net::write_pattern_and_shut(*service, 300'000), 10s);
  EXPECT_EQ(rest(*user).size, 300'000u);
  world.loop.run_for(10s);
  world.loop.run(net::write_pattern_and_shut(*user, 100'000), 10s);
  const net::Rest said = rest(*service);
  EXPECT_TRUE(said.end && said.intact && said.size == 100'000);
  expect_over(FlowCode::ok, FlowCode::ok);
}

TEST_P(Splice, AResetOfTheUserReachesTheService) {
  connect();
  world.loop.run(net::write_pattern(*user, 1000), 10s);
  world.loop.run_for(1s);
  user->reset();
  EXPECT_EQ(rest(*service).end.error().code(), Code::reset);
  expect_over(FlowCode::reset, FlowCode::reset);
  EXPECT_FALSE(ends.front().by_flow);
  EXPECT_TRUE(egress.ends.front().by_flow);
}

TEST_P(Splice, AResetOfTheServiceReachesTheUser) {
  connect();
  world.loop.run(net::write_pattern(*service, 1000), 10s);
  world.loop.run_for(1s);
  service->reset();
  EXPECT_EQ(rest(*user).end.error().code(), Code::reset);
  expect_over(FlowCode::reset, FlowCode::reset);
  EXPECT_TRUE(ends.front().by_flow);
  EXPECT_FALSE(egress.ends.front().by_flow);
}

TEST_P(Splice, AResetAfterTheEndOfOneHalfIsPassedOn) {
  connect();
  world.loop.run(net::write_pattern_and_shut(*service, 1000), 10s);
  EXPECT_EQ(rest(*user).size, 1000u);
  world.loop.run_for(1s);
  // The service has said all, and now breaks off what it should still hear: the user learns it with what it sends next.
  service->reset();
  traffic.spawn(net::write_pattern(*user, 1));
  expect_over(FlowCode::reset, FlowCode::reset);
}

// Nothing is lost that this side does not know of: it has said all, and has the whole answer.
TEST_P(Splice, AFarSideThatLeavesAfterItsAnswerIsNoFailureForWhoHasSaidAll) {
  plugin = "hasty";
  world.net.set_options(*world.cloud_host, *edge.host, {.rtt = 20ms, .rate = 2'000'000});
  user = std::move(world.loop.run(user_host.connect({ip("192.0.2.1"), kEntrance}), 10s)).value();
  world.loop.run(net::write_pattern_and_shut(*user, 150'000), 1s);  // most of it is still on its way when the answer comes
  const net::Rest answer = rest(*user);
  EXPECT_TRUE(answer.end);
  EXPECT_EQ(answer.size, 3u);
  world.loop.run_for(1s);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(name(ends.front().code), name(FlowCode::ok));
}

// ---- a reset comes after what was said before it

// A reset drops what its own host has not sent.
Task<void> write_and_reset(Loop& loop, net::Stream& stream, std::size_t size) {
  co_await net::write_pattern(stream, size);
  co_await net::until_delivered(loop, stream, 1min);
  stream.reset();
}
Task<void> write_for_ever(net::Stream& stream) {
  const std::vector<std::byte> bytes(64_KiB);
  for (;;) {
    auto written = co_await stream.write(bytes);
    if (!written) co_return;
  }
}
Task<void> read_slowly(Loop& loop, net::Stream& stream, net::Rest& rest) {
  std::vector<std::byte> buffer(16_KiB);
  for (;;) {
    auto n = co_await stream.read(buffer);
    if (!n) rest.end = std::unexpected(n.error());
    if (!n || *n == 0) co_return;
    for (std::size_t i = 0; i < *n; i++) rest.intact = rest.intact && buffer[i] == net::pattern_at(rest.size + i);
    rest.size += *n;
    co_await loop.sleep(5ms);
  }
}

class SpliceTail : public Splice {
 protected:
  static constexpr std::size_t kSize = 5'000'000, kSaid = 200'000;
  // Slow and lossy between cloud and edge, slower still to the user.
  SpliceTail() {
    world.net.set_options(*world.cloud_host, *edge.host, {.rtt = 60ms, .jitter = 5ms, .loss = 0.02, .rate = 20'000'000});
    world.net.set_options(user_host, *world.cloud_host, {.rtt = 40ms, .rate = 10'000'000});
    connect();
  }
  void expect_all_and_a_reset(net::Stream& reader, std::size_t size) {
    net::Rest got;
    world.loop.run(read_slowly(world.loop, reader, got), 3min);
    EXPECT_EQ(got.size, size);
    EXPECT_TRUE(got.intact);
    ASSERT_FALSE(got.end) << "a reset is no end";
    EXPECT_EQ(got.end.error().code(), Code::reset);
  }
  // The link is silent, and `speaker` says something and resets: all of it was read and waits in the flow.
  void speak_into_an_outage(net::Stream& speaker) {
    world.net.set_up(*world.cloud_host, *edge.host, false);
    world.loop.run(write_and_reset(world.loop, speaker, kSaid), 1s);
    world.loop.run_for(1min);
    EXPECT_TRUE(ends.empty() && egress.ends.empty());
  }
  void come_back() { world.net.set_up(*world.cloud_host, *edge.host, true); }
  void expect_a_reset(net::Stream& reader) {
    const net::Rest got = rest(reader);
    ASSERT_FALSE(got.end);
    EXPECT_EQ(got.end.error().code(), Code::reset);
  }
};

TEST_P(SpliceTail, WhatTheServiceSaidArrivesBeforeItsReset) {
  traffic.spawn(write_and_reset(world.loop, *service, kSize));
  expect_all_and_a_reset(*user, kSize);
  expect_over(FlowCode::reset, FlowCode::reset);
  EXPECT_TRUE(ends.front().by_flow);
  EXPECT_FALSE(egress.ends.front().by_flow);
}

TEST_P(SpliceTail, WhatTheUserSaidArrivesBeforeItsReset) {
  traffic.spawn(write_and_reset(world.loop, *user, kSize));
  expect_all_and_a_reset(*service, kSize);
  expect_over(FlowCode::reset, FlowCode::reset);
  EXPECT_FALSE(ends.front().by_flow);
  EXPECT_TRUE(egress.ends.front().by_flow);
}

TEST_P(SpliceTail, AUserThatHasSaidAllHearsAllBeforeTheReset) {
  world.loop.run(net::write_pattern_and_shut(*user, 100'000), 10s);
  EXPECT_EQ(rest(*service).size, 100'000u);
  traffic.spawn(write_and_reset(world.loop, *service, kSize));
  expect_all_and_a_reset(*user, kSize);
  expect_over(FlowCode::reset, FlowCode::reset);
}

TEST_P(SpliceTail, AServiceThatHasSaidAllHearsAllBeforeTheReset) {
  world.loop.run(net::write_pattern_and_shut(*service, 100'000), 10s);
  EXPECT_EQ(rest(*user).size, 100'000u);
  traffic.spawn(write_and_reset(world.loop, *user, kSize));
  expect_all_and_a_reset(*service, kSize);
  expect_over(FlowCode::reset, FlowCode::reset);
}

// It is writing to the service that fails first, while much of what the service has said was not yet read from it.
TEST_P(SpliceTail, WhatAServiceSaidThatIsBeingWrittenToArrivesBeforeItsReset) {
  traffic.spawn(write_for_ever(*user));
  world.loop.run_for(10s);  // until nothing goes any more: the service does not read
  traffic.spawn(write_and_reset(world.loop, *service, kSize));
  expect_all_and_a_reset(*user, kSize);
  expect_over(FlowCode::reset, FlowCode::reset);
  EXPECT_TRUE(egress.ends.front().message.starts_with("write")) << egress.ends.front().message;
}

TEST_P(SpliceTail, WhatAUserSaidThatIsBeingWrittenToArrivesBeforeItsReset) {
  traffic.spawn(write_for_ever(*service));
  world.loop.run_for(20s);
  traffic.spawn(write_and_reset(world.loop, *user, kSize));
  expect_all_and_a_reset(*service, kSize);
  expect_over(FlowCode::reset, FlowCode::reset);
}

// It leaves before the edge has answered.
TEST_P(SpliceTail, WhatAUserSaidThatIsGoneAtOnceReachesTheService) {
  world.loop.run(net::write_pattern(*user, 10), 1s);
  user->reset();
  expect_all_and_a_reset(*service, 10);
  expect_over(FlowCode::reset, FlowCode::reset);
  ends.clear();
  egress.ends.clear();
  user = std::move(world.loop.run(user_host.connect({ip("192.0.2.1"), kEntrance}), 10s)).value();
  world.loop.run(write_and_reset(world.loop, *user, 1000), 1s);
  auto incoming = world.loop.run(service_listener->accept(), 10s);
  service = edge.host->adopt(std::move(incoming).value());
  expect_all_and_a_reset(*service, 1000);
  expect_over(FlowCode::reset, FlowCode::reset);
}

TEST_P(SpliceTail, WhatTheServiceSaidOutlivesAnOutage) {
  speak_into_an_outage(*service);
  come_back();
  expect_all_and_a_reset(*user, kSaid);
  expect_over(FlowCode::reset, FlowCode::reset);
}

TEST_P(SpliceTail, WhatTheUserSaidOutlivesAnOutage) {
  speak_into_an_outage(*user);
  come_back();
  expect_all_and_a_reset(*service, kSaid);
  expect_over(FlowCode::reset, FlowCode::reset);
}

TEST_P(SpliceTail, ASessionThatEndsIsNotWaitedFor) {
  speak_into_an_outage(*user);
  edge.link->session()->end(wire::SessionCode::ok, "enough");
  come_back();
  world.loop.run_for(1s);  // the word of it comes with the next packet
  EXPECT_EQ(ends.size(), 1u);
  expect_a_reset(*service);
  EXPECT_EQ(world.cloud_link->totals().flows_open, 0u);
  EXPECT_EQ(quic::chunks_in_use(), chunks_before);
}

TEST_P(SpliceTail, WhatServesGoesWithItsSessionAlsoWhileItWaits) {
  speak_into_an_outage(*service);
  edge.link->session()->end(wire::SessionCode::ok, "enough");
  world.loop.run_for(100ms);
  EXPECT_EQ(edge.link->totals().flows_open, 0u);
  come_back();
  expect_a_reset(*user);
  world.loop.run_for(1s);
  EXPECT_EQ(ends.size(), 1u);
  EXPECT_EQ(quic::chunks_in_use(), chunks_before);
}

// Bounded, and still no end.
TEST_P(SpliceTail, ASilentLinkIsWaitedForForTwoMinutes) {
  for (const bool by_service : {true, false}) {
    SCOPED_TRACE(by_service ? "the service" : "the user");
    std::vector<SpliceEnd>& ended = by_service ? egress.ends : ends;
    speak_into_an_outage(by_service ? *service : *user);
    world.loop.run_for(50s);
    EXPECT_TRUE(ended.empty());
    world.loop.run_for(20s);
    EXPECT_EQ(ended.size(), 1u);
    come_back();
    expect_a_reset(by_service ? *user : *service);
    expect_over(FlowCode::reset, FlowCode::reset);
    ends.clear();
    egress.ends.clear();
    connect();
  }
}

TEST_P(SpliceTail, AUserThatIsNotThereAnyMoreIsGivenUpInTheEnd) {
  traffic.spawn(write_and_reset(world.loop, *service, kSize));
  net::Rest got;
  traffic.spawn(read_slowly(world.loop, *user, got));
  world.loop.run_for(3s);
  world.net.set_up(*world.cloud_host, user_host, false);
  world.loop.run_for(5min);
  EXPECT_LE(ends.size(), 1u);
  world.net.set_up(*world.cloud_host, user_host, true);
  world.loop.run_for(1min);
  expect_over(FlowCode::reset, FlowCode::reset);
  EXPECT_LE(got.size, kSize);
  EXPECT_FALSE(got.end);
}

TEST_P(SpliceTail, DestroyedWhileItWaitsItBreaksOffAtOnce) {
  speak_into_an_outage(*user);
  ingress.cancel_now();
  come_back();
  expect_a_reset(*service);
  world.loop.run_for(1s);
  EXPECT_EQ(world.cloud_link->totals().flows_open, 0u);
  EXPECT_EQ(edge.link->totals().flows_open, 0u);
  EXPECT_EQ(quic::chunks_in_use(), chunks_before);
}

TEST_P(Splice, ARefusalResetsTheUser) {
  service_listener.reset();
  user = std::move(world.loop.run(user_host.connect({ip("192.0.2.1"), kEntrance}), 10s)).value();
  EXPECT_EQ(rest(*user).end.error().code(), Code::reset);
  world.loop.run_for(100ms);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_TRUE(ends.front().refused);
  EXPECT_EQ(ends.front().code, FlowCode::refused);
  EXPECT_EQ(ends.front().message, "nobody listens");
}

// Who reads slowly is waited for, and nobody gathers what it has not read.
TEST_P(Splice, ASlowUserHoldsTheServiceBack) {
  connect();
  traffic.spawn(net::write_pattern_and_shut(*service, 50'000'000));
  world.loop.run_for(10s);
  EXPECT_LT(world.cloud->process.used() + edge.process.used(), 10_MiB);
  const net::Rest all = rest(*user);
  EXPECT_TRUE(all.end && all.intact && all.size == 50'000'000);
}

TEST_P(Splice, ASlowServiceHoldsTheUserBack) {
  connect();
  traffic.spawn(net::write_pattern_and_shut(*user, 50'000'000));
  world.loop.run_for(10s);
  EXPECT_LT(world.cloud->process.used() + edge.process.used(), 10_MiB);
  const net::Rest all = rest(*service);
  EXPECT_TRUE(all.end && all.intact && all.size == 50'000'000);
}

TEST_P(Splice, AnIdleConnectionHoldsNoBuffer) {
  connect();
  world.loop.run(net::write_pattern(*user, 1000), 10s);
  std::vector<std::byte> some(2000);
  EXPECT_EQ(world.loop.run(service->read(some), 10s).value(), 1000u);
  world.loop.run_for(1s);
  EXPECT_EQ(quic::chunks_in_use(), chunks_before);
  EXPECT_EQ(world.cloud->process.used() + edge.process.used(), 0u);
}

// An idle user whose service has said all: when the session ends it must not stay connected to nobody.
TEST_P(Splice, AnEndedSessionIsPassedOnToAnIdleUser) {
  for (const bool service_done : {false, true}) {
    SCOPED_TRACE(service_done ? "after the service's end" : "before it");
    ends.clear();
    connect();
    world.loop.run_for(1s);
    if (service_done) {
      EXPECT_TRUE(service->shut());
      EXPECT_EQ(rest(*user).size, 0u);
    }
    world.loop.run_for(1s);
    edge.link->session()->end(wire::SessionCode::ok, "enough");
    world.loop.run_for(100ms);
    ASSERT_EQ(ends.size(), 1u);
    EXPECT_EQ(ends.front().code, FlowCode::link_down);
    EXPECT_EQ(rest(*service).end.error().code(), Code::reset) << "the service's side is gone with its session";
    user.reset();
    world.loop.run(edge.link->connected(), 10s);
    world.loop.run_for(1s);
  }
}

TEST_P(Splice, DestroyedHalfWayItBreaksBothSidesOff) {
  connect();
  traffic.spawn(net::write_pattern(*user, 100'000'000));
  world.loop.run_for(500ms);
  ingress.cancel_now();
  traffic.cancel_now();
  world.loop.run_for(1s);
  EXPECT_EQ(rest(*service).end.error().code(), Code::reset);
  ASSERT_EQ(egress.ends.size(), 1u);
  EXPECT_EQ(name(egress.ends.front().code), name(FlowCode::cancelled));
  std::byte byte[1];
  auto read = world.loop.run(user->read(byte), 10s);
  EXPECT_FALSE(read);
  world.loop.run_for(1s);
  EXPECT_EQ(world.cloud_link->totals().flows_open, 0u);
}

constexpr auto kNameOfLoops = [](const auto& info) { return info.param ? "Remote" : "Direct"; };
INSTANTIATE_TEST_SUITE_P(Loops, Splice, ::testing::Bool(), kNameOfLoops);
INSTANTIATE_TEST_SUITE_P(Loops, SpliceTail, ::testing::Bool(), kNameOfLoops);

}  // namespace
}  // namespace fairlead::link
