#include "observe/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>

#include <stdexcept>
#include <thread>

namespace fairlead::observe {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr LoopIndex kFirst{0}, kSecond{1};
const Series kOpened{"fairlead_flows_opened_total", "Flows opened.", {{"plugin", "tcp"}}};

TEST(Registry, ASeriesIsTheSumOverItsLoops) {
  Registry registry;
  registry.counter(kFirst, kOpened).add(3);
  registry.counter(kSecond, kOpened).add();
  Gauge& open = registry.gauge(kFirst, {"fairlead_flows", "Flows now.", {}});
  open.add(5);
  open.sub(2);
  registry.gauge(kSecond, {"fairlead_flows", "Flows now.", {}}).set(0.5);
  EXPECT_EQ(to_text(registry),
            "# HELP fairlead_flows Flows now.\n"
            "# TYPE fairlead_flows gauge\n"
            "fairlead_flows 3.5\n"
            "# HELP fairlead_flows_opened_total Flows opened.\n"
            "# TYPE fairlead_flows_opened_total counter\n"
            "fairlead_flows_opened_total{plugin=\"tcp\"} 4\n");
}

TEST(Registry, TheSameSeriesIsTheSameCellOnItsLoopOnly) {
  Registry registry;
  EXPECT_EQ(&registry.counter(kFirst, kOpened), &registry.counter(kFirst, kOpened));
  EXPECT_NE(&registry.counter(kFirst, kOpened), &registry.counter(kSecond, kOpened));
  Series other = kOpened;
  other.labels["plugin"] = "udp";
  EXPECT_NE(&registry.counter(kFirst, kOpened), &registry.counter(kFirst, other));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&registry.counter(kFirst, kOpened)) % kCacheLine, 0u);
}

TEST(Registry, AHistogramCanBeFilledFromOneThatWasKeptElsewhere) {
  Histogram kept{kLatencyBuckets};
  kept.observe(0.0005);
  kept.observe(100);
  Registry registry;
  Histogram& cell = registry.histogram(LoopIndex(0), {"fairlead_seconds", "s", {}}, kLatencyBuckets);
  cell.copy_from(kept);
  kept.observe(0.0005);
  cell.copy_from(kept);
  EXPECT_EQ(cell.count(0), 2u);
  EXPECT_EQ(cell.count(kLatencyBuckets.count), 1u);
  EXPECT_DOUBLE_EQ(cell.sum(), 100.001);
}

TEST(Registry, AHistogramCountsUpToAndWithItsBounds) {
  Registry registry;
  const Series series{"fairlead_open_seconds", "Time to open.", {}};
  const Buckets buckets{1, 3};  // 1, 2, 4
  Histogram& near = registry.histogram(kFirst, series, buckets);
  Histogram& far = registry.histogram(kSecond, series, buckets);
  for (double value : {0.5, 1.0, 1.5}) near.observe(value);
  for (double value : {4.0, 4.5}) far.observe(value);
  const std::string text = to_text(registry);
  EXPECT_THAT(text, HasSubstr("fairlead_open_seconds_count 5\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_open_seconds_sum 11.5\n"));
  EXPECT_THAT(text, HasSubstr("{le=\"1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("{le=\"2\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("{le=\"4\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("{le=\"+Inf\"} 5\n"));
}

TEST(Registry, TheDefaultBucketsReachWhatTheySay) {
  EXPECT_NEAR(kLatencyBuckets.bound(kLatencyBuckets.count - 1), 16.384, 1e-9);
  EXPECT_EQ(kSizeBuckets.bound(kSizeBuckets.count - 1), 128.0 * 1024 * 1024);
}

TEST(Registry, AComputedValueIsAskedForAtEachScrape) {
  Registry registry;
  double value = 1;
  registry.computed(Registry::Kind::gauge, {"fairlead_uptime_seconds", "Uptime.", {}}, [&value] { return value; });
  EXPECT_THAT(to_text(registry), HasSubstr("fairlead_uptime_seconds 1\n"));
  value = 2;
  EXPECT_THAT(to_text(registry), HasSubstr("fairlead_uptime_seconds 2\n"));
}

TEST(Registry, LabelValuesAreEscaped) {
  Registry registry;
  registry.counter(kFirst, {"fairlead_x_total", "x", {{"listener", "a\"b\\c\nd"}}});
  EXPECT_THAT(to_text(registry), HasSubstr(R"(fairlead_x_total{listener="a\"b\\c\nd"} 0)"));
}

TEST(Registry, WhatContradictsItselfIsADefect) {
  Registry registry;
  registry.counter(kFirst, kOpened);
  EXPECT_THROW(registry.gauge(kFirst, kOpened), std::logic_error);
  Series other_help = kOpened;
  other_help.help = "Something else.";
  EXPECT_THROW(registry.counter(kFirst, other_help), std::logic_error);
  const Series histogram{"fairlead_h", "h", {}};
  registry.histogram(kFirst, histogram, kLatencyBuckets);
  EXPECT_THROW(registry.histogram(kFirst, histogram, kSizeBuckets), std::logic_error);
  EXPECT_THROW(registry.histogram(kFirst, {"fairlead_many", "h", {}}, Buckets{1, Histogram::kMost + 1}), std::logic_error);
  EXPECT_NO_THROW(registry.histogram(kFirst, {"fairlead_most", "h", {}}, Buckets{1, Histogram::kMost}));
  EXPECT_THROW(registry.counter(kFirst, {"no-name", "x", {}}), std::logic_error);
  EXPECT_THROW(registry.counter(kFirst, {"0name", "x", {}}), std::logic_error);
  EXPECT_THROW(registry.counter(kFirst, {"fairlead_y_total", "x", {{"bad label", "x"}}}), std::logic_error);
  EXPECT_THAT(to_text(registry), Not(HasSubstr("name")));
  EXPECT_THAT(to_text(registry), Not(HasSubstr("fairlead_y_total")));
}

TEST(Registry, IsScrapedWhileLoopsCount) {
  Registry registry;
  constexpr std::uint64_t kEach = 100'000;
  auto count = [&registry](LoopIndex loop) {
    Counter& cell = registry.counter(loop, kOpened);
    Histogram& sizes = registry.histogram(loop, {"fairlead_sizes", "s", {}}, kSizeBuckets);
    for (std::uint64_t i = 0; i < kEach; i++) {
      cell.add();
      sizes.observe(static_cast<double>(i));
    }
  };
  std::thread first(count, kFirst), second(count, kSecond);
  double seen = 0;
  for (int i = 0; i < 20; i++) {
    for (const prometheus::MetricFamily& family : registry.Collect()) {
      if (family.name != kOpened.name) continue;
      EXPECT_GE(family.metric.at(0).counter.value, seen) << "a counter never goes back";
      seen = family.metric.at(0).counter.value;
    }
  }
  first.join();
  second.join();
  EXPECT_THAT(to_text(registry), HasSubstr("{plugin=\"tcp\"} 200000\n"));
  EXPECT_THAT(to_text(registry), HasSubstr("fairlead_sizes_count 200000\n"));
}

}  // namespace
}  // namespace fairlead::observe
