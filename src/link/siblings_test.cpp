// One cloud of two loops: a node lives on one of them, and is reached from both.
#include <gtest/gtest.h>

#include "link/flow_script.h"
#include "link/link_world.h"

namespace fairlead::link {
namespace {

const NodeName kNode = NodeName::parse("edge-a").value();

// The world's cloud is loop 0; here is loop 1, on the next port. In virtual time both are the same SimLoop.
class Siblings : public ::testing::Test {
 protected:
  static constexpr std::uint16_t kOther = LinkWorld::kPort + 1;
  Siblings() {
    endpoint = world.make_endpoint(*world.cloud_host, {net::IpAddress(), kOther}, world.cloud->process);
    endpoint->serve({world.cloud->trust.credentials(), {std::string(CloudLink::kAlpn)}});
    link = std::make_unique<CloudLink>(world.loop, LoopIndex(1), *endpoint, *world.nodes, world.cloud->trust, world.cloud->egresses,
                                       CloudLink::Options{.session = world.session, .software = "test"});
    over_tcp = std::make_unique<h2::Endpoint>(world.loop, *world.cloud_host, world.h2, world.cloud->process, world.session_memory);
    over_tcp->serve({world.cloud->trust.credentials(), {std::string(CloudLink::kAlpn)}},
                    world.cloud_host->listen({net::IpAddress(), kOther}).value());
    siblings = {{&world.loop, world.cloud_link.get()}, {&world.loop, link.get()}};
    world.cloud_link->set_siblings(siblings);
    link->set_siblings(siblings);
    tasks = std::make_unique<Scope>(world.loop);
    tasks->spawn(link->run());
    tasks->spawn(link->run_fallback(*over_tcp));
  }
  ~Siblings() override {
    tasks.reset();
    world.edges.clear();
    link.reset();
    endpoint.reset();
    over_tcp.reset();
  }
  TestEdge& connect(std::uint16_t port) {
    TestEdge& edge = world.edge("edge-a", nullptr, port);
    world.loop.run(edge.link->connected(), 10s);
    return edge;
  }

