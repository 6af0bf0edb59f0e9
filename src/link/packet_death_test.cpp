// A process that dies with its n-th packet, for each n from the handshake to the drain: who is left is told of every flow, the other
// comes back, and nothing stays behind.
#include <gtest/gtest.h>

#include "link/flow_script.h"
#include "link/link_world.h"
#include "quic/chunk.h"

namespace fairlead::link {
namespace {

enum class Victim : std::uint8_t { edge, cloud };
enum class After : std::uint8_t { restart, silence };  // comes back at once; only when the other has given it up

class Story {
 public:
  Story(Victim who, After after, int last_packet)
      : who_(who), after_(after), world_({.rtt = 20ms}, {.survive = 20s}), at_cloud_(world_.loop, ledger_), at_edge_(world_.loop, ledger_) {
    world_.cloud->egresses.add(at_cloud_);
    start_edge();
    sim::Host& edge = *edge_->host;
    // What the dying one sends after that packet never was; what it is sent finds nobody.
    const auto watch = [this, last_packet](bool by_victim) {
      return [this, last_packet, by_victim](const net::Datagram&) {
        if (by_victim && !dead_ && ++sent_ == last_packet) {
          dead_ = true;
          world_.loop.post([this] { die(); });
          return true;
        }
        return !dead_ || !by_victim || reborn_;
      };
    };
    world_.net.path(edge, *world_.cloud_host).set_filter(watch(who == Victim::edge));
    world_.net.path(*world_.cloud_host, edge).set_filter(watch(who == Victim::cloud));
  }

  // False: it ended before that packet.
  bool run() {
    from_edge_->spawn(life_of_edge());
    from_cloud_->spawn(life_of_cloud());
    world_.loop.run_for(2s);
    if (!dead_) return false;
    if (after_ == After::silence) {
      world_.loop.run_for(world_.session.survive + world_.quic.engine.keep_alive + 5s);
      if (who_ == Victim::edge) {
        EXPECT_EQ(world_.nodes->connected(), 0u);
      } else {
        EXPECT_EQ(edge_->link->session(), nullptr);
      }
      everyone_knows();
    }
    revive();
    if (who_ == Victim::cloud && drains_) {  // it stays away: the next process of the edge does not
      world_.loop.run_for(world_.session.survive + 5s);
      EXPECT_EQ(edge_->link->status().state, EdgeState::stopped);
      world_.kill(*edge_);
      start_edge();
    }
    world_.loop.run_for(world_.quic.engine.keep_alive + 6s);  // an idle edge finds out by asking
    world_.loop.run(edge_->link->connected(), world_.session.survive + 20s);
    EXPECT_TRUE(world_.loop.run(echo(*world_.cloud_link, to_node("edge-a"), 1000), 5s));
    EXPECT_TRUE(world_.loop.run(echo(*edge_->link, Destination::cloud(), 1000), 5s));
    EXPECT_EQ(world_.nodes->connected(), 1u);
    world_.loop.run_for(world_.session.survive + 10s);
    everyone_knows();
    EXPECT_EQ(world_.cloud_link->totals().flows_open, 0u);
    EXPECT_EQ(edge_->link->totals().flows_open, 0u);
    EXPECT_EQ(world_.endpoint->connections(), 1u);
    EXPECT_EQ(world_.cloud->process.used(), 0u);
    EXPECT_EQ(edge_->process.used(), 0u);
    EXPECT_EQ(quic::chunks_in_use(), chunks_before_);
    return true;
  }

