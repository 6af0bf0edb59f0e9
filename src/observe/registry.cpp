#include "observe/registry.h"

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <stdexcept>

namespace fairlead::observe {

namespace {

// https://prometheus.io/docs/concepts/data_model: [a-zA-Z_][a-zA-Z0-9_]*, for metrics also colons, which are left to recording rules.
bool is_name(std::string_view text) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !text.empty() && letter(text.front()) && std::ranges::all_of(text, [&](char c) { return letter(c) || digit(c); });
}

void require(bool held, std::string_view series, std::string_view what) {
  if (!held) throw std::logic_error(fmt::format("metric \"{}\": {}", series, what));
}

}  // namespace

// One series: its cells by loop, or a function.
struct Registry::Member {
  std::map<LoopIndex, std::unique_ptr<Counter>> counters;
  std::map<LoopIndex, std::unique_ptr<Gauge>> gauges;
  std::map<LoopIndex, std::unique_ptr<Histogram>> histograms;
  std::function<double()> computed;
};

struct Registry::Family {
  Kind kind;
  std::string help;
  Buckets buckets;
  std::map<Labels, Member> members;
};

Registry::Registry() = default;
Registry::~Registry() = default;

Registry::Member& Registry::member(Kind kind, const Series& series, const Buckets& buckets) {
  require(is_name(series.name), series.name, "not a name");
  for (const auto& [label, value] : series.labels) require(is_name(label) && label != "le", series.name, "a label has no valid name");
  Family& family = families_.try_emplace(series.name, Family{kind, series.help, buckets, {}}).first->second;
  require(family.kind == kind, series.name, "registered as two kinds");
  require(family.help == series.help, series.name, "registered with two helps");
  require(family.buckets == buckets, series.name, "registered with two lists of buckets");
  return family.members[series.labels];
}

namespace {

template <class Cell, class... Args>
Cell& cell_of(std::map<LoopIndex, std::unique_ptr<Cell>>& cells, LoopIndex loop, const Args&... args) {
  std::unique_ptr<Cell>& cell = cells[loop];
  if (!cell) cell = std::make_unique<Cell>(args...);
  return *cell;
}

}  // namespace

Counter& Registry::counter(LoopIndex loop, const Series& series) {
  const std::lock_guard lock(mutex_);
  return cell_of(member(Kind::counter, series, {}).counters, loop);
}

Gauge& Registry::gauge(LoopIndex loop, const Series& series) {
  const std::lock_guard lock(mutex_);
  return cell_of(member(Kind::gauge, series, {}).gauges, loop);
}

Histogram& Registry::histogram(LoopIndex loop, const Series& series, const Buckets& buckets) {
  require(buckets.first > 0 && buckets.count >= 1 && buckets.count <= Histogram::kMost, series.name, "bad buckets");
  const std::lock_guard lock(mutex_);
  return cell_of(member(Kind::histogram, series, buckets).histograms, loop, buckets);
}

void Registry::computed(Kind kind, const Series& series, std::function<double()> value) {
  require(kind != Kind::histogram, series.name, "a histogram cannot be computed");
  const std::lock_guard lock(mutex_);
  member(kind, series, {}).computed = std::move(value);
}

std::vector<prometheus::MetricFamily> Registry::Collect() const {
  static constexpr prometheus::MetricType kTypes[] = {prometheus::MetricType::Counter, prometheus::MetricType::Gauge,
                                                      prometheus::MetricType::Histogram};
  const std::lock_guard lock(mutex_);
  std::vector<prometheus::MetricFamily> families;
  families.reserve(families_.size());
  for (const auto& [name, family] : families_) {
    prometheus::MetricFamily& out = families.emplace_back();
    out.name = name;
    out.help = family.help;
    out.type = kTypes[static_cast<std::size_t>(family.kind)];
    out.metric.reserve(family.members.size());
    for (const auto& [labels, member] : family.members) {
      prometheus::ClientMetric& metric = out.metric.emplace_back();
      for (const auto& [label, value] : labels) metric.label.push_back({label, value});
      double value = member.computed ? member.computed() : 0;
      for (const auto& [loop, cell] : member.counters) value += static_cast<double>(cell->value());
      for (const auto& [loop, cell] : member.gauges) value += cell->value();
      if (family.kind == Kind::counter) metric.counter.value = value;
      if (family.kind == Kind::gauge) metric.gauge.value = value;
      if (family.kind != Kind::histogram) continue;
      std::uint64_t seen = 0;
      for (std::size_t i = 0; i <= family.buckets.count; i++) {
        for (const auto& [loop, cell] : member.histograms) seen += cell->count(i);
        if (i < family.buckets.count) metric.histogram.bucket.push_back({seen, family.buckets.bound(i)});
      }
      metric.histogram.sample_count = seen;  // the serializer adds the bucket of infinity
      for (const auto& [loop, cell] : member.histograms) metric.histogram.sample_sum += cell->sum();
    }
  }
  return families;
}

std::string to_text(const Registry& registry) { return prometheus::TextSerializer().Serialize(registry.Collect()); }

}  // namespace fairlead::observe
