// doors.h: TCP ports that each lead to one place over the link: at an edge the way to the API server, in the cloud a port for each
// node's kubelet.
//
// One on each loop. As with plugins/tcp, a connection moves once to the loop of its session. What cannot be had at the far side is reset
// at once: the client's TLS has no other way to hear no.
#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "link/peers.h"
#include "net/listeners.h"
#include "observe/access_log.h"
#include "plugins/kube/kube_line.h"
#include "plugins/kube/tunnels.h"
#include "runtime/scope.h"

namespace fairlead::kube_plugin {

struct Door {
  net::SocketAddress at;
  link::Destination to;
  std::string_view target;  // kKubelet or kApiServer
  friend bool operator==(const Door&, const Door&) = default;
};

struct DoorCounters {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
};

class Doors {
 public:
  struct Sibling {
    Loop* loop;
    Doors* doors;
  };

  Doors(net::Network& network, link::Peers& peers, observe::AccessLog* access_log);
  ~Doors();

  void set_siblings(std::span<const Sibling> siblings) { siblings_ = siblings; }
  // Opens what is new, closes what is gone; connections go on. What could not be opened is returned; the next call tries again.
  std::vector<net::Listeners::Failure> open(const std::vector<Door>& doors);
  // No new connections, and those in which nothing moves are to end.
  void drain() {
    listeners_.close();
    tunnels_.end_the_quiet();
  }
  std::size_t listeners() const { return listeners_.size(); }
  std::size_t connections() const { return connections_.size(); }
  const DoorCounters& counters() const { return counters_; }

 private:
  struct Visit;
  void place(std::unique_ptr<net::Incoming> incoming, const net::SocketAddress& at);
  Task<void> serve(std::unique_ptr<Visit> visit);

  net::Network& network_;
  link::Peers& peers_;
  observe::AccessLog* access_log_;
  std::span<const Sibling> siblings_;
  std::map<net::SocketAddress, Door> doors_;
  net::Listeners listeners_;
  DoorCounters counters_;
  Tunnels tunnels_;
  Scope connections_;
};

}  // namespace fairlead::kube_plugin
