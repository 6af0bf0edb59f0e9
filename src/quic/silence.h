// silence.h: when a path is taken for dead, and how it is found alive again at once.
//
// RFC 9002 probes ever more rarely: after an outage of a minute its next probe may be half a minute away. So when nothing is heard for a
// while though an answer is due, no new data is sent (it would fill the congestion window, and then nothing but those probes may leave),
// and a PING leaves at a fixed pace: its acknowledgement shows what was in flight to be lost and resets the probe timer. A client whose
// window is full moves to another local port, which begins the window anew; in the end it does so anyway, for whatever on the way holds on
// to what has changed.
//
// One who only receives has nothing in flight by which to notice. It asks, once, when what came in mid-stream is not followed by more.
// Invariant: silent from look() until the next packet that is heard.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace fairlead::quic {

class Silence {
 public:
  static constexpr Duration kAfter = 400ms;       // at least, and on long paths so many
  static constexpr int kProbeTimeouts = 2;        // of RFC 9002 6.2.1, not backed off
  static constexpr Duration kClientPing = 250ms;  // what finds the path
  static constexpr Duration kServerPing = 1s;     // a server's only help; they must not fill its window
  static constexpr Duration kFullPace = 2min;     // after so long a silence PINGs become rarer,
  static constexpr int kPart = 32;  // by this part of what is over it: each 6 s after 5 minutes, for a window holds few hundred
  static constexpr Duration kMoveWhenFull = 1500ms;  // after so long a silence: a NAT that rebinds now and then is no outage
  static constexpr Duration kMoveAfter = 5s;         // in any case
  static constexpr Duration kMoveAgain = 5s;         // at the earliest, when PINGs have filled the window
  static constexpr std::uint64_t kLittle = 4096;     // left of a window: as good as full
  static constexpr std::uint64_t kPingSize = 64;     // at most, as a packet

  enum class Do : std::uint8_t { nothing, ask, hold, move };

  struct Path {
    std::uint64_t in_flight, window;  // bytes
    Duration pto;
  };

  Silence(bool client, TimePoint now) : client_(client), heard_(now) {}

  // A packet of the peer.
  void heard(TimePoint now) {
    heard_ = now;
    if (!since_) return;
    lasted_ = now - *since_;
    since_.reset();
    in_flight_since_ = now;
  }
  // Whether what came just now is to be followed by more.
  void received(bool more) { expecting_ = more; }
  void sent(TimePoint now) {
    if (!in_flight_since_) in_flight_since_ = now;
  }

  // What is due, each once: ask for a sign of life; hold data back and begin with PINGs; use another local port. Call it until `nothing`.
  Do look(TimePoint now, const Path& path) {
    limit_ = std::max(kAfter, kProbeTimeouts * path.pto);
    if (since_) return look_when_silent(now, path);
    if (path.in_flight == 0) {
      in_flight_since_.reset();
      if (!expecting_ || now - heard_ < limit_) return Do::nothing;
      expecting_ = false;
      return Do::ask;
    }
    sent(now);
    const TimePoint quiet_from = std::max(heard_, *in_flight_since_);
    if (now - quiet_from < limit_) return Do::nothing;
    since_ = quiet_from;
    moved_ = false;
    move_at_ = *since_ + (left(path) < kLittle ? kMoveWhenFull : kMoveAfter);
    return Do::hold;
  }

  // When look() may have something to say, besides when a PING is due.
  TimePoint deadline() const {
    if (since_) return client_ && !moved_ ? move_at_ : TimePoint::max();
    if (in_flight_since_) return std::max(heard_, *in_flight_since_) + limit_;
    return expecting_ ? heard_ + limit_ : TimePoint::max();
  }
  bool silent() const { return since_.has_value(); }
  Duration pace(TimePoint now) const {
    return std::max(client_ ? kClientPing : kServerPing, (now - since_.value_or(now) - kFullPace) / kPart);
  }
  Duration lasted() const { return lasted_; }  // the last silence

 private:
  static std::uint64_t left(const Path& path) { return path.window > path.in_flight ? path.window - path.in_flight : 0; }

  Do look_when_silent(TimePoint now, const Path& path) {
    if (!client_ || now < move_at_ || (moved_ && left(path) >= kPingSize)) return Do::nothing;
    moved_ = true;
    move_at_ = now + kMoveAgain;
    return Do::move;
  }

  const bool client_;
  bool expecting_ = false;  // what came last was not the end
  bool moved_ = false;
  TimePoint heard_;
  TimePoint move_at_{};
  std::optional<TimePoint> in_flight_since_, since_;
  Duration limit_ = kAfter, lasted_{};
};

}  // namespace fairlead::quic
