// association.h: one client at one listener: the flow that carries its datagrams, and how it came to that.
//
// The client's first datagrams leave together with FlowOpen. Copies of them are kept until the far side has answered, so that another
// endpoint can be tried when it says that nothing was delivered. An association that could not be had stays a moment and swallows what
// comes, so that a client which keeps sending does not ask for a flow with each datagram.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "link/datagram_channel.h"
#include "link/peers.h"
#include "net/datagram_socket.h"
#include "observe/access_log.h"
#include "plugins/udp/association_line.h"
#include "route/balancer.h"
#include "runtime/timer.h"

namespace fairlead::udp {

struct UdpIngressCounters {
  std::uint64_t associations = 0;  // that began
  std::uint64_t refused = 0;       // no flow could be had
  std::uint64_t retries = 0;
  std::uint64_t datagrams_in = 0, datagrams_out = 0;  // of clients, to them
  std::uint64_t bytes_in = 0, bytes_out = 0;
  // Datagrams of clients that went nowhere:
  std::uint64_t over_limit = 0;         // of all associations of a listener
  std::uint64_t over_source_limit = 0;  // of those of one address
  std::uint64_t unserved = 0;           // no flow could be had, or too many waited for one
  std::uint64_t too_large = 0;
  std::uint64_t pushed_out = 0;  // by later ones; and those to clients that a full socket did not take
};

// The rules of one moment, on one loop; kept by each association that began under them.
struct Rules {
  Rules(std::shared_ptr<const route::Snapshot> s, const route::NodeDirectory& nodes, std::shared_ptr<route::BackendStates> states)
      : snapshot(std::move(s)), balancer(snapshot, nodes, std::move(states)) {}
  std::shared_ptr<const route::Snapshot> snapshot;
  route::Balancer balancer;
};

// What all associations of a loop share. It outlives them.
struct Ground {
  Loop& loop;
  link::Peers& peers;
  observe::AccessLog* access_log;
  UdpIngressCounters counters;
  std::size_t kept = 0;  // bytes of copies
};

class Association {
 public:
  static constexpr std::size_t kTries = 3;
  static constexpr Duration kSulk = 1s;
  // Copies kept for a further try: more than comes in a round trip and the far side's probation.
  static constexpr std::size_t kMaxFirst = 256;
  static constexpr std::size_t kMaxKept = 16_MiB;  // of a loop
  static constexpr Duration kOpenTimeout = 10s;

  // `rule` is of the rules' snapshot. `local`: the address that the client spoke to, and is answered from.
  Association(Ground& ground, std::shared_ptr<Rules> rules, const route::UdpListener& rule, std::shared_ptr<net::DatagramSocket> socket,
              const net::SocketAddress& client, const net::IpAddress& local);
  ~Association();
  Association(const Association&) = delete;
  Association& operator=(const Association&) = delete;

  // A datagram of the client.
  void take(Bytes datagram);
  // Until it is over; once.
  Task<void> run();
  // It is over and makes room for another of the same client.
  bool is_over() const { return end_ && !end_->refused; }
  // It ends in good order: at once, or after so much idleness, but no later than `limit` from now.
  void end(std::string why);
  void end_soon(Duration idle, Duration limit, std::string why);
  // Whether the rule would still lead to where it is.
  bool agrees_with(const route::UdpListener& rule, const route::Snapshot& snapshot) const;

 private:
  void keep(Bytes datagram);
  void forget_kept();
  void finish(End end);
  void look_if_idle();
  Task<void> serve();
  Task<std::optional<link::Refusal>> attempt();
  Task<void> answers();
  void count_drops();  // what is new of them
  void end_channel();
  void tell();

  Ground& ground_;
  std::shared_ptr<Rules> rules_;
  const route::UdpListener& rule_;
  std::shared_ptr<net::DatagramSocket> socket_;
  const net::SocketAddress client_;
  const net::IpAddress local_;
  const WallTime begun_;
  const TimePoint start_;
  Duration idle_;
  TimePoint last_;
  std::optional<TimePoint> limit_;
  std::string why_idle_ = "idle";

  route::Endpoint endpoint_;  // of the last try
  std::vector<route::Endpoint> tried_;
  route::Lease lease_;
  wire::FlowOpen open_;
  std::unique_ptr<link::Flow> flow_;
  std::unique_ptr<link::DatagramChannel> channel_;
  std::deque<std::vector<std::byte>> first_;  // of the client, until the far side has answered
  std::size_t first_bytes_ = 0;
  bool accepted_ = false;
  std::uint64_t too_large_ = 0, pushed_out_ = 0;  // of the channel, that are counted already
  AssociationLine line_;
  std::optional<End> end_;
  WaitQueue changed_;
  Timer idle_timer_;
  Scope serving_;  // last: it uses everything above
};

}  // namespace fairlead::udp
