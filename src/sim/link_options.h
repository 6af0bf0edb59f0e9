// link_options.h: how a simulated link behaves, and what it did.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace fairlead::sim {

// Loss in bursts (Gilbert-Elliott): a link has a good and a bad state, and changes between them with each packet.
struct BurstLoss {
  double enter = 0;    // chance that a packet turns the good state bad
  double leave = 0.3;  // chance that a packet turns the bad state good: 1 / leave packets is the mean length of a burst
  double loss = 1;     // of a packet in the bad state
};

// Of both directions unless changed for one of them; may be changed while packets are on their way. Order is kept unless `reorder` is set.
// Streams are modelled as reliable: they feel rtt, jitter, rate and outages, not what would only make TCP send again.
struct LinkOptions {
  std::uint64_t seed = 1;  // of the whole network; the same seed gives the same run
  Duration rtt{};          // half of it each way
  Duration jitter{};       // up to so much is added each way
  double loss = 0;         // of each packet, independently
  BurstLoss burst;
  double reorder = 0;  // share of packets that come later, by `reorder_delay`
  Duration reorder_delay = 5ms;
  double duplicate = 0;
  double corrupt = 0;           // share of packets in which one bit is flipped
  std::uint64_t rate = 0;       // bits per second each way; 0: no limit
  std::size_t queue = 1000;     // packets that may wait for the wire; the next is dropped
  std::size_t queue_bytes = 0;  // the same in bytes; 0: no limit
  std::size_t mark_at = 0;      // packets waiting from which on ECN-capable ones are marked CE (RFC 3168); 0: never
  std::size_t mtu = 1500;       // of the IP packet; larger ones are dropped without a word
};

// Of one direction.
struct PathCounters {
  std::uint64_t sent = 0;  // datagrams offered; each is delivered or counted in one of those below
  std::uint64_t bytes = 0;
  std::uint64_t delivered = 0;  // duplicates included
  std::uint64_t lost = 0;
  std::uint64_t queue_full = 0;
  std::uint64_t too_large = 0;
  std::uint64_t cut = 0;       // sent while the path was down
  std::uint64_t filtered = 0;  // refused by the filter
  std::uint64_t duplicated = 0;
  std::uint64_t reordered = 0;
  std::uint64_t corrupted = 0;
  std::uint64_t marked = 0;
  std::size_t longest_queue = 0;  // packets

  PathCounters& operator+=(const PathCounters& other);
};

}  // namespace fairlead::sim
