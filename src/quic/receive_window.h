// receive_window.h: how many more bytes the peer may send on one stream.
//
// The window is what may be in flight and unread together. It starts small and doubles only for a reader that drains: one that consumes
// a quarter of it within three round trips. So it stays ahead of what the sender has in flight, also while a lost packet holds up what
// came after it: a sender that the window stops looks to its congestion control like a path that can do no more. While memory is short
// (`tight`) nothing grows and what was grown is taken back. Credit is handed out in quarters of the first window, not byte by byte.
#pragma once
#include <algorithm>
#include <cstdint>

#include "base/function_ref.h"
#include "base/time.h"

namespace fairlead::quic {

class ReceiveWindow {
 public:
  struct Conditions {
    TimePoint now;
    Duration rtt;
    std::uint64_t first, largest;  // bounds of the window
    bool tight;
  };

  explicit ReceiveWindow(std::uint64_t first) : window_(first) {}

  // The reader took `n` bytes. Returns how many more than now the peer may send; 0: not worth a frame yet.
  // `may_grow(bytes)` is asked before the window grows by that much.
  std::uint64_t consumed(std::uint64_t n, const Conditions& c, FunctionRef<bool(std::uint64_t)> may_grow) {
    if (round_ == 0) round_start_ = c.now;
    round_ += n;
    pending_ += n;
    if (round_ >= window_ / kPart) {
      const std::uint64_t more = std::min(window_, c.largest - std::min(window_, c.largest));
      if (c.now - round_start_ <= kRoundTrips * c.rtt && more > 0 && !c.tight && may_grow(more)) {
        window_ += more;
        pending_ += more;
      }
      round_ = 0;
    }
    if (c.tight && window_ > c.first) {
      const std::uint64_t less = std::min(pending_, window_ - c.first);
      window_ -= less;
      pending_ -= less;
    }
    if (pending_ <= c.first / 4) return 0;  // the library sends no frame for less either
    return std::exchange(pending_, 0);
  }

  std::uint64_t size() const { return window_; }

 private:
  static constexpr std::uint64_t kPart = 4;
  static constexpr int kRoundTrips = 3;

  std::uint64_t window_;
  std::uint64_t pending_ = 0;  // consumed and not yet given back
  std::uint64_t round_ = 0;    // consumed since round_start_
  TimePoint round_start_{};
};

}  // namespace fairlead::quic
