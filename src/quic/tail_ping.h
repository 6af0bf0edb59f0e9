// tail_ping.h: when a client asks for a sign of life because what was coming to it has stopped.
//
// A client that only receives has nothing of its own in flight. When its NAT has forgotten it, or its link has gone, it would learn of that
// by its keep-alive, seconds later, and its peer, which does have something in flight, sends to where nobody is. So a silence that
// follows upon data is answered with one PING, of whose answer nothing more comes.
#pragma once
#include <algorithm>

#include "base/time.h"

namespace fairlead::quic {

class TailPing {
 public:
  static constexpr Duration kLeast = 100ms;  // what jitter and a sender's pauses between packets make

  void data_came(TimePoint now, Duration round_trip) { at_ = now + std::max(kLeast, 2 * round_trip); }
  // The peer has heard something since: no need.
  void data_acknowledged() { at_ = TimePoint::max(); }
  TimePoint at() const { return at_; }
  // Once.
  bool due(TimePoint now) {
    if (now < at_) return false;
    at_ = TimePoint::max();
    return true;
  }

 private:
  TimePoint at_ = TimePoint::max();
};

}  // namespace fairlead::quic
