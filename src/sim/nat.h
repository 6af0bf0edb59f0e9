// nat.h: a router that hides hosts behind one address (RFC 4787: one mapping for a socket, whatever its peers; only peers that it has
// sent to may answer). What comes from outside without such a mapping is dropped.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "base/time.h"
#include "net/address.h"

namespace fairlead::sim {

class Nat {
 public:
  // `idle`: a mapping that nothing was sent through for so long is forgotten; 0: never.
  Nat(const net::IpAddress& address, Duration idle) : address_(address), idle_(idle) {}

  const net::IpAddress& address() const { return address_; }
  // As the peer sees `inside`.
  net::SocketAddress outbound(const net::SocketAddress& inside, const net::SocketAddress& peer, TimePoint now);
  // Whom a datagram of `peer` to `outside` reaches.
  std::optional<net::SocketAddress> inbound(const net::SocketAddress& outside, const net::SocketAddress& peer, TimePoint now) const;

  // Forgets everything, as after a restart of the router: what is sent next comes from new ports, and the old ones lead nowhere.
  void rebind();
  // Counts the rebinds: a stream that was opened before is dead.
  std::uint64_t generation() const { return generation_; }

 private:
  struct Mapping {
    net::SocketAddress inside;
    TimePoint used;
    std::set<net::SocketAddress> peers;
  };
  bool alive(const Mapping& mapping, TimePoint now) const { return idle_ == 0s || now - mapping.used < idle_; }

  net::IpAddress address_;
  Duration idle_;
  std::map<std::uint16_t, Mapping> by_port_;
  std::map<net::SocketAddress, std::uint16_t> by_inside_;
  std::uint16_t next_port_ = kFirstPort;
  std::uint64_t generation_ = 0;

  static constexpr std::uint16_t kFirstPort = 20'000;
};

}  // namespace fairlead::sim
