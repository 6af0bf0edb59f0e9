#include "sim/nat.h"

namespace fairlead::sim {

net::SocketAddress Nat::outbound(const net::SocketAddress& inside, const net::SocketAddress& peer, TimePoint now) {
  auto known = by_inside_.find(inside);
  if (known != by_inside_.end() && !alive(by_port_.at(known->second), now)) {
    by_port_.erase(known->second);
    by_inside_.erase(known);
    known = by_inside_.end();
  }
  if (known == by_inside_.end()) {
    while (by_port_.contains(next_port_)) next_port_ = next_port_ == UINT16_MAX ? kFirstPort : static_cast<std::uint16_t>(next_port_ + 1);
    known = by_inside_.emplace(inside, next_port_).first;
    by_port_.emplace(next_port_, Mapping{inside, now, {}});
    next_port_ = next_port_ == UINT16_MAX ? kFirstPort : static_cast<std::uint16_t>(next_port_ + 1);
  }
  Mapping& mapping = by_port_.at(known->second);
  mapping.used = now;
  mapping.peers.insert(peer);
  return {address_, known->second};
}

std::optional<net::SocketAddress> Nat::inbound(const net::SocketAddress& outside, const net::SocketAddress& peer, TimePoint now) const {
  const auto found = by_port_.find(outside.port);
  if (found == by_port_.end() || !alive(found->second, now) || !found->second.peers.contains(peer)) return std::nullopt;
  return found->second.inside;
}

void Nat::rebind() {
  by_port_.clear();
  by_inside_.clear();
  generation_++;
}

}  // namespace fairlead::sim
