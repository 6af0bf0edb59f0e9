// door.h: one listening socket of a loop and the associations of its clients.
//
// The kernel leads the datagrams of a client to the same loop each time (SO_REUSEPORT). The limits of the rule are shared out to the
// loops. Closing one socket of several would lead clients elsewhere, so a door that is to go stays for kLeave on each loop.
#pragma once
#include <memory>
#include <string_view>
#include <unordered_map>

#include "plugins/udp/association.h"
#include "runtime/timer.h"

namespace fairlead::udp {

class Door {
 public:
  // Of what has no end of its own: long enough for an answer that is on its way.
  static constexpr Duration kLinger = 1s;
  static constexpr Duration kLeave = 5s;

  // `loops`: how many share the limits.
  Door(Ground& ground, std::shared_ptr<net::DatagramSocket> socket, std::size_t loops);
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  // For new associations. Those that it would lead elsewhere still bring answers for a while, but the client's next datagram begins
  // another. `rule` is of the rules' snapshot. Also brings back a door that was to go.
  void set_rule(std::shared_ptr<Rules> rules, const route::UdpListener& rule);
  // No new associations; those that are left end when they are idle.
  void drain();
  // The same, and within kLeave all of it is over and the socket closed.
  void leave();
  bool is_closed() const { return !socket_; }
  std::size_t size() const { return serving_.size(); }  // those too that ended badly and are not forgotten yet

 private:
  struct Client {
    net::SocketAddress from;
    net::IpAddress to;
    friend bool operator==(const Client&, const Client&) = default;
  };
  struct ClientHash {
    std::size_t operator()(const Client& c) const {
      return std::hash<net::SocketAddress>()(c.from) ^ (std::hash<net::SocketAddress>()({c.to, 0}) * 31);
    }
  };
  // Of an address, or of an IPv6 network of 64 bits: who has one of its addresses has them all.
  struct Source {
    net::IpAddress network;
    static Source of(const net::IpAddress& ip);
    friend bool operator==(const Source&, const Source&) = default;
  };
  struct SourceHash {
    std::size_t operator()(const Source& s) const { return std::hash<net::SocketAddress>()({s.network, 0}); }
  };
  Task<void> receive();
  void close();
  void take(const net::Datagram& datagram);
  Association* admit(const Client& client);
  Task<void> serve(Client client, std::unique_ptr<Association> association);
  void forget(const Client& client, const Association* association);
  std::size_t share_of(std::size_t limit) const { return (limit + loops_ - 1) / loops_; }

  Ground& ground_;
  std::shared_ptr<net::DatagramSocket> socket_;  // null once it is closed
  std::size_t loops_;
  bool draining_ = false;
  std::shared_ptr<Rules> rules_;
  const route::UdpListener* rule_ = nullptr;
  std::unordered_map<Client, Association*, ClientHash> associations_;
  std::unordered_map<Source, std::uint32_t, SourceHash> sources_;
  Timer leaving_;
  Scope receiving_, serving_;
};

}  // namespace fairlead::udp
