// link_simulation.h: for tests: random conversations over a random network, and what must hold in the end whatever it did: each flow came
// out whole or failed on both sides, and nothing is left behind.
//
// FAIRLEAD_SIM_SEEDS: how many seeds. FAIRLEAD_SIM_SEED: this one alone, to look at a failure again.
#pragma once
#include <gtest/gtest.h>

#include "link/flow_script.h"
#include "link/link_world.h"
#include "link/remote_peers.h"
#include "quic/chunk.h"

namespace fairlead::link {

inline constexpr std::uint32_t kLargestFlow = 3'000'000;

inline std::uint32_t pick_size(Random& random, std::uint32_t largest) {
  switch (random.below(8)) {
    case 0: return 0;
    case 1: return 1;
    case 2: return static_cast<std::uint32_t>(random.below(largest));
    case 3: return static_cast<std::uint32_t>(random.below(largest / 8));
    default: return static_cast<std::uint32_t>(random.below(std::uint64_t{1} << random.below(17)));
  }
}

inline FlowScript pick_script(Random& random, std::uint32_t id) {
  using Order = FlowScript::Order;
  using Ending = FlowScript::Ending;
  FlowScript script{.id = id, .up = pick_size(random, kLargestFlow), .down = pick_size(random, kLargestFlow)};
  script.order = static_cast<Order>(random.below(3));
  script.traffic_class = static_cast<TrafficClass>(random.below(5));
  if (random.chance(0.3)) script.answer_after_ms = static_cast<std::uint32_t>(random.below(2000));
  if (random.chance(0.15)) script.opener_rest_ms = static_cast<std::uint32_t>(1 + random.below(100));
  if (random.chance(0.15)) script.acceptor_rest_ms = static_cast<std::uint32_t>(1 + random.below(100));
  if (random.chance(0.3)) {
    script.ending = static_cast<Ending>(1 + random.below(5));
    if (script.opener_breaks()) script.cut = static_cast<std::uint32_t>(random.below(script.up + 1));
    if (script.acceptor_breaks()) script.cut = static_cast<std::uint32_t>(random.below(script.down + 1));
  } else if (random.chance(0.3)) {
    script.echo = true;
    script.order = Order::together;
    script.down = script.up;
  }
  return script;
}

// Without the state of a burst, too: it ends by packets, of which few come.
inline sim::LinkOptions good_link(const sim::LinkOptions& link) {
  return {.seed = link.seed, .rtt = link.rtt, .burst = {.loss = 0}, .rate = link.rate, .queue = 1000};
}

class Simulation {
 public:
  Simulation(std::uint64_t seed, const WorldOptions& options)
      : random(seed),
        first(options.link),
        world(options),
        edge(world.edge("edge-a")),
        at_cloud(world.loop, ledger),
        at_edge(world.loop, ledger),
        remote(*world.cloud_link, world.loop),
        flows(world.loop),
        weather(world.loop) {
    world.cloud->egresses.add(at_cloud);
    edge.egresses.add(at_edge);
    if (random.chance(0.6)) nat = &world.net.nat(ip("198.51.100.9"));
    if (nat != nullptr) edge.host->set_nat(*nat);
  }

  virtual ~Simulation() = default;
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  void run() {
    world.loop.run(edge.link->connected(), kConnects);
    weather.spawn(change_weather());
    for (std::uint32_t id = 1; id <= flow_count; id++) flows.spawn(one_flow(pick_script(random, id)));
    world.loop.run_for(bad_weather);
    weather.cancel_now();
    world.net.set_options(*world.cloud_host, *edge.host, good_link(first));
    world.net.set_up(*world.cloud_host, *edge.host, true);
    if (dies) world.loop.run(edge.link->connected(), kConnects);
    world.loop.run(flows.done(), kDone);
    for (Duration waited{}; waited < kSettles && !settled(); waited += 1s) world.loop.run_for(1s);
    judge_all();
    nothing_is_left();
  }

 protected:
  // What happens to the network while the flows go on. Cancelled when `bad_weather` is over; then all is well.
  virtual Task<void> change_weather() = 0;
  Duration bad_weather = 15s;
  std::uint32_t flow_count = 10;
  bool dies = false;      // the session ends in it
  bool gives_up = false;  // it is so long that who wants to open a flow gives up

 private:
  static constexpr Duration kConnects = 3min;  // with many tries, at 30 % loss
  static constexpr Duration kDone = 2min;      // the slowest reader takes 37 s
  static constexpr Duration kSettles = 5min;   // a stream whose peer answers nothing is let go of after two

  Task<void> one_flow(FlowScript script) {
    const bool from_cloud = random.chance(0.5);
    FlowRecord& record = ledger.add(script);
    co_await world.loop.sleep(std::chrono::milliseconds(random.below(8000)));
    Peers& cloud = random.chance(0.3) ? static_cast<Peers&>(remote) : *world.cloud_link;
    Peers& peers = from_cloud ? cloud : *edge.link;
    Destination to = from_cloud ? to_node("edge-a") : Destination::cloud();
    auto playing = play_opener(world.loop, peers, std::move(to), script, record);
    co_await playing;
  }

  void judge_all() {
    if (!dies) EXPECT_EQ(world.cloud_link->counters().accepted, 1u) << "the session died: " << edge.link->status().last_error;
    std::string wrong;
    for (const auto& [id, record] : ledger.flows()) wrong += judge(record, dies || gives_up);
    EXPECT_EQ(wrong, "");
  }

  bool settled() const {
    const std::shared_ptr<Session> cloud = world.cloud_link->find(NodeName::parse("edge-a").value());
    const auto quiet = [](const Session& session) {
      const net::MuxStats stats = session.carrier().stats();
      return stats.streams == 1 && stats.bytes_in_flight == 0;
    };
    return ledger.unfinished() == 0 && cloud && edge.link->session() && quiet(*cloud) && quiet(*edge.link->session());
  }

  void nothing_is_left() {
    std::shared_ptr<Session> cloud = world.cloud_link->find(NodeName::parse("edge-a").value());
    ASSERT_TRUE(cloud && edge.link->session());
    for (const Session* session : {cloud.get(), edge.link->session().get()}) {
      EXPECT_EQ(session->tally().open, 0u);
      EXPECT_EQ(session->carrier().stats().streams, 1u) << "the control stream alone";
      EXPECT_EQ(session->carrier().stats().memory, 0u);
    }
    EXPECT_EQ(remote.carried(), 0u);
    EXPECT_EQ(world.endpoint->connections(), 1u);
    EXPECT_EQ(world.cloud->process.used(), 0u);
    EXPECT_EQ(edge.process.used(), 0u);
    EXPECT_EQ(quic::chunks_in_use(), chunks_before);
  }

 protected:
  const std::size_t chunks_before = quic::chunks_in_use();
  Random random;
  sim::LinkOptions first;
  LinkWorld world;
  TestEdge& edge;
  sim::Nat* nat = nullptr;
  FlowLedger ledger;
  ScriptEgress at_cloud, at_edge;
  RemotePeers remote;  // as if its user were on another loop
  Scope flows, weather;
};

// Runs one and shows its log when it failed.
template <class S>
void run_simulation(std::uint64_t seed) {
  SCOPED_TRACE(fmt::format("FAIRLEAD_SIM_SEED={}", seed));
  CapturedLog log;
  try {
    S simulation(seed);
    simulation.run();
  } catch (const std::logic_error& e) {
    ADD_FAILURE() << e.what();
  }
  if (testing::Test::HasFailure()) std::printf("log of seed %llu:\n%s", static_cast<unsigned long long>(seed), log.text().c_str());
}

}  // namespace fairlead::link
