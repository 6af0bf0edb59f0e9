// connection.h: a simulated TCP connection: what the kernels of both hosts know of it. Stream and Listener are the handles of processes.
//
// Invariant: bytes arrive once and in order, or the connection ends; a direction never holds more than kWindow bytes between its
// writer and its reader. Loss is not simulated, only what TCP cannot hide: delay, rate, outages, dead hosts, new addresses.
#pragma once
#include <array>
#include <memory>

#include "base/list.h"
#include "net/stream.h"
#include "runtime/wait_queue.h"
#include "sim/byte_queue.h"
#include "sim/path.h"

namespace fairlead::sim {

class Connection;
class Host;
class Network;

// One end.
struct Side : ListHook {
  Side(Connection& connection, std::size_t index, Loop& loop);

  Connection& connection;
  std::size_t index;
  Host* host = nullptr;
  net::SocketAddress local;
  net::SocketAddress peer;

  ByteQueue unsent;
  std::size_t in_flight = 0;    // sent and not yet arrived
  std::size_t outstanding = 0;  // written here and not yet read there
  bool shut = false;            // an end follows `unsent`
  bool sent_end = false;
  bool on_wire = false;  // a segment is leaving; the next one follows it
  ByteQueue arrived;
  bool end_arrived = false;
  bool reset_arrived = false;
  bool closed = false;       // no process will read any more: what arrives is answered by a reset
  bool gone = false;         // the process died: its calls never return
  bool missed = false;       // something arrived while the host was without power
  TimePoint last_arrival{};  // at the other side: order is kept
  WaitQueue readable;
  WaitQueue writable;
  struct Resume : Ready {
    explicit Resume(Side& s) : Ready(&run), side(s) {}
    static void run(Ready& self);
    Side& side;
  };
  Resume when_up;  // a path that was down is up again
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  static constexpr std::size_t kWindow = 1_MiB;
  static constexpr std::size_t kSegment = 1448;  // on a path with a rate: others get their turn on the wire
  enum class State : std::uint8_t { dialling, open, refused };

  // From `dialler`'s side 0 to side 1. Shared by both handles and by what is on its way: it lives as long as any of them.
  // The target sees `seen` as its peer and `to` as its own address; the dialler dialled `dialled`. They differ by NAT.
  struct Addresses {
    net::SocketAddress local;
    net::SocketAddress dialled;
    net::SocketAddress seen;
    net::SocketAddress to;
  };
  Connection(Network& network, Host& dialler, Host& target, const Addresses& addresses);

  State state() const { return state_; }
  Side& side(std::size_t index) { return *sides_[index]; }
  Side& other(const Side& side) { return *sides_[1 - side.index]; }

  void send_syn();
  // Sends what is there as far as the path takes it.
  void pump(Side& from);
  // `n` bytes were read at `reader`: the other side may write as many more.
  void grant(Side& reader, std::size_t n);
  // Breaks off: the other side is told, if the path is up.
  void reset(Side& from);
  // What the kernel does for a process that dies.
  void close_for_dead(Side& side);
  void after_boot(Side& side);

 private:
  static constexpr std::size_t kHeader = 40;  // IP and TCP
  using Action = void (Connection::*)(Side& to);

  // Runs `what` at the other side when it hears of it, in order with what was sent before.
  void tell(Side& from, Action what);
  void syn_arrived(Side& to);
  void syn_answered(Side& to);
  void syn_refused(Side& to);
  void segment_arrived(Side& to, const std::vector<std::byte>& bytes, bool end);
  void reset_arrived(Side& to);
  // None: within one host.
  Path* path(const Side& from);
  bool path_is_up(const Side& from);
  bool has_its_address(const Side& side) const;
  // A NAT on the way has forgotten the connection.
  bool rebound(const Side& side) const;

  Network& network_;
  State state_ = State::dialling;
  bool syn_seen_ = false;
  std::array<std::uint64_t, 2> nat_generation_{};  // when the connection was made
  std::array<std::unique_ptr<Side>, 2> sides_;
};

}  // namespace fairlead::sim
