// datagrams.h: the DATAGRAMs of a session, by flow: each begins with the id of its flow's stream.
//
// What comes for a flow waits in its inbox. What comes for a flow that is not open yet (the network reorders, and FlowOpen may be lost) is
// held for a while in a bounded place; what comes for one that is over, or cannot be read, is dropped and counted.
// Everything belongs to one loop. A flow may outlive its session and the other way round.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "net/mux.h"
#include "runtime/wait_queue.h"

namespace fairlead::link {

// What a side must have to take part in flows with FlowOpen::datagrams.
inline constexpr std::string_view kDatagramFeature = "flow/datagram";

struct ReceivedDatagram {
  std::vector<std::byte> bytes;
  std::size_t head = 0;  // of the bytes, before the payload
  Bytes payload() const { return Bytes(bytes).subspan(head); }
};

// What has come for a flow and was not taken. The oldest is dropped first.
class DatagramInbox {
 public:
  // More than comes in one turn of a loop; its user takes all of them at a time and never waits for anybody.
  static constexpr std::size_t kMaxCount = 2048;
  static constexpr std::size_t kMaxBytes = 1_MiB;

  explicit DatagramInbox(Loop& loop) : changed_(loop) {}

  void push(ReceivedDatagram datagram);
  // No more will come; what is here can still be taken. The first reason counts.
  void end(Error why);
  // Returns when one waits, or tells why none will.
  Task<Result<void>> arrived();
  std::optional<ReceivedDatagram> take();
  std::uint64_t dropped() const { return dropped_; }

 private:
  std::deque<ReceivedDatagram> waiting_;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
  std::optional<Error> ended_;
  WaitQueue changed_;
};

// The way out, of one flow.
class DatagramSender {
 public:
  virtual ~DatagramSender() = default;
  // False: too large, or another one had to go for it.
  virtual bool send(Bytes payload, net::Priority priority) = 0;
  // The largest payload that fits now; it follows the path's MTU. 0: the carrier has no DATAGRAMs.
  virtual std::size_t max_size() const = 0;
};

struct DatagramPort {
  std::shared_ptr<DatagramInbox> inbox;
  std::unique_ptr<DatagramSender> sender;  // the port is open while it lives
};

class FlowDatagrams : public std::enable_shared_from_this<FlowDatagrams> {
 public:
  // A FlowOpen that was lost comes again after a probe timeout or two; more would be stale anyway.
  static constexpr Duration kHold = 3s;
  static constexpr std::size_t kMaxHeld = 512;
  static constexpr std::size_t kMaxHeldBytes = 256_KiB;
  static constexpr std::size_t kMaxHeldOfFlow = 64;
  static constexpr std::size_t kRemembered = 1024;  // flows that are over

  struct Counters {
    std::uint64_t malformed = 0;
    std::uint64_t late = 0;     // for flows that are over
    std::uint64_t unknown = 0;  // for flows that never came
    std::uint64_t held = 0;     // came before their flow, and found it
  };

  FlowDatagrams(Loop& loop, net::MuxConnection& carrier) : loop_(loop), carrier_(&carrier) {}

  // Of the flow whose stream has this id, once.
  DatagramPort open(std::uint64_t id);
  void take(std::vector<std::byte> datagram);
  // The session is over.
  void end(const Error& why);
  const Counters& counters() const { return counters_; }
  std::size_t held() const { return held_.size(); }

 private:
  class Sender;
  struct Held {
    std::uint64_t id;
    TimePoint since;
    ReceivedDatagram datagram;
  };
  void close(std::uint64_t id);
  void hold(std::uint64_t id, ReceivedDatagram datagram);
  void forget_old();
  void drop_oldest();

  Loop& loop_;
  net::MuxConnection* carrier_;  // null when the session is over
  std::unordered_map<std::uint64_t, std::shared_ptr<DatagramInbox>> open_;
  std::deque<Held> held_;
  std::size_t held_bytes_ = 0;
  std::deque<std::uint64_t> over_;
  std::unordered_set<std::uint64_t> is_over_;
  std::vector<std::byte> scratch_;
  Counters counters_;
};

}  // namespace fairlead::link
