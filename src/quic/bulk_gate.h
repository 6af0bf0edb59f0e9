// bulk_gate.h: how many bytes bulk may have in flight, so that the queue that it builds in the path stays near a target.
//
// in flight = rate * RTT, so cap * (base RTT + target) / RTT leaves just the target. Loss alone never lowers the cap, and it is never
// a share of the congestion window: a window that is not filled only ever shrinks, and with it the throughput.
//
// What is compared is the mean of a round trip: with the shortest sample, and with the lowest mean of those that carried something, as on
// a path that jitters the two are far apart and the difference is no queue.
//
// Delay that does not go when bulk sends less is not bulk's queue: the way has become longer, or others fill it. Then bulk gives way no
// further, and if it is much it is the base from then on, until some seconds later a shorter round trip is seen; unless much comes the
// other way, too, as the peer's gate shortens that queue. In the first round trips more is let stand: a queue of bulk's shows as a leap
// there, as what is in flight doubles, and BBR takes a cut for what only looks like one for the rate of the path.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/time.h"

namespace fairlead::quic {

class BulkGate {
 public:
  struct Path {
    Duration latest_rtt, smoothed_rtt;
    std::uint64_t in_flight;  // bytes
    std::uint64_t received;   // bytes, ever
  };

  explicit BulkGate(Duration target) : target_(target) {}

  // Call it often; it decides once a round trip.
  void update(TimePoint now, const Path& path) {
    if (target_ <= Duration::zero() || path.smoothed_rtt <= Duration::zero()) return;
    shortest_.add(now, path.latest_rtt);
    sum_ += path.latest_rtt;
    samples_++;
    most_ = std::max(most_, path.in_flight);
    if (now < next_) return;
    next_ = now + path.smoothed_rtt;
    const Duration rtt = sum_ / samples_;
    if (most_ >= kLoaded && samples_ >= kSamples) {
      lowest_mean_.add(now, rtt);
      loaded_++;
    }
    // What a cut has changed is seen a round trip later.
    if (!std::exchange(settling_, false) && loaded_ > 0) decide(now, rtt, path.received - received_);
    received_ = path.received;
    sum_ = {};
    samples_ = 0;
    most_before_ = std::exchange(most_, path.in_flight);
  }
  bool open(std::uint64_t in_flight) const { return in_flight < cap_; }
  void path_changed() { *this = BulkGate(target_); }
  std::uint64_t cap() const { return cap_; }

 private:
  static constexpr std::uint64_t kNone = UINT64_MAX;
  static constexpr std::uint64_t kFloor = 64 << 10;   // a slow start's worth; below that the estimate is noise
  static constexpr std::uint64_t kLoaded = 16 << 10;  // in flight, and
  static constexpr int kSamples = 4;                  // at least, for a round trip whose mean counts
  static constexpr int kFirst = 16;                   // of these, round trips
  static constexpr double kFirstQueue = 0.4;          // of the base, let stand in them
  static constexpr double kGrowth = 0.125;            // of the cap, a round trip, while there is no queue
  static constexpr double kCut = 0.5;                 // in one step, at most
  static constexpr double kDeepest = 0.4;             // in all, while the delay does not show it

  // `rtt`: the mean of this round trip.
  void decide(TimePoint now, Duration rtt, std::uint64_t received) {
    const Duration base = std::max(shortest_.value(), lowest_mean_.value() - target_ / 2);
    const Duration goal = base + target_;
    const Duration let_stand = cap_ == kNone && loaded_ <= kFirst ? std::max(goal, base + scaled(base, kFirstQueue)) : goal;
    if (rtt <= let_stand) {
      cut_from_ = 0;
      if (cap_ != kNone && most_ > cap_ - cap_ / 8) cap_ += part(cap_, kGrowth * std::min(ratio(goal - rtt, target_), 1.0));
    } else if (cut_from_ != 0 && cap_ <= deepest() && !cuts_show(rtt, goal)) {
      if (received >= kFloor) return;
      lowest_mean_.replace(now, rtt);
      cap_ = std::exchange(cut_from_, 0);
    } else if (most_ >= kFloor) {  // with less than that, whoever makes the queue, it is not bulk
      // The delay is that of what was in flight a round trip ago, half as much where it doubles each time.
      const std::uint64_t used = std::min(cap_, std::max(most_before_, most_ / 2));
      if (cut_from_ == 0) {
        cut_from_ = std::min(cap_, most_);
        rtt_at_cut_ = rtt;
      }
      cap_ = std::max(part(used, std::max(ratio(goal, rtt), kCut)), deepest());
      settling_ = true;
    }
  }
  std::uint64_t deepest() const { return std::max(part(cut_from_, kDeepest), kFloor); }
  // Whether the delay has gone down by at least half of what it would if all of it were bulk's queue.
  bool cuts_show(Duration rtt, Duration goal) const {
    return rtt <= (rtt_at_cut_ + std::max(goal, scaled(rtt_at_cut_, ratio(cap_, cut_from_)))) / 2;
  }

  static Duration scaled(Duration d, double by) { return Duration(static_cast<Duration::rep>(static_cast<double>(d.count()) * by)); }
  static double ratio(Duration a, Duration b) { return static_cast<double>(a.count()) / static_cast<double>(b.count()); }
  static double ratio(std::uint64_t a, std::uint64_t b) { return static_cast<double>(a) / static_cast<double>(b); }
  static std::uint64_t part(std::uint64_t of, double share) { return static_cast<std::uint64_t>(static_cast<double>(of) * share); }

  // The lowest of the last 15 to 30 s: BBR empties the queue every 5 s or so.
  class Lowest {
   public:
    void add(TimePoint now, Duration sample) {
      if (now < held_until_) return;
      if (now >= next_) {
        next_ = now + 15s;
        before_ = std::exchange(current_, sample);
      }
      current_ = std::min(current_, sample);
    }
    // What is lower is passed over for a while.
    void replace(TimePoint now, Duration by) {
      before_ = current_ = by;
      held_until_ = now + 5s;
      next_ = now + 15s;
    }
    Duration value() const { return std::min(before_, current_); }

   private:
    Duration before_ = Duration::max(), current_ = Duration::max();
    TimePoint next_{}, held_until_{};
  };

  Duration target_;
  Lowest shortest_, lowest_mean_;
  int loaded_ = 0;  // round trips that count, ever
  TimePoint next_{};
  // Of this round trip.
  Duration sum_{};
  int samples_ = 0;
  std::uint64_t most_ = 0;  // in flight
  // Before it.
  std::uint64_t most_before_ = 0, received_ = 0;

  // Since the first of the cuts that are under way; 0: none is.
  std::uint64_t cut_from_ = 0;
  Duration rtt_at_cut_{};
  bool settling_ = false;
  std::uint64_t cap_ = kNone;
};

}  // namespace fairlead::quic
