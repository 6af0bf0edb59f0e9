// A pick among 100 endpoints, by each policy.
#include <benchmark/benchmark.h>

#include "route/balancer_world.h"

namespace fairlead::route {
namespace {

using testing::BalancerWorld;

constexpr int kNodes = 100;

std::unique_ptr<BalancerWorld> world_of(std::string_view balancing, std::string_view location = "nodeSelector: {}", int nodes = kNodes) {
  auto world = std::make_unique<BalancerWorld>(testing::backend_with("b", location, fmt::format("  balancing: {{{}}}\n", balancing)) +
                                               testing::backend("name: c", "nodeSelector: {}"));
  for (int i = 0; i < nodes; i++) world->nodes.connect(fmt::format("edge-{}", i), {{"site", "x"}});
  world->share("b");
  return world;
}

void run(benchmark::State& state, BalancerWorld& world) {
  world.nodes.asked = 0;
  for (auto _ : state) {
    world.now += 1us;
    benchmark::DoNotOptimize(world.pick());
  }
  if (world.nodes.asked > 1) state.SkipWithError("the directory was read more than once");
}

void round_robin(benchmark::State& state) { run(state, *world_of("policy: RoundRobin")); }
BENCHMARK(round_robin);

void node_weights(benchmark::State& state) { run(state, *world_of("nodeWeights: {edge-7: 3}")); }
BENCHMARK(node_weights);

void least_request(benchmark::State& state) { run(state, *world_of("policy: LeastRequest")); }
BENCHMARK(least_request);

void hash_of_source(benchmark::State& state) {
  auto world = world_of("policy: Hash, hashOn: Source");
  for (std::uint32_t client = 0; auto _ : state) {
    world->client.ip = net::IpAddress::v4(client++);
    benchmark::DoNotOptimize(world->pick());
  }
}
BENCHMARK(hash_of_source);

void two_shares(benchmark::State& state) {
  auto world = world_of("policy: RoundRobin");
  world->share("c");
  run(state, *world);
}
BENCHMARK(two_shares);

void persistent_session(benchmark::State& state) {
  auto world = world_of("policy: RoundRobin");
  world->rule.persistence.emplace();
  for (int i = 0; i < kNodes / 2; i++) world->persistence = world->pick()->persistence;
  run(state, *world);
}
BENCHMARK(persistent_session);

void node_from_the_request(benchmark::State& state) {
  auto world = world_of("policy: RoundRobin", "nodeFrom: {pathSegment: 1}", 10'000);
  world->path = "/edge-77/x";
  run(state, *world);
}
BENCHMARK(node_from_the_request);

void half_of_them_out(benchmark::State& state) {
  auto world = world_of("policy: LeastRequest");
  std::vector<EndpointName> names;
  for (int i = 0; i < kNodes / 2; i++) names.push_back({NodeName::parse(fmt::format("edge-{}", i)).value(), "127.0.0.1:1"});
  const auto held = world->states->backend(world->backend("b"))->endpoints(names, false);
  for (const auto& endpoint : held) endpoint->set_health(false, "no");
  run(state, *world);
}
BENCHMARK(half_of_them_out);

// What each request pays after a node has come or gone.
void after_a_change_of_1000_nodes(benchmark::State& state) {
  auto world = world_of("policy: RoundRobin", "nodeSelector: {site: x}", 1000);
  for (auto _ : state) {
    world->nodes.connect("other", {{"site", "y"}});
    benchmark::DoNotOptimize(world->pick());
  }
}
BENCHMARK(after_a_change_of_1000_nodes);

}  // namespace
}  // namespace fairlead::route

BENCHMARK_MAIN();