 private:
  Task<void> play(Peers& peers, Destination to, FlowScript script) {
    script.id = ++flows_;
    FlowRecord& record = ledger_.add(script);
    (peers.home(Destination::cloud()) ? of_edge_ : of_cloud_).push_back(script.id);
    auto playing = play_opener(world_.loop, peers, std::move(to), script, record, 1);
    co_await playing;
  }
  Task<void> life_of_edge() {
    co_await edge_->link->connected();
    FlowScript asks{.up = 3000, .down = 5000, .order = FlowScript::Order::opener_first};
    auto asking = play(*edge_->link, Destination::cloud(), asks);
    co_await asking;
    co_await world_.loop.sleep(60ms);
    if (dead_) co_return;
    drains_ = true;
    auto draining = edge_->link->drain(1s, "going away");
    co_await draining;
  }
  Task<void> life_of_cloud() {
    while (world_.nodes->connected() == 0) co_await world_.loop.sleep(1ms);
    FlowScript all_at_once{.up = 20'000, .down = 20'000, .echo = true};
    auto echoing = play(*world_.cloud_link, to_node("edge-a"), all_at_once);
    co_await echoing;
    FlowScript broken{.up = 3000, .cut = 2000, .ending = FlowScript::Ending::opener_aborts};
    auto breaking = play(*world_.cloud_link, to_node("edge-a"), broken);
    co_await breaking;
  }

  void die() {
    (who_ == Victim::edge ? from_edge_ : from_cloud_).reset();
    if (who_ == Victim::edge) {
      world_.kill(*edge_);
      edge_ = nullptr;
    } else {
      world_.cloud_host->kill();
      world_.stop_cloud();
    }
  }
  void start_edge() {
    edge_ = &world_.edge("edge-a");
    edge_->egresses.add(at_edge_);
  }
  void revive() {
    reborn_ = true;
    if (who_ == Victim::edge) {
      start_edge();
    } else {
      world_.start_cloud();
      world_.cloud->egresses.add(at_cloud_);
    }
  }

  // Of each flow, the side that lives has seen the end, or was told that there will be none.
  void everyone_knows() {
    const auto knows = [&](const FlowSide& side, std::uint32_t id) {
      if (!side.begun) return;
      EXPECT_TRUE(side.over) << "flow " << id << " hangs";
      EXPECT_TRUE(side.intact) << "flow " << id;
      EXPECT_TRUE(side.whole || side.broke_it || side.code != FlowCode::ok) << "flow " << id << " was not told";
    };
    for (const std::uint32_t id : who_ == Victim::edge ? of_cloud_ : of_edge_) knows(ledger_.at(id).opener, id);
    for (const std::uint32_t id : who_ == Victim::edge ? of_edge_ : of_cloud_) knows(ledger_.at(id).acceptor, id);
  }

  const Victim who_;
  const After after_;
  const std::size_t chunks_before_ = quic::chunks_in_use();
  CapturedLog log_;
  FlowLedger ledger_;
  LinkWorld world_;
  ScriptEgress at_cloud_, at_edge_;
  TestEdge* edge_ = nullptr;
  bool dead_ = false, reborn_ = false, drains_ = false;
  int sent_ = 0;
  std::uint32_t flows_ = 0;
  std::vector<std::uint32_t> of_cloud_, of_edge_;
  std::unique_ptr<Scope> from_edge_ = std::make_unique<Scope>(world_.loop), from_cloud_ = std::make_unique<Scope>(world_.loop);
};

class PacketDeath : public ::testing::TestWithParam<std::tuple<Victim, After>> {};

TEST_P(PacketDeath, AtEachPacketIsKnownAndPasses) {
  const auto [who, after] = GetParam();
  int packet = 1;
  for (bool reached = true; reached && !HasFailure(); packet++) {
    SCOPED_TRACE(fmt::format("dies with packet {}", packet));
    reached = Story(who, after, packet).run();
  }
  EXPECT_GE(packet, 25) << "the story is too short to tell anything";
}

INSTANTIATE_TEST_SUITE_P(All, PacketDeath,
                         ::testing::Combine(::testing::Values(Victim::edge, Victim::cloud),
                                            ::testing::Values(After::restart, After::silence)));

}  // namespace
}  // namespace fairlead::link
