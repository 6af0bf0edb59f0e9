// What a download gets of a link: of one that loses packets, that is unsteady, that has just become longer; and after an idle time.
#include <gtest/gtest.h>

#include "link/flow_script.h"
#include "link/link_world.h"

namespace fairlead::link {
namespace {

class Goodput : public ::testing::Test {
 protected:
  void start(const sim::LinkOptions& link) {
    flows.reset();
    world = std::make_unique<LinkWorld>(link);
    edge = &world->edge("edge-a");
    at_cloud = std::make_unique<ScriptEgress>(world->loop, ledger);
    at_edge = std::make_unique<ScriptEgress>(world->loop, ledger);
    flows = std::make_unique<Scope>(world->loop);
    world->cloud->egresses.add(*at_cloud);
    edge->egresses.add(*at_edge);
    world->loop.run(edge->link->connected(), 10s);
  }
  FlowRecord& download(std::uint32_t bytes) {
    FlowScript script{.id = ++flow_count, .down = bytes};
    FlowRecord& record = ledger.add(script);
    flows->spawn(play_opener(world->loop, *world->cloud_link, to_node("edge-a"), script, record));
    return record;
  }
  // Mbit/s of a download of `bytes`, with what each quarter of a second brought. `event` is what happens after a second.
  double rate(std::uint32_t bytes, const std::function<void()>& event = nullptr) {
    FlowRecord& record = download(bytes);
    const TimePoint began = world->loop.now();
    std::uint64_t before = 0;
    series.clear();
    for (int step = 1; !record.opener.over && world->loop.now() - began < 200s; step++) {
      world->loop.run_for(25ms);
      if (step == 40 && event) event();
      if (step % 10 != 0) continue;
      series += fmt::format("{:.0f} ", static_cast<double>(record.opener.received - before) * 8 / 0.25e6);
      before = record.opener.received;
    }
    EXPECT_TRUE(record.opener.whole && record.opener.intact) << series;
    return static_cast<double>(bytes) * 8e-6 / std::chrono::duration<double>(world->loop.now() - began).count();
  }

  CapturedLog log;
  FlowLedger ledger;
  std::unique_ptr<LinkWorld> world;
  TestEdge* edge = nullptr;
  std::unique_ptr<ScriptEgress> at_cloud, at_edge;
  std::unique_ptr<Scope> flows;
  std::uint32_t flow_count = 0;
  std::string series;
};

TEST_F(Goodput, OfALossyLinkIsNearItsRate) {
  for (const auto& [loss, least] : std::map<double, double>{{0, 85}, {0.01, 80}, {0.03, 60}}) {
    SCOPED_TRACE(fmt::format("loss {}", loss));
    double sum = 0;
    std::string all;
    for (std::uint64_t seed : {1, 2, 3}) {
      start({.seed = seed, .rtt = 50ms, .loss = loss, .rate = 100'000'000, .queue = 400});
      for (const char* which : {"a new session", "the next download"}) {
        sum += rate(50'000'000);
        all += fmt::format("seed {}, {}: {}\n", seed, which, series);
      }
    }
    EXPECT_GT(sum / 6, least) << all;
  }
}

TEST_F(Goodput, AfterAnIdleTimeIsTheSame) {
  start({.rtt = 50ms, .loss = 0.01, .rate = 100'000'000, .queue = 400});
  world->loop.run_for(30s);
  EXPECT_GT(rate(50'000'000), 80) << series;
}

TEST_F(Goodput, OfAnUnsteadyLinkIsGood) {
  for (const auto& [jitter, least] : std::map<Duration, double>{{10ms, 70}, {20ms, 50}, {40ms, 35}}) {
    SCOPED_TRACE(to_text(jitter));
    for (std::uint64_t seed : {1, 2, 3, 4, 5}) {
      start({.seed = seed, .rtt = 50ms, .jitter = jitter, .loss = 0.01, .rate = 100'000'000, .queue = 400});
      EXPECT_GT(rate(50'000'000), least) << "seed " << seed << ": " << series;
    }
  }
}

TEST_F(Goodput, OfALinkThatHasBecomeLongerIsNearItsRate) {
  for (double loss : {0.0, 0.02}) {
    SCOPED_TRACE(loss);
    start({.rtt = 1ms, .queue = 400});
    rate(10'000'000);
    world->net.set_options(*world->cloud_host, *edge->host, {.rtt = 50ms, .loss = loss, .rate = 100'000'000, .queue = 400});
    EXPECT_GT(rate(50'000'000), 70) << series;
  }
}

// The cloud begins anew with what it knows of the path, while what was under way by the old one is lost.
TEST_F(Goodput, WhenANatForgetsInMidDownloadIsNearItsRateAgainSoon) {
  for (double loss : {0.0, 0.01}) {
    for (std::uint64_t seed : {1, 2}) {
      SCOPED_TRACE(fmt::format("loss {}, seed {}", loss, seed));
      start({.seed = seed, .rtt = 50ms, .loss = loss, .rate = 100'000'000, .queue = 400});
      sim::Nat& nat = world->net.nat(ip("198.51.100.9"));
      edge->host->set_nat(nat);
      world->loop.run_for(1s);
      EXPECT_GT(rate(50'000'000, [&nat] { nat.rebind(); }), 65) << series;
    }
  }
}

TEST_F(Goodput, WithANewAddressInMidDownloadIsNearItsRateAgainSoon) {
  for (double loss : {0.0, 0.01}) {
    for (std::uint64_t seed : {1, 2}) {
      SCOPED_TRACE(fmt::format("loss {}, seed {}", loss, seed));
      start({.seed = seed, .rtt = 50ms, .loss = loss, .rate = 100'000'000, .queue = 400});
      EXPECT_GT(rate(50'000'000, [this] { edge->host->change_address(ip("10.0.0.1"), ip("10.0.0.77")); }), 65) << series;
    }
  }
}

TEST_F(Goodput, OfAGigabitIsMostOfIt) {
  start({.rtt = 20ms, .loss = 0.001, .rate = 1'000'000'000, .queue = 2000});
  EXPECT_GT(rate(250'000'000), 700) << series;
}

}  // namespace
}  // namespace fairlead::link
