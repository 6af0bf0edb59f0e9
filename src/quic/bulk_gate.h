// bulk_gate.h: how many bytes bulk may have in flight, so that the queue that it builds in the path stays near a target.
//
// in flight = rate * RTT, so cap * (base RTT + target) / RTT leaves just the target. Loss alone never lowers the cap, and it is never
// a share of the congestion window: a window that is not filled only ever shrinks, and with it the throughput.
#pragma once
#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace fairlead::quic {

class BulkGate {
 public:
  struct Path {
    Duration latest_rtt, smoothed_rtt;
    std::uint64_t window, in_flight;  // bytes
  };

  explicit BulkGate(Duration target) : target_(target) {}

  // Looks at the path, once a round trip.
  void update(TimePoint now, const Path& path) {
    if (target_ <= Duration::zero() || path.smoothed_rtt <= Duration::zero()) return;
    lowest_.add(now, path.latest_rtt);
    if (now < next_) return;
    next_ = now + path.smoothed_rtt;
    const Duration goal = lowest_.value() + target_;
    if (path.smoothed_rtt > goal) {
      const std::uint64_t used = std::max(path.in_flight, path.window / 2);
      const double scale = static_cast<double>(goal.count()) / static_cast<double>(path.smoothed_rtt.count());
      cap_ = std::max(static_cast<std::uint64_t>(static_cast<double>(std::min({cap_, path.window, used})) * scale), kFloor);
    } else if (cap_ != kNone && path.in_flight > cap_ - cap_ / 10) {
      cap_ += cap_ / 32;
    }
  }
  bool open(std::uint64_t in_flight) const { return in_flight < cap_; }
  void path_changed() { *this = BulkGate(target_); }
  std::uint64_t cap() const { return cap_; }

 private:
  static constexpr std::uint64_t kNone = UINT64_MAX;
  static constexpr std::uint64_t kFloor = 64 << 10;  // a slow start's worth; below that the estimate is noise

  // The lowest of the last 15 to 30 s: a route can become longer without a new address, and BBR empties the queue every 5 s or so.
  class Lowest {
   public:
    void add(TimePoint now, Duration sample) {
      if (now >= next_) {
        next_ = now + 15s;
        before_ = current_;
        current_ = sample;
      }
      current_ = std::min(current_, sample);
    }
    Duration value() const { return std::min(before_, current_); }

   private:
    Duration before_ = Duration::max(), current_ = Duration::max();
    TimePoint next_{};
  };

  Duration target_;
  Lowest lowest_;
  TimePoint next_{};
  std::uint64_t cap_ = kNone;
};

}  // namespace fairlead::quic
