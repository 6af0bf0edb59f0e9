// uplink.h: one interface by which an edge can reach the cloud: whether it does, how far that is, and a socket that is ready for use.
//
// The socket is bound to the interface, and probes go by it: its NAT mapping is kept, and the path from it is known to work.
// Belongs to one loop.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/network.h"
#include "quic/path_probe.h"
#include "runtime/scope.h"

namespace fairlead::link {

class Uplink {
 public:
  // After so long a probe is lost: a satellite's round trip and a full queue.
  static constexpr Duration kPatience = 2s;
  static constexpr std::size_t kSamples = 16;    // the last probes, of which the loss is told
  static constexpr std::size_t kRoundTrips = 8;  // the last answers, of which the shortest counts: our own traffic does not make it worse
  static constexpr std::size_t kDeadAfter = 3;   // probes lost in a row

  // `answered` is called at each answer, from inside the task that reads the socket: it must not call back.
  Uplink(Loop& loop, net::Network& network, std::string device, std::function<void()> answered);

  const std::string& device() const { return device_; }
  // Asks the system. What is known of another address is forgotten. True when the route is another one than before.
  bool look(const net::SocketAddress& cloud);
  const std::optional<net::LocalRoute>& route() const { return route_; }  // none: unusable

  void probe();
  // The probes that were sent until now and got no answer in time are lost.
  void give_up_late();
  // The socket, for a connection; a new one is made for what follows. Null when none can be made.
  std::unique_ptr<net::DatagramSocket> take();

  TimePoint answered_at() const { return answered_at_; }  // TimePoint{}: never
  bool answered_since(TimePoint at) const { return answered_at_ > at; }
  bool alive() const { return route_ && answered_at_ != TimePoint{} && lost_in_a_row_ < kDeadAfter; }
  Duration rtt() const;  // 0: not known
  double loss() const;
  // What a round trip by it costs, losses made up for. Only when alive().
  double cost() const;
  std::uint64_t probes() const { return probes_; }
  std::uint64_t probes_lost() const { return probes_lost_; }

 private:
  struct Asked {
    quic::ProbeId id;
    TimePoint at;
  };
  struct Port {
    Port(Loop& loop, std::unique_ptr<net::DatagramSocket> s) : socket(std::move(s)), receiving(loop) {}
    std::unique_ptr<net::DatagramSocket> socket;
    Scope receiving;  // last: its task uses the socket
  };

  bool open();
  Task<void> receive(net::DatagramSocket& socket);
  void take_answer(const net::Datagram& datagram);
  void sample(std::optional<Duration> round_trip);
  void forget();

  Loop& loop_;
  net::Network& network_;
  const std::string device_;
  std::function<void()> answered_;
  net::SocketAddress cloud_;
  std::optional<net::LocalRoute> route_;
  std::deque<Asked> asked_;
  std::deque<bool> arrived_;  // of the last probes
  std::deque<Duration> round_trips_;
  std::size_t lost_in_a_row_ = 0;
  TimePoint answered_at_{};
  std::uint64_t probes_ = 0, probes_lost_ = 0;
  std::unique_ptr<Port> port_;
};

}  // namespace fairlead::link
