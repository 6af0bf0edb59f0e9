// datagram_queue.h: DATAGRAM payloads (RFC 9221) that wait to be sent. Old ones are worth least: a full queue drops the oldest of the
// least important class.
#pragma once
#include <array>
#include <cstddef>
#include <cstring>

#include "quic/chunk.h"
#include "quic/scheduler.h"

namespace fairlead::quic {

class DatagramQueue {
 public:
  static constexpr std::size_t kMax = 64;  // at 1200 bytes and 10 Mbit/s: 60 ms
  static constexpr std::size_t kMaxPayload = Chunk::kSizes[0] - sizeof(Chunk);

  // One class's datagrams, as the scheduler sees them: before the streams of that class.
  struct Lane : Scheduler::Entry {
    explicit Lane(net::Priority p) : Entry(p, true) {}
    Bytes front() const { return {first->data(), first->end}; }
    bool empty() const { return first == nullptr; }
    Chunk* first = nullptr;
    Chunk* last = nullptr;
  };

  explicit DatagramQueue(StreamMemory& memory) : memory_(memory) {}
  DatagramQueue(const DatagramQueue&) = delete;
  DatagramQueue& operator=(const DatagramQueue&) = delete;
  ~DatagramQueue() { clear(); }

  // False when an older one had to go. At most kMaxPayload bytes.
  bool push(Bytes payload, net::Priority priority) {
    const bool full = size_ == kMax;
    if (full) drop_one();
    Chunk* chunk = allocate_chunk(0);
    memory_.charge(chunk->footprint());
    if (!payload.empty()) std::memcpy(chunk->data(), payload.data(), payload.size());
    chunk->end = static_cast<std::uint32_t>(payload.size());
    Lane& to = lane(priority);
    (to.empty() ? to.first : to.last->next) = chunk;
    to.last = chunk;
    size_++;
    return !full;
  }
  // Drops the first of a lane that is not empty.
  void pop(Lane& from) {
    Chunk* chunk = from.first;
    from.first = chunk->next;
    memory_.release(chunk->footprint());
    free_chunk(chunk);
    size_--;
    if (from.empty()) Scheduler::idle(from);
  }
  Lane& lane(net::Priority priority) { return lanes_[static_cast<std::size_t>(priority)]; }
  // The lane that `entry` is, null when it is a stream.
  Lane* lane_of(Scheduler::Entry& entry) {
    for (Lane& lane : lanes_)
      if (&lane == &entry) return &lane;
    return nullptr;
  }
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  void clear() {
    for (Lane& each : lanes_)
      while (!each.empty()) pop(each);
  }

 private:
  void drop_one() {
    for (std::size_t i = net::kPriorities; i-- > 0;)
      if (!lanes_[i].empty()) return pop(lanes_[i]);
  }

  StreamMemory& memory_;
  Lane lanes_[net::kPriorities] = {Lane(net::Priority::control), Lane(net::Priority::management), Lane(net::Priority::interactive),
                                   Lane(net::Priority::bulk), Lane(net::Priority::background)};
  std::size_t size_ = 0;
};

}  // namespace fairlead::quic
