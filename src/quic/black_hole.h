// black_hole.h: notices that the path swallows large packets since it became narrower (RFC 8899 4.3), which ngtcp2 1.11 does not.
//
// When nothing that is in flight has been acknowledged for some probe timeouts, packets are kept to 1200 bytes, which every path of
// QUIC's carries. An outage looks the same, so the first time that holds only until something is acknowledged again; when it happens
// again soon, it was the size.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace fairlead::quic {

class BlackHole {
 public:
  static constexpr Duration kAtLeast = 1s;
  static constexpr int kProbeTimeouts = 4;
  static constexpr Duration kSoon = 60s;
  static constexpr Duration kHold = 600s;  // then large packets are tried again

  // Stream data was acknowledged.
  void progress(TimePoint now) {
    progress_at_ = now;
    if (narrow_ && now >= hold_until_) narrow_ = false;
  }
  // Before packets are written.
  void look(TimePoint now, std::uint64_t in_flight, Duration pto) {
    if (in_flight == 0) progress_at_ = now;
    if (narrow_ || now - progress_at_ < std::max(kAtLeast, kProbeTimeouts * pto)) return;
    if (last_ && now - *last_ < kSoon) hold_until_ = now + kHold;
    narrow_ = true;
    last_ = now;
    progress_at_ = now;
  }
  void path_changed(TimePoint now) {
    *this = BlackHole();
    progress_at_ = now;
  }
  bool narrow() const { return narrow_; }

 private:
  TimePoint progress_at_{}, hold_until_{};
  std::optional<TimePoint> last_;
  bool narrow_ = false;
};

}  // namespace fairlead::quic
