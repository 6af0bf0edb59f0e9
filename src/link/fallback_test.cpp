#include "link/fallback.h"

#include "link/link_world.h"

namespace fairlead::link {
namespace {

// An edge that falls back, and UDP that can be blocked.
class FallbackWorld : public LinkWorld {
 public:
  explicit FallbackWorld(FallbackOptions options = {}, const sim::LinkOptions& link = {.seed = 1, .rtt = 50ms})
      : LinkWorld(WorldOptions{.link = link, .fallback = std::move(options)}) {}

  void block_udp(TestEdge& edge, bool blocked) {
    for (sim::Path* path : {&net.path(*cloud_host, *edge.host), &net.path(*edge.host, *cloud_host)})
      path->set_filter([blocked](const net::Datagram&) { return !blocked; });
  }
  std::string transport() { return cloud_link->status().at(0).transport; }
  FlowResult<std::size_t> ask(std::size_t size = 1000) { return loop.run(echo(*cloud_link, to_node("edge-a"), size), 1min); }
  FlowResult<std::size_t> ask_cloud(TestEdge& edge, std::size_t size = 1000) {
    return loop.run(echo(*edge.link, Destination::cloud(), size), 1min);
  }
};

TEST(Fallback, WhereUdpDoesNotGetThroughFlowsGoOverTcpWithinSecondsBothWays) {
  FallbackWorld world;
  TestEdge& edge = world.edge("edge-a");
  world.block_udp(edge, true);
  const TimePoint begun = world.loop.now();
  world.loop.run(edge.link->connected(), 10s);
  EXPECT_LT(world.loop.now() - begun, 2s);
  EXPECT_EQ(world.transport(), "h2");
  EXPECT_EQ(edge.link->status().transport, "h2");
  EXPECT_EQ(edge.link->status().state, EdgeState::connected);
  EXPECT_EQ(world.ask(200'000), 200'000u);
  EXPECT_EQ(world.ask_cloud(edge, 200'000), 200'000u);
  EXPECT_EQ(edge.link->totals().over_tcp, 1u);
  EXPECT_EQ(edge.link->totals().fallbacks, 1u);
}

TEST(Fallback, WhereUdpGetsThroughNothingIsDialledOverTcp) {
  FallbackWorld world;
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  world.loop.run_for(30s);
  EXPECT_EQ(world.transport(), "quic");
  EXPECT_EQ(edge.link->totals().fallbacks, 0u);
}

TEST(Fallback, OnlyDialsNoQuic) {
  FallbackWorld world({.mode = FallbackMode::only});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  EXPECT_EQ(world.ask(), 1000u);
  world.loop.run_for(30s);
  EXPECT_EQ(world.transport(), "h2");
}

// A flow that is open, and says something now and then.
Task<FlowResult<std::unique_ptr<Flow>>> begin(CloudLink& link) {
  wire::FlowOpen open{.plugin = "tcp", .backend = "default/echo", .target = "127.0.0.1:7"};
  auto flow = co_await link.open(to_node("edge-a"), std::move(open));
  if (!flow) co_return std::unexpected(flow.error());
  auto reply = co_await (*flow)->reply();
  if (!reply) co_return std::unexpected(reply.error());
  co_return *std::move(flow);
}
Task<bool> say(Flow& flow) {
  auto written = co_await flow.write(as_bytes("are you there?"));
  if (!written) co_return false;
  std::string heard;
  while (heard.size() < 14) {
    auto bytes = co_await flow.peek();
    if (!bytes || bytes->empty()) co_return false;
    heard += as_text(*bytes);
    flow.consume(bytes->size());
  }
  co_return heard == "are you there?";
}

TEST(Fallback, OnceUdpGetsThroughNewFlowsTakeQuicAndThoseOverTcpGoOn) {
  FallbackWorld world;
  TestEdge& edge = world.edge("edge-a");
  world.block_udp(edge, true);
  world.loop.run(edge.link->connected(), 10s);
  auto flow = world.loop.run(begin(*world.cloud_link), 10s);
  ASSERT_TRUE(flow);
  world.loop.run_for(20s);
  world.block_udp(edge, false);
  world.loop.run_for(15s);
  EXPECT_EQ(world.transport(), "quic");
  EXPECT_EQ(edge.link->status().transport, "quic");
  EXPECT_EQ(world.ask(), 1000u);
  EXPECT_EQ(world.ask_cloud(edge), 1000u);
  EXPECT_EQ(edge.link->totals().over_tcp, 1u) << "for the flow that is open";
  EXPECT_TRUE(world.loop.run(say(**flow), 5s));
  world.loop.run_for(5min);
  EXPECT_TRUE(world.loop.run(say(**flow), 5s));
  flow->reset();
  world.loop.run_for(10s);
  EXPECT_EQ(edge.link->totals().over_tcp, 0u) << "it ends with its last flow";
  EXPECT_EQ(world.transport(), "quic");
  EXPECT_EQ(world.ask(), 1000u);
}

TEST(Fallback, UdpThatIsBlockedLaterCutsNothingAndIsFoundWithinSeconds) {
  FallbackWorld world;
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  auto flow = world.loop.run(begin(*world.cloud_link), 10s);
  ASSERT_TRUE(flow);
  world.loop.run_for(5s);
  ASSERT_EQ(world.transport(), "quic");

  world.block_udp(edge, true);
  world.loop.run_for(3s);
  EXPECT_EQ(world.transport(), "h2");
  EXPECT_EQ(world.ask(), 1000u);
  EXPECT_EQ(world.ask_cloud(edge), 1000u);
  auto over_tcp = world.loop.run(begin(*world.cloud_link), 10s);
  ASSERT_TRUE(over_tcp);
  world.loop.run_for(20s);

  world.block_udp(edge, false);
  world.loop.run_for(15s);
  EXPECT_EQ(world.transport(), "quic");
  EXPECT_TRUE(world.loop.run(say(**flow), 10s)) << "the flow that QUIC had";
  EXPECT_TRUE(world.loop.run(say(**over_tcp), 10s)) << "the flow that TCP had";
  EXPECT_EQ(world.ask(), 1000u);
}

TEST(Fallback, AnOutageOfTcpTooEndsWithANewConnectionAndTheFlowsOfTheOldOneGoOn) {
  FallbackWorld world({.mode = FallbackMode::only});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  auto flow = world.loop.run(begin(*world.cloud_link), 10s);
  ASSERT_TRUE(flow);
  world.net.set_up(*world.cloud_host, *edge.host, false);
  world.loop.run_for(30s);
  world.net.set_up(*world.cloud_host, *edge.host, true);
  const TimePoint back = world.loop.now();
  while (!world.ask()) world.loop.run_for(100ms);
  EXPECT_LT(world.loop.now() - back, 15s);
  EXPECT_TRUE(world.loop.run(say(**flow), 1min));
  EXPECT_EQ(world.nodes->connected(), 1u);
}

TEST(Fallback, AnEdgeOfAnotherCaIsRefusedOverTcpToo) {
  FallbackWorld world({.mode = FallbackMode::only});
  const pki::TestPki other(pki::KeyKind::ed25519, world.loop.wall_now());
  TestEdge& edge = world.edge("edge-b", other.edge("edge-b"));
  world.loop.run_for(10s);
  EXPECT_EQ(edge.link->session(), nullptr);
  EXPECT_NE(edge.link->status().last_error.find("another CA"), std::string::npos);
}

TEST(Fallback, DrainEndsTheSessionOverTcp) {
  FallbackWorld world({.mode = FallbackMode::only});
  TestEdge& edge = world.edge("edge-a");
  world.loop.run(edge.link->connected(), 10s);
  world.loop.run(edge.link->drain(5s, "the edge is shutting down"), 10s);
  world.loop.run_for(1s);
  EXPECT_EQ(world.nodes->connected(), 0u);
}

}  // namespace
}  // namespace fairlead::link
