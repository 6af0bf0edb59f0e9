// The worst that a link may do, one kind a seed: loss of up to 30 %, bursts, reordering, an outage of five minutes that the session outlives
// or does not, another address each second, a path that becomes narrow. What must hold is in link_simulation.h.
#include "link/link_simulation.h"

namespace fairlead::link {
namespace {

enum class Kind : std::uint64_t { loss, bursts, reordering, survived_outage, deadly_outage, rebinding, narrowing };
constexpr std::uint64_t kKinds = 7;
constexpr Duration kOutage = 5min;

Kind kind_of(std::uint64_t seed) { return static_cast<Kind>(seed % kKinds); }

class HarshWeather final : public Simulation {
 public:
  explicit HarshWeather(std::uint64_t seed) : Simulation(seed, options(seed)), kind_(kind_of(seed)) {
    flow_count = static_cast<std::uint32_t>(4 + random.below(12));
    dies = kind_ == Kind::deadly_outage;
    if (kind_ == Kind::survived_outage || dies) bad_weather = kOutage + 8s;
    gives_up = kind_ == Kind::survived_outage;
    if (kind_ == Kind::loss) bad_weather = 40s;
    if (nat == nullptr && kind_ == Kind::rebinding) edge.host->set_nat(*(nat = &world.net.nat(ip("198.51.100.9"))));
  }

 private:
  static WorldOptions options(std::uint64_t seed) {
    Random random(seed ^ 0x6861727368);
    WorldOptions world{
        .link = {.seed = seed, .rtt = std::chrono::milliseconds(random.below(150)), .rate = 1'000'000 * (5 + random.below(95))}};
    sim::LinkOptions& link = world.link;
    switch (kind_of(seed)) {
      case Kind::loss: link.loss = 0.1 + random.unit() * 0.2; break;
      case Kind::bursts: link.burst = {.enter = 0.005 + random.unit() * 0.015, .leave = 0.05 + random.unit() * 0.2, .loss = 1}; break;
      case Kind::reordering:
        link.reorder = 0.1 + random.unit() * 0.4;
        link.reorder_delay = std::chrono::milliseconds(1 + random.below(50));
        link.duplicate = random.unit() * 0.1;
        break;
      case Kind::survived_outage:
        world.session.survive = kOutage + 1min;
        world.quic.engine.idle_timeout = world.session.survive + 30s;
        break;
      default: link.loss = random.unit() * 0.02; break;
    }
    return world;
  }

  Task<void> change_weather() override {
    switch (kind_) {
      case Kind::survived_outage:
      case Kind::deadly_outage:
        co_await world.loop.sleep(std::chrono::milliseconds(random.below(8000)));
        world.net.set_up(*world.cloud_host, *edge.host, false);
        co_await world.loop.sleep(kOutage);
        world.net.set_up(*world.cloud_host, *edge.host, true);
        break;
      case Kind::rebinding:
        for (;;) {
          co_await world.loop.sleep(1s);
          nat->rebind();
        }
      case Kind::narrowing:
        for (int mtu = 1500; mtu > kNarrowest; mtu = std::max(kNarrowest, mtu - 100)) {
          co_await world.loop.sleep(std::chrono::milliseconds(random.below(2000)));
          for (sim::Path* path : {&world.net.path(*world.cloud_host, *edge.host), &world.net.path(*edge.host, *world.cloud_host)})
            path->options().mtu = static_cast<std::size_t>(mtu);
        }
        for (sim::Path* path : {&world.net.path(*world.cloud_host, *edge.host), &world.net.path(*edge.host, *world.cloud_host)})
          path->options().mtu = static_cast<std::size_t>(kNarrowest);
        break;
      default: break;
    }
  }

  static constexpr int kNarrowest = 1228;  // 1200 bytes of UDP: RFC 9000 14 asks for no less
  const Kind kind_;
};

TEST(LinkSimulation, HoweverHarshTheNetworkIsEachFlowIsWholeOrFailsOnBothSides) {
  for (std::uint64_t seed : sim_seeds(3 * kKinds)) {
    run_simulation<HarshWeather>(seed);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace fairlead::link
