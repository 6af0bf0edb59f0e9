// The same against a cluster that is there: FAIRLEAD_TEST_KUBECONFIG names a kubeconfig whose user may list what is watched, and patch
// Nodes. Labels of a Node are changed and put back.
#include <gtest/gtest.h>
#include <time.h>

#include <cstdlib>

#include "kube/cluster.h"
#include "kube/objects.h"
#include "net/real_network.h"
#include "runtime/asio_loop.h"

namespace fairlead::kube {
namespace {

class RealCluster : public ::testing::Test {
 protected:
  static constexpr std::string_view kLabel = "fairlead.dev/test";

  void SetUp() override {
    const char* file = std::getenv("FAIRLEAD_TEST_KUBECONFIG");  // NOLINT(concurrency-mt-unsafe)
    if (file == nullptr) GTEST_SKIP() << "FAIRLEAD_TEST_KUBECONFIG names no cluster";
    kubeconfig = file;
  }
  LoadAccess load() {
    return [this] { return access_by_kubeconfig({.file = kubeconfig, .context = "", .more = {}}); };
  }
  Task<Result<void>> until_told(std::function<bool()> enough) {
    while (!directory || !enough()) co_await told.wait();
    co_return Result<void>{};
  }
  void wait(std::function<bool()> enough) { loop.run(waited(std::move(enough))); }
  Task<void> waited(std::function<bool()> enough) {
    auto done = co_await with_deadline<void>(loop, loop.now() + 20s, "the cluster", until_told(std::move(enough)));
    EXPECT_TRUE(done) << done.error().describe();
  }
  Task<void> label(std::string node, std::string value, Cluster& cluster) {
    ApiRequest request{.method = "PATCH", .path = "/api/v1/nodes/" + node, .verb = "patch", .resource = "nodes", .name = node};
    request.body = fmt::format(R"({{"metadata":{{"labels":{{"{}":{}}}}}}})", kLabel, value);
    request.content = "application/merge-patch+json";
    auto done = co_await cluster.client().call(std::move(request));
    EXPECT_TRUE(done) << done.error().describe();
  }

  Task<void> sleep_for(Duration d) { co_await loop.sleep(d); }

  std::filesystem::path kubeconfig;
  AsioLoop loop;
  net::RealNetwork network{loop};
  WaitQueue told{loop};
  std::shared_ptr<const Directory> directory;
};

TEST_F(RealCluster, IsWatchedAndItsChangesAreKnownSoon) {
  const auto labelled = [](const Labels& labels) {
    return std::ranges::any_of(labels, [](const auto& label) { return label.first == kLabel; });
  };
  const TimePoint begun = loop.now();
  Cluster cluster(network, load(), labelled, [this](std::shared_ptr<const Directory> made) {
    directory = std::move(made);
    told.wake_all();
  });
  wait([] { return true; });
  ASSERT_TRUE(directory);
  const Directory::Sizes sizes = directory->sizes();
  std::printf("known after %s: %zu nodes, %zu pods, %zu services, %zu endpoints\n", to_text(loop.now() - begun).c_str(), sizes.nodes,
              sizes.pods, sizes.services, sizes.endpoints);
  EXPECT_GT(sizes.nodes, 0U);
  EXPECT_GT(sizes.services, 0U);
  const auto stranger = [](const NodeName&) { return Standing::stranger; };
  EXPECT_TRUE(std::holds_alternative<Direct>(directory->find({"kubernetes.default.svc", 443}, stranger)));

  const char* wished = std::getenv("FAIRLEAD_TEST_NODE");  // NOLINT(concurrency-mt-unsafe)
  ASSERT_NE(wished, nullptr) << "FAIRLEAD_TEST_NODE names a node to label";
  const NodeName node = NodeName::parse(wished).value();
  ASSERT_NE(directory->node(node), nullptr);
  ASSERT_FALSE(directory->node(node)->addresses.empty());
  const std::string ip = directory->node(node)->addresses.front().to_text();
  const TimePoint patched = loop.now();
  loop.run(label(wished, "\"1\"", cluster));
  wait([&] { return directory->node(node)->labelled; });
  std::printf("a label is known %s after it was asked for\n", to_text(loop.now() - patched).c_str());
  for (const std::string& host : {std::string(wished), ip}) {
    const Found found = directory->find({host, directory->node(node)->kubelet_port}, stranger);
    ASSERT_TRUE(std::holds_alternative<AtEdge>(found)) << host;
    EXPECT_EQ(std::get<AtEdge>(found).node, node);
    EXPECT_EQ(std::get<AtEdge>(found).kind, AtEdge::Kind::kubelet);
  }
  loop.run(label(wished, "null", cluster));
  wait([&] { return !directory->node(node)->labelled; });
  for (const Cluster::KindState& kind : cluster.states()) {
    std::printf("%s: %zu objects, %llu lists, %llu watches, %llu events\n", kind.resource.c_str(), kind.objects,
                static_cast<unsigned long long>(kind.watch.lists), static_cast<unsigned long long>(kind.watch.watches),
                static_cast<unsigned long long>(kind.watch.events));
    EXPECT_FALSE(kind.watch.failure) << kind.watch.failure->describe();
    EXPECT_EQ(kind.watch.lists, 1U);
  }
}

// FAIRLEAD_TEST_SECONDS: how long to watch, to see what events cost.
TEST_F(RealCluster, WhatItsEventsCost) {
  const char* seconds = std::getenv("FAIRLEAD_TEST_SECONDS");  // NOLINT(concurrency-mt-unsafe)
  if (seconds == nullptr) GTEST_SKIP() << "FAIRLEAD_TEST_SECONDS is not set";
  std::size_t made = 0;
  Cluster cluster(network, load(), nullptr, [&](std::shared_ptr<const Directory> one) {
    directory = std::move(one);
    told.wake_all();
    made++;
  });
  wait([] { return true; });
  const auto cpu = [] {
    timespec at{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return std::chrono::seconds(at.tv_sec) + std::chrono::nanoseconds(at.tv_nsec);
  };
  const auto before = cpu();
  const auto events = [&] {
    std::uint64_t n = 0;
    for (const Cluster::KindState& kind : cluster.states()) n += kind.watch.events;
    return n;
  };
  const std::uint64_t first = events();
  const TimePoint begun = loop.now();
  loop.run(sleep_for(std::chrono::seconds(std::atoi(seconds))));
  const double elapsed = std::chrono::duration<double>(loop.now() - begun).count();
  const auto n = static_cast<double>(events() - first);
  std::printf("%.0f events a second, %zu directories, %.2f %% of a core\n", n / elapsed, made,
              100 * std::chrono::duration<double>(cpu() - before).count() / elapsed);
}

}  // namespace
}  // namespace fairlead::kube
