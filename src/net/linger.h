// linger.h: waiting before a connection is broken off, so that what was written before arrives before.
#pragma once
#include "base/time.h"
#include "runtime/loop.h"
#include "runtime/task.h"

namespace fairlead::net {

inline constexpr Duration kLookAgain = 20ms;  // a connection that failed may end so much later

// Until `sink` (a Stream, a MuxStream, a flow) has nothing undelivered(), or no progress for `limit`. Cancelled at any time.
template <class Sink>
Task<void> until_delivered(Loop& loop, const Sink& sink, Duration limit) {
  TimePoint give_up = loop.now() + limit;
  for (std::size_t left = sink.undelivered(); left > 0 && loop.now() < give_up;) {
    co_await loop.sleep(kLookAgain);
    const std::size_t before = std::exchange(left, sink.undelivered());
    if (left != before) give_up = loop.now() + limit;
  }
}

}  // namespace fairlead::net
