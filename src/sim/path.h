// path.h: one direction between two hosts: a queue in front of a wire of some rate, then delay, loss and the rest of LinkOptions.
//
// Invariant: what happens to the n-th packet depends on the seed, the names of both hosts and the packets before it, on nothing else.
#pragma once
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "base/random.h"
#include "net/datagram_socket.h"
#include "sim/link_options.h"
#include "sim/schedule.h"

namespace fairlead::sim {

// A datagram on its way.
struct Packet {
  net::SocketAddress from;
  net::SocketAddress to;
  net::Ecn ecn = net::Ecn::not_ect;
  std::vector<std::byte> payload;

  std::size_t size_on_wire() const { return payload.size() + header_size(to.ip); }
  static std::size_t header_size(const net::IpAddress& to) { return to.is_v4() ? 20 + 8 : 40 + 8; }  // IP and UDP
  net::Datagram view() const { return {from, to, ecn, payload}; }
};

class PacketSink {
 public:
  virtual void arrive(Packet packet) = 0;

 protected:
  ~PacketSink() = default;
};

class Path {
 public:
  Path(Schedule& schedule, PacketSink& sink, const LinkOptions& options, std::uint64_t seed)
      : schedule_(schedule), sink_(sink), options_(options), random_(seed) {}

  LinkOptions& options() { return options_; }  // changes act on the packets that follow
  bool up() const { return up_; }
  // Down: datagrams are lost, streams stand still until it is up again. What is past the wire arrives all the same.
  void set_up(bool up);
  // Asked for each datagram that is offered; false drops it. For tests that aim at one packet. Empty: none.
  void set_filter(std::move_only_function<bool(const net::Datagram&)> pass) { filter_ = std::move(pass); }
  const PathCounters& counters() const { return counters_; }

  void carry(Packet packet);

  // For streams: when `bytes` have left, and when they arrive.
  struct Passage {
    TimePoint left;
    TimePoint arrives;
  };
  Passage pass_reliably(std::size_t bytes);
  // For the small things of a connection, which take no room on the wire.
  TimePoint arrives_if_sent_now() { return delayed(schedule_.now()); }
  // Made ready when the path is up again.
  void when_up(Ready& ready) { waiting_for_up_.push_back(ready); }

 private:
  struct Departure {
    TimePoint at;
    std::size_t bytes;
  };
  void forget_departed();
  TimePoint depart(std::size_t bytes);
  bool loses();
  TimePoint delayed(TimePoint left);

  Schedule& schedule_;
  PacketSink& sink_;
  LinkOptions options_;
  Random random_;
  PathCounters counters_;
  std::move_only_function<bool(const net::Datagram&)> filter_;
  bool up_ = true;
  bool bad_ = false;                  // the state of burst loss
  std::deque<Departure> departures_;  // of what waits for the wire or is on it
  std::size_t queued_bytes_ = 0;
  TimePoint last_arrival_{};
  List<Ready> waiting_for_up_;
};

}  // namespace fairlead::sim
