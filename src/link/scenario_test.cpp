// Scenarios of tests/netlab/scenarios in virtual time; tests/integration/scenario_test.py plays the same for real.
#include "sim/scenario.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "link/link_world.h"

namespace fairlead::link {
namespace {

constexpr std::size_t kLarge = 4'000'000, kSmall = 500;
constexpr std::uint64_t kSeeds = 3;

struct Outcome {
  std::size_t begun = 0, whole = 0;
  std::string wrong;
};

Task<void> echo_whole(Peers& peers, std::size_t size, Outcome& outcome) {
  outcome.begun++;
  auto got = co_await echo(peers, to_node("edge-a"), size);
  if (got && *got == size) {
    outcome.whole++;
  } else {
    outcome.wrong += got ? fmt::format("{} of {} bytes; ", *got, size) : got.error().message + "; ";
  }
}

// Flows that were open before anything happened all come whole, whatever the scenario.
void play(const std::filesystem::path& file, std::uint64_t seed) {
  SCOPED_TRACE(fmt::format("{} seed {}", file.filename().string(), seed));
  CapturedLog log;
  LinkWorld world({.seed = seed});
  TestEdge& edge = world.edge("edge-a");
  edge.host->set_nat(world.net.nat(ip("198.51.100.9")));
  world.loop.run(edge.link->connected());
  const sim::Scenario scenario = sim::Scenario::load(file).value();
  scenario.play(world.net, *edge.host, *world.cloud_host);

  Outcome outcome;
  Scope flows(world.loop);
  world.loop.run_for(1ms);
  for (const std::size_t size : {kLarge, kLarge, kSmall}) flows.spawn(echo_whole(*world.cloud_link, size, outcome));
  world.loop.run_for(scenario.length());
  world.loop.run(flows.done(), 2min);
  EXPECT_EQ(outcome.whole, outcome.begun) << outcome.wrong << log.text();
  EXPECT_EQ(world.cloud_link->counters().accepted, 1u) << "the session was lost: " << log.text();
}

TEST(Scenarios, FlowsComeWholeThroughEachOfThem) {
  for (const auto& file : std::filesystem::directory_iterator(FAIRLEAD_SOURCE_DIR "/tests/netlab/scenarios")) {
    for (std::uint64_t seed = 1; seed <= kSeeds; seed++) play(file.path(), seed);
  }
}

}  // namespace
}  // namespace fairlead::link
