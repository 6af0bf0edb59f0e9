// tcp_ingress.h: listens at the addresses of TCP routes and opens a flow for each connection.
//
// One on each loop. A connection is accepted on any loop, then moved once to the loop of its node's session and served there. A
// connection that cannot be had at the far side is reset at once: TCP has no other way to say no.
#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "link/peers.h"
#include "net/network.h"
#include "observe/access_log.h"
#include "route/snapshot.h"
#include "runtime/scope.h"

namespace fairlead::tcp {

class TcpIngress {
 public:
  struct Sibling {
    Loop* loop;
    TcpIngress* ingress;
  };

  TcpIngress(net::Network& network, link::Peers& peers, route::NodeDirectory& nodes, observe::AccessLog* access_log);
  ~TcpIngress();

  // All ingresses of the process by loop index; set before the first apply(), outlives this.
  void set_siblings(std::span<const Sibling> siblings) { siblings_ = siblings; }

  // Opens the listeners that are new, closes those that are gone (their connections go on), changes the rules of the rest for new
  // connections. What could not be opened is returned and left out; the next apply() tries again.
  std::vector<Error> apply(std::shared_ptr<const route::Snapshot> snapshot);
  // No new connections.
  void stop_listening();
  std::size_t connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
  std::span<const Sibling> siblings_;
};

}  // namespace fairlead::tcp
