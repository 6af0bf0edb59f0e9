// datagram_queue.h: DATAGRAM payloads (RFC 9221) that wait to be sent, by sender.
//
// Within a class the senders take turns, a datagram each, so that a flood of one delays the others by one datagram. Old ones are worth
// least: a sender with too many loses its oldest, and when there are too many in all, the sender with most of the least important class does.
#pragma once
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "base/list.h"
#include "quic/chunk.h"
#include "quic/scheduler.h"

namespace fairlead::quic {

class DatagramQueue {
 public:
  // What a socket reads in one turn; at 1200 bytes and 10 Mbit/s: 250 ms.
  static constexpr std::size_t kMaxOfSender = 256;
  static constexpr std::size_t kMax = 4096;
  static constexpr std::size_t kMaxPayload = 2_KiB;  // no packet is larger

 private:
  struct Item {
    Item* next = nullptr;
    std::size_t size = 0;
    std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
    std::size_t footprint() const { return sizeof(Item) + size; }
  };
  struct Sender : ListHook {
    std::uint64_t key = 0;
    Item* first = nullptr;
    Item* last = nullptr;
    std::size_t size = 0;
  };

 public:
  // One class's datagrams, as the scheduler sees them: before the streams of that class.
  class Lane : public Scheduler::Entry {
   public:
    explicit Lane(net::Priority p) : Entry(p, true) {}
    Bytes front() {
      Item& item = *turns_.front().first;
      return {item.data(), item.size};
    }
    bool empty() const { return turns_.empty(); }

   private:
    friend class DatagramQueue;
    List<Sender> turns_;
    std::unordered_map<std::uint64_t, std::unique_ptr<Sender>> senders_;  // those that have something
  };

  explicit DatagramQueue(StreamMemory& memory) : memory_(memory) {}
  DatagramQueue(const DatagramQueue&) = delete;
  DatagramQueue& operator=(const DatagramQueue&) = delete;
  ~DatagramQueue() { clear(); }

  // False when an older one had to go. At most kMaxPayload bytes.
  bool push(Bytes payload, net::Priority priority, std::uint64_t key) {
    bool full = size_ == kMax;
    if (full) drop_one();
    Lane& to = lane(priority);
    std::unique_ptr<Sender>& sender = to.senders_[key];
    if (!sender) {
      sender = std::make_unique<Sender>();
      sender->key = key;
      to.turns_.push_back(*sender);
    } else if (sender->size == kMaxOfSender) {
      drop_first(*sender);
      full = true;
    }
    Item* item = new (::operator new(sizeof(Item) + payload.size())) Item{nullptr, payload.size()};
    memory_.charge(item->footprint());
    if (!payload.empty()) std::memcpy(item->data(), payload.data(), payload.size());
    (sender->first == nullptr ? sender->first : sender->last->next) = item;
    sender->last = item;
    sender->size++;
    size_++;
    return !full;
  }
  // Drops what front() of a lane is; the next sender's turn has come.
  void pop(Lane& from) {
    Sender& sender = from.turns_.front();
    drop_first(sender);
    after_drop(from, sender);
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
  void drop_first(Sender& sender) {
    Item* item = sender.first;
    sender.first = item->next;
    memory_.release(item->footprint());
    ::operator delete(item);
    sender.size--;
    size_--;
  }
  void after_drop(Lane& from, Sender& sender) {
    if (sender.size > 0) {
      from.turns_.push_back(sender);
      return;
    }
    from.senders_.erase(sender.key);
    if (from.empty()) Scheduler::idle(from);
  }
  void drop_one() {
    for (std::size_t i = net::kPriorities; i-- > 0;) {
      if (lanes_[i].empty()) continue;
      Sender* longest = nullptr;
      for (auto& [key, sender] : lanes_[i].senders_)
        if (longest == nullptr || sender->size > longest->size) longest = sender.get();
      drop_first(*longest);
      if (longest->size == 0) after_drop(lanes_[i], *longest);
      return;
    }
  }

  StreamMemory& memory_;
  Lane lanes_[net::kPriorities] = {Lane(net::Priority::control), Lane(net::Priority::management), Lane(net::Priority::interactive),
                                   Lane(net::Priority::bulk), Lane(net::Priority::background)};
  std::size_t size_ = 0;
};

}  // namespace fairlead::quic