  CapturedLog log;
  LinkWorld world{sim::LinkOptions{.rtt = 20ms}};
  std::unique_ptr<quic::Endpoint> endpoint;
  std::unique_ptr<h2::Endpoint> over_tcp;
  std::unique_ptr<CloudLink> link;
  std::vector<CloudLink::Sibling> siblings;
  std::unique_ptr<Scope> tasks;
};

TEST_F(Siblings, ANodeIsReachedFromEachLoop) {
  TestEdge& edge = connect(kOther);
  EXPECT_EQ(world.cloud_link->home(to_node("edge-a")), LoopIndex(1));
  EXPECT_EQ(link->home(to_node("edge-a")), LoopIndex(1));
  for (CloudLink* from : {world.cloud_link.get(), link.get()})
    EXPECT_EQ(world.loop.run(echo(*from, to_node("edge-a"), 300'000), 10s).value(), 300'000u);
  world.loop.run_for(100ms);
  EXPECT_EQ(world.cloud_link->totals().flows_opened, 0u) << "flows are counted where the session lives";
  EXPECT_EQ(link->totals().flows_opened, 2u);
  EXPECT_EQ(link->totals().flows_open, 0u);
  EXPECT_EQ(edge.link->totals().flows_open, 0u);
}

TEST_F(Siblings, ARefusalComesAcross) {
  TestEdge& edge = connect(kOther);
  edge.echo.refuse_with = Refusal{FlowCode::forbidden, Delivered::no, "not here"};
  auto refused = world.loop.run(echo(*world.cloud_link, to_node("edge-a"), 1000), 10s);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, FlowCode::forbidden);
  EXPECT_EQ(refused.error().message, "not here");
  auto unsupported = world.loop.run(world.cloud_link->open(to_node("edge-a"), wire::FlowOpen{.plugin = "mqtt"}), 1s);
  ASSERT_FALSE(unsupported);
  EXPECT_EQ(unsupported.error().code, FlowCode::unsupported);
}

TEST_F(Siblings, ANewStartTakesOverFromItsSessionOnTheOtherLoop) {
  TestEdge* edge = &connect(LinkWorld::kPort);
  auto flow = world.loop.run(link->open(to_node("edge-a"), wire::FlowOpen{.plugin = "tcp"}), 1s);
  ASSERT_TRUE(flow);
  ASSERT_TRUE(world.loop.run((*flow)->reply(), 1s));
  world.kill(*edge);
  edge = &connect(kOther);
  // The flow of the dead one ends at once, though its user is on a third side of it all.
  static_cast<void>(world.loop.run((*flow)->broken(), 100ms));
  EXPECT_EQ((*flow)->peer_code(), FlowCode::link_down);
  EXPECT_EQ(link->counters().superseded, 1u);
  EXPECT_TRUE(log.has("the node has started again, or runs twice"));
  world.loop.run_for(1s);
  EXPECT_EQ(world.nodes->connected(), 1u);
  EXPECT_EQ(world.nodes->find(kNode)->loop, LoopIndex(1));
  EXPECT_EQ(world.cloud_link->find(kNode), nullptr);
  EXPECT_TRUE(world.cloud_link->status().empty());
  EXPECT_EQ(link->status().size(), 1u);
  EXPECT_TRUE(world.loop.run(echo(*world.cloud_link, to_node("edge-a"), 1000), 1s));
  flow->reset();
}

// The late word of an earlier session, of its labels or of its end, changes nothing.
TEST_F(Siblings, WhoWasTakenOverFromHasNoSayAnyMore) {
  connect(LinkWorld::kPort);
  const std::shared_ptr<Session> first = world.cloud_link->find(kNode);
  connect(kOther);
  const std::uint64_t version = world.nodes->version();
  first->on_labels({{"site", "old"}});
  EXPECT_EQ(world.nodes->all().at(kNode).labels, (wire::Labels{{"site", "test"}}));
  EXPECT_EQ(world.nodes->version(), version);
  world.loop.run_for(50ms);
  EXPECT_EQ(first->state(), SessionState::over);
  EXPECT_EQ(world.nodes->find(kNode)->loop, LoopIndex(1));
}

TEST_F(Siblings, ANodeThatHasGoneIsNotWaitedForOnTheOtherLoop) {
  TestEdge& edge = connect(kOther);
  // Its session ends between the question where it is and the question to that loop.
  Scope asking(world.loop);
  std::optional<FlowResult<std::unique_ptr<Flow>>> got;
  asking.spawn([](Peers& peers, std::optional<FlowResult<std::unique_ptr<Flow>>>& into) -> Task<void> {
    wire::FlowOpen head{.plugin = "tcp"};
    Destination to = to_node("edge-a");
    into = co_await peers.open(std::move(to), std::move(head));
  }(*world.cloud_link, got));
  edge.link->session()->end(wire::SessionCode::ok, "gone");
  link->find(kNode)->end(wire::SessionCode::ok, "gone");
  world.loop.run_for(10ms);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->error().code, FlowCode::link_down);
}

TEST_F(Siblings, AnOpenThatIsGivenUpWhileItWaitsLeavesNothing) {
  TestEdge& edge = connect(kOther);
  for (int turns = 0; turns < 8; turns++) {
    Scope asking(world.loop);
    asking.spawn([](Peers& peers) -> Task<void> {
      wire::FlowOpen head{.plugin = "tcp"};
      Destination to = to_node("edge-a");
      auto flow = co_await peers.open(std::move(to), std::move(head));
      static_cast<void>(flow);
    }(*world.cloud_link));
    for (int i = 0; i < turns; i++) world.loop.run(std::invoke([](Loop& loop) -> Task<void> { co_await loop.yield(); }, world.loop));
  }
  world.loop.run_for(1s);
  EXPECT_EQ(link->totals().flows_open, 0u);
  EXPECT_EQ(edge.link->totals().flows_open, 0u);
}

// A loop's link goes while flows of its sessions are used on the other.
TEST_F(Siblings, WhenALinkIsGoneItsRemoteFlowsFail) {
  connect(kOther);
  auto flow = world.loop.run(world.cloud_link->open(to_node("edge-a"), wire::FlowOpen{.plugin = "tcp"}), 1s);
  ASSERT_TRUE(flow);
  ASSERT_TRUE(world.loop.run((*flow)->reply(), 1s));
  tasks.reset();
  link.reset();
  static_cast<void>(world.loop.run((*flow)->broken(), 1s));
  EXPECT_FALSE(world.loop.run((*flow)->peek(), 1s));
  EXPECT_FALSE(world.loop.run((*flow)->prepare(), 1s));
}

TEST_F(Siblings, ADrainOfBothLoopsTellsEveryNode) {
  connect(LinkWorld::kPort);
  TestEdge& other = world.edge("edge-b", nullptr, kOther);
  world.loop.run(other.link->connected(), 10s);
  EXPECT_EQ(world.nodes->connected(), 2u);
  Scope drains(world.loop);
  drains.spawn(world.cloud_link->drain(1s, "restarting"));
  drains.spawn(link->drain(1s, "restarting"));
  world.loop.run(drains.done(), 2s);
  world.loop.run_for(100ms);
  EXPECT_EQ(world.nodes->connected(), 0u);
  EXPECT_TRUE(log.has("lost the cloud at cloud.example:8443")) << log.text();
  EXPECT_TRUE(log.has("lost the cloud at cloud.example:8444")) << log.text();
  EXPECT_TRUE(log.has("the peer closed the connection with code 5: restarting")) << log.text();
}

}  // namespace
}  // namespace fairlead::link
