// copies.h: small lone pieces of streams are sent once more, as DATAGRAMs, a moment later: so the loss of one packet delays no small
// request or answer by the round trip that it takes to notice.
//
//   0xff | flags (1: the stream ends with it) | stream id | its first byte's offset | bytes        (numbers: RFC 9000 16)
//
// No stream's id begins with 0xff, so DATAGRAMs that begin with one may be told apart. Sent only to a peer that has said it knows them.
// Limits: kMaxBytes each, kPerSecond of them and a kPart-th of what the path carries; none on a path where noticing is as quick.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace fairlead::quic {

struct StreamCopy {
  static constexpr std::byte kMark{0xff};
  static constexpr std::size_t kMaxHead = 2 + 8 + 8;

  std::int64_t stream = 0;
  std::uint64_t offset = 0;
  bool end = false;
  Bytes bytes;

  static bool is_copy(Bytes datagram) { return !datagram.empty() && datagram[0] == kMark; }
  // nullopt: it is none.
  static std::optional<StreamCopy> read(Bytes datagram);
  // The head; the bytes follow it.
  static std::vector<std::byte> head(std::int64_t stream, std::uint64_t offset, bool end);
};

class CopyQueue {
 public:
  static constexpr Duration kLater = 3ms;         // so that one burst of loss does not take both
  static constexpr Duration kTooLate = 30ms;      // the retransmission is as near
  static constexpr Duration kShortPath = 6ms;     // round trip
  static constexpr std::size_t kMaxBytes = 1100;  // of a stream in one
  static constexpr double kPerSecond = 200;
  static constexpr double kBurst = 20;
  static constexpr std::uint64_t kPart = 8;  // of the congestion window in each round trip
  static constexpr std::size_t kMax = 64;    // that wait

  // Takes from what is allowed; false when nothing is left of it.
  bool allow(TimePoint now, std::size_t bytes, std::uint64_t window, Duration rtt) {
    if (rtt < kShortPath || waiting_.size() == kMax) return false;
    const double passed = std::chrono::duration<double>(now - at_).count();
    at_ = now;
    const double path = static_cast<double>(window) / kPart;
    count_ = std::min(count_ + passed * kPerSecond, kBurst);
    bytes_ = std::min(bytes_ + passed / std::chrono::duration<double>(rtt).count() * path, std::max(path, 4.0 * kMaxBytes));
    if (count_ < 1 || bytes_ < static_cast<double>(bytes)) return false;
    count_ -= 1;
    bytes_ -= static_cast<double>(bytes);
    return true;
  }
  void push(TimePoint due, std::vector<std::byte> datagram) {
    // One that is due at once goes first.
    auto at = waiting_.end();
    while (at != waiting_.begin() && std::prev(at)->due > due) --at;
    waiting_.insert(at, {due, std::move(datagram)});
  }
  // What is to be sent now; empty: nothing.
  Bytes due(TimePoint now) {
    while (!waiting_.empty() && now - waiting_.front().due > kTooLate) waiting_.pop_front();
    return waiting_.empty() || waiting_.front().due > now ? Bytes() : Bytes(waiting_.front().datagram);
  }
  void pop() { waiting_.pop_front(); }
  void clear() { waiting_.clear(); }
  // When the next one becomes due; what is due and could not be sent goes with the next packets.
  TimePoint deadline(TimePoint now) const {
    return waiting_.empty() || waiting_.front().due <= now ? TimePoint::max() : waiting_.front().due;
  }

 private:
  struct Waiting {
    TimePoint due;
    std::vector<std::byte> datagram;
  };
  std::deque<Waiting> waiting_;
  TimePoint at_{};
  double count_ = kBurst, bytes_ = 0;
};

// Which of the streams that the peer may open have been seen: a copy can be the first that is heard of one, or come after its end.
class SeenStreams {
 public:
  static constexpr std::size_t kMaxGaps = 256;

  // `index`: 0 for the first stream, and so on. True the first time.
  bool see(std::uint64_t index) {
    if (index >= next_) {
      for (std::uint64_t i = index - std::min<std::uint64_t>(index - next_, kMaxGaps); i < index; i++) gaps_.push_back(i);
      while (gaps_.size() > kMaxGaps) gaps_.pop_front();
      next_ = index + 1;
      return true;
    }
    const auto gap = std::ranges::lower_bound(gaps_, index);
    if (gap == gaps_.end() || *gap != index) return false;
    gaps_.erase(gap);
    return true;
  }

 private:
  std::uint64_t next_ = 0;
  std::deque<std::uint64_t> gaps_;  // below `next_` and not seen, in order
};

}  // namespace fairlead::quic
