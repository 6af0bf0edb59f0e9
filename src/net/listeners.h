// listeners.h: the sockets that a set of rules listens at, kept as the rules change: what is new is opened, what is gone is closed
// (its connections go on), the rest stays open without a gap.
//
// Belongs to one loop. Accepting pauses while the process is out of descriptors.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/network.h"
#include "runtime/scope.h"

namespace fairlead::net {

class Listeners {
 public:
  struct Wanted {
    SocketAddress at;
    std::string owner;  // "Gateway default/front listener web", for messages
  };
  // A socket that could not be opened.
  struct Failure {
    SocketAddress at;
    Error error;
    bool udp = false;  // the port of UDP; else of TCP
  };
  // Called for each connection with the address that was listened at.
  using Accepted = std::move_only_function<void(std::unique_ptr<Incoming>, const SocketAddress& at)>;

  Listeners(Network& network, Accepted accepted) : network_(network), accepted_(std::move(accepted)) {}

  // What could not be opened is returned and left out; the next call tries again. `reuse_port`: several loops listen at one address.
  std::vector<Failure> listen_at(const std::vector<Wanted>& wanted, bool reuse_port);
  void close() { open_.clear(); }
  std::size_t size() const { return open_.size(); }

 private:
  struct Open {
    explicit Open(Loop& loop) : accepting(loop) {}
    std::unique_ptr<Listener> listener;
    Scope accepting;
  };
  Task<void> accept_from(Listener& listener, SocketAddress at);

  Network& network_;
  Accepted accepted_;
  std::map<SocketAddress, std::unique_ptr<Open>> open_;
};

}  // namespace fairlead::net
