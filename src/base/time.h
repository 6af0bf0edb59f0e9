// time.h: durations and the two clocks. Neither has a now(): time comes from the Loop, so that it can be virtual.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace fairlead {

using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

// Monotonic time of one process (or of one simulation). Never goes on the wire.
struct MonotonicClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock, duration>;
  static constexpr bool is_steady = true;
};
using TimePoint = MonotonicClock::time_point;

// Calendar time: certificates and logs only.
using WallTime = std::chrono::sys_time<Duration>;

std::string to_rfc3339(WallTime at);  // "2026-11-25T09:15:47.123Z"
std::string to_text(Duration d);      // "1.5s", "230ms", "14us"

}  // namespace fairlead
