// scheduler.h: who may send next on a connection that cannot carry all at once.
//
// Control goes first, always. The other classes share by net::kWeights (deficit round robin), whatever the number of senders in
// each; the senders of a class take turns of kTurn bytes, so that a small answer leaves in one piece and nobody waits for a large
// one to end. Every operation is O(1). A sender that has nothing to send, or may not send, is not in here at all.
#pragma once
#include <array>
#include <cstdint>

#include "base/list.h"
#include "net/mux.h"

namespace fairlead::quic {

class Scheduler {
 public:
  static constexpr std::int64_t kTurn = 16 * 1024;  // 1.3 ms at 100 Mbit/s
  static constexpr std::int64_t kQuantum = 1500;    // times the weight: at least a packet, or a class would be passed over

  class Entry : public ListHook {
   public:
    explicit Entry(net::Priority priority, bool first = false) : priority_(priority), first_(first) {}
    net::Priority priority() const { return priority_; }

   private:
    friend class Scheduler;
    std::int64_t allowance_ = kTurn;
    net::Priority priority_;
    bool first_;  // joins at the front of its class
  };

  // Has something to send. Nothing changes when it was in here already.
  void ready(Entry& entry) {
    if (entry.linked()) return;
    entry.allowance_ = kTurn;
    join(entry);
  }
  static void idle(Entry& entry) { entry.unlink(); }
  void set_priority(Entry& entry, net::Priority priority) {
    entry.priority_ = priority;
    if (entry.linked()) join(entry);
  }

  // Null: nobody, or only those of the classes bulk and background while `bulk` is false.
  Entry* next(bool bulk);
  // `entry`, which next() returned, sent so many bytes.
  void sent(Entry& entry, std::size_t bytes);

 private:
  struct Class {
    List<Entry> entries;
    std::int64_t deficit = 0;
  };
  Class& class_of(const Entry& entry) { return classes_[static_cast<std::size_t>(entry.priority_)]; }
  void join(Entry& entry) {
    if (entry.first_) {
      class_of(entry).entries.push_front(entry);
    } else {
      class_of(entry).entries.push_back(entry);
    }
  }

  std::array<Class, net::kPriorities> classes_;
  std::size_t turn_ = 1;  // the class that is being served
};

}  // namespace fairlead::quic
