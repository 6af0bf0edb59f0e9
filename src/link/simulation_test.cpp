// Random links, random conversations, from a seed (link_simulation.h).
#include "link/link_simulation.h"

namespace fairlead::link {
namespace {

// From a good link to one that hardly works.
sim::LinkOptions pick_link(Random& random, std::uint64_t seed) {
  sim::LinkOptions link{.seed = seed, .rtt = std::chrono::milliseconds(random.below(200))};
  if (random.chance(0.7)) link.loss = random.chance(0.3) ? random.unit() * 0.2 : random.unit() * 0.03;
  if (random.chance(0.3)) link.burst = {.enter = random.unit() * 0.01, .leave = 0.1 + random.unit() * 0.4, .loss = 1};
  if (random.chance(0.4)) link.jitter = std::chrono::milliseconds(random.below(20));
  if (random.chance(0.4)) {
    link.reorder = random.unit() * 0.1;
    link.reorder_delay = std::chrono::milliseconds(1 + random.below(30));
  }
  if (random.chance(0.4)) link.duplicate = random.unit() * 0.05;
  if (random.chance(0.3)) link.corrupt = random.unit() * 0.02;
  if (random.chance(0.5)) {
    link.rate = 1'000'000 * (2 + random.below(100));
    link.queue = 20 + random.below(500);
  }
  link.mtu = 1280 + random.below(221);
  return link;
}

class ChangingWeather final : public Simulation {
 public:
  explicit ChangingWeather(std::uint64_t seed) : Simulation(seed, options(seed)) {
    flow_count = static_cast<std::uint32_t>(5 + random.below(25));
  }

 private:
  static WorldOptions options(std::uint64_t seed) {
    Random random(seed ^ 0x6c696e6b);
    return {.link = pick_link(random, seed)};
  }
  // Never so long without a sign of life that a session may end.
  Task<void> change_weather() override {
    for (;;) {
      co_await world.loop.sleep(std::chrono::milliseconds(200 + random.below(3000)));
      switch (random.below(5)) {
        case 0:
          if (nat != nullptr) nat->rebind();
          break;
        case 1: world.net.set_options(*world.cloud_host, *edge.host, pick_link(random, first.seed)); break;
        case 2: world.net.path(*world.cloud_host, *edge.host).options().mtu = 1280 + random.below(221); break;
        case 3: world.net.path(*edge.host, *world.cloud_host).options().mtu = 1280 + random.below(221); break;
        case 4:
          world.net.set_up(*world.cloud_host, *edge.host, false);
          co_await world.loop.sleep(std::chrono::milliseconds(random.below(1500)));
          world.net.set_up(*world.cloud_host, *edge.host, true);
          break;
        default: break;
      }
    }
  }
};

TEST(LinkSimulation, WhateverTheNetworkDoesEachFlowIsWholeOrFailsOnBothSides) {
  for (std::uint64_t seed : sim_seeds(200)) {
    run_simulation<ChangingWeather>(seed);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace fairlead::link
