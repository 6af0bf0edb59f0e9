// registry.h: the metrics of a process: series by name and labels, each with a cell for every loop that counts in it.
//
//   Counter& opened = registry.counter(loop, {"fairlead_flows_opened_total", "Flows opened.", {{"plugin", "tcp"}}});
//   opened.add();                       // on that loop only
//   std::string text = to_text(registry);
//
// There is no global one: a Registry is passed to who counts. It must outlive the cells' users. A series is never removed, so labels
// must come from a small set (plug-in, listener, outcome); never a path, a peer or a flow.
// A wrong name, or one name with two types, helps or bucket bounds, is a broken invariant: std::logic_error.
#pragma once
#include <prometheus/collectable.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/ids.h"
#include "observe/cells.h"

namespace fairlead::observe {

using Labels = std::map<std::string, std::string>;

struct Series {
  std::string name;  // Prometheus' conventions: base units, counters end in _total
  std::string help;
  Labels labels;
};

// Thread-safe.
class Registry final : public prometheus::Collectable {
 public:
  enum class Kind : std::uint8_t { counter, gauge, histogram };

  Registry();
  ~Registry() override;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The cell of `loop`; the same one if asked again.
  Counter& counter(LoopIndex loop, const Series& series);
  Gauge& gauge(LoopIndex loop, const Series& series);
  Histogram& histogram(LoopIndex loop, const Series& series, const Buckets& buckets);
  // A value that is known elsewhere, asked for at each scrape, on the scraping thread. Replaces an earlier one of the same series.
  void computed(Kind kind, const Series& series, std::function<double()> value);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  template <class Cell>
  struct Cells;
  struct Family;
  struct Member;
  Member& member(Kind kind, const Series& series, const Buckets& buckets);

  mutable std::mutex mutex_;
  std::map<std::string, Family> families_;
};

// The text format of Prometheus (version 0.0.4).
inline constexpr std::string_view kTextContentType = "text/plain; version=0.0.4; charset=utf-8";
std::string to_text(const Registry& registry);

}  // namespace fairlead::observe
