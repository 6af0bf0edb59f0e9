// tcp_ingress.h: listens at the addresses of TCP routes and opens a flow for each connection.
//
// One on each loop. A connection is accepted on any loop, then moved once to the loop of its node's session and served there. A
// connection that cannot be had at the far side is reset at once: TCP has no other way to say no.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "link/peers.h"
#include "link/splice.h"
#include "net/listeners.h"
#include "observe/access_log.h"
#include "route/picker.h"
#include "runtime/scope.h"

namespace fairlead::tcp {

struct TcpIngressCounters {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  // no flow could be had
};

class TcpIngress {
 public:
  struct Sibling {
    Loop* loop;
    TcpIngress* ingress;
  };

  TcpIngress(net::Network& network, link::Peers& peers, const route::NodeDirectory& nodes, observe::AccessLog* access_log);
  ~TcpIngress();

  // All ingresses of the process by loop index; set before the first apply(), outlives this.
  void set_siblings(std::span<const Sibling> siblings) { siblings_ = siblings; }

  // Opens the listeners that are new, closes those that are gone (their connections go on), changes the rules of the rest for new
  // connections. What could not be opened is returned and left out; the next apply() tries again.
  std::vector<net::Listeners::Failure> apply(std::shared_ptr<const route::Snapshot> snapshot);
  // No new connections.
  void stop_listening() { listeners_.close(); }
  std::size_t listeners() const { return listeners_.size(); }
  std::size_t connections() const { return connections_.size(); }
  const TcpIngressCounters& counters() const { return counters_; }

 private:
  // The rules of one moment, with their turns; kept by each connection that was accepted under them.
  struct Rules;
  struct Job;
  void place(std::unique_ptr<net::Incoming> incoming, const net::SocketAddress& at);
  void send_home(std::unique_ptr<Job> job);
  bool choose(Job& job);
  void refuse(const Job& job, link::SpliceEnd end);
  bool may_wait(const Job& job, link::FlowCode why) const;
  Task<void> serve(std::unique_ptr<Job> job);
  Task<void> serve_later(std::unique_ptr<Job> job);

  net::Network& network_;
  link::Peers& peers_;
  const route::NodeDirectory& nodes_;
  observe::AccessLog* access_log_;
  std::span<const Sibling> siblings_;
  std::shared_ptr<Rules> rules_;
  net::Listeners listeners_;
  TcpIngressCounters counters_;
  Scope connections_;
};

}  // namespace fairlead::tcp
