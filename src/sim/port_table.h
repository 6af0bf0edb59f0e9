// port_table.h: who is bound to which address of a host, for streams or for datagrams.
#pragma once
#include <algorithm>
#include <map>
#include <vector>

#include "net/address.h"

namespace fairlead::sim {

// T has local(), and reuse_port(): several that all have it may share an address.
template <class T>
class PortTable {
 public:
  static constexpr std::uint16_t kFirstFree = 32'768;  // Linux's ephemeral range
  static constexpr std::uint16_t kLastFree = 60'999;

  // The address with a port if `at` has none; Code::exists when it is taken.
  Result<net::SocketAddress> choose(net::SocketAddress at, bool reuse_port) {
    if (at.port == 0) {
      for (int tries = kFirstFree; tries <= kLastFree; tries++) {
        at.port = next_free();
        if (!taken(at, false)) return at;
      }
      return fail(Code::overloaded, "bind {}: no port is free", at);
    }
    if (taken(at, reuse_port)) return fail(Code::exists, "bind {}: the address is in use", at);
    return at;
  }
  // A port for a connection that is dialled.
  std::uint16_t next_free() {
    next_ = next_ == kLastFree ? kFirstFree : static_cast<std::uint16_t>(next_ + 1);
    return next_;
  }

  void add(T& bound) { by_port_[bound.local().port].push_back(&bound); }
  void remove(T& bound) {
    const auto found = by_port_.find(bound.local().port);
    if (found == by_port_.end()) return;
    std::erase(found->second, &bound);
    if (found->second.empty()) by_port_.erase(found);
  }
  void clear() { by_port_.clear(); }
  // Calls f(T&) for each.
  template <class F>
  void for_each(F f) {
    for (auto& [port, all] : by_port_)
      for (T* one : all) f(*one);
  }

  // Who gets what `from` sends to `to`: the closest match; among those that share an address, one by the peer's address.
  T* find(const net::SocketAddress& to, const net::SocketAddress& from) const {
    const auto found = by_port_.find(to.port);
    if (found == by_port_.end()) return nullptr;
    std::vector<T*> exact, any;
    for (T* one : found->second) {
      const net::IpAddress& ip = one->local().ip;
      if (ip == to.ip) exact.push_back(one);
      if (ip.is_unspecified() && (to.ip.is_v4() || !ip.is_v4())) any.push_back(one);
    }
    const std::vector<T*>& closest = exact.empty() ? any : exact;
    if (closest.empty()) return nullptr;
    return closest[closest.size() == 1 ? 0 : spread(from) % closest.size()];
  }

 private:
  static std::size_t spread(const net::SocketAddress& from) {
    std::size_t sum = from.port;
    for (std::size_t i = 0; i < from.ip.size(); i++) sum = sum * 31 + from.ip.data()[i];
    return sum * 2654435761U >> 7;
  }
  bool taken(const net::SocketAddress& at, bool reuse_port) const {
    const auto found = by_port_.find(at.port);
    if (found == by_port_.end()) return false;
    return std::ranges::any_of(found->second, [&](const T* other) {
      const net::IpAddress& ip = other->local().ip;
      const bool meets = ip == at.ip || covers(ip, at.ip) || covers(at.ip, ip);
      return meets && !(reuse_port && other->reuse_port());
    });
  }
  // 0.0.0.0 is every IPv4 address, [::] is every address.
  static bool covers(const net::IpAddress& any, const net::IpAddress& one) { return any.is_unspecified() && (!any.is_v4() || one.is_v4()); }

  std::map<std::uint16_t, std::vector<T*>> by_port_;
  std::uint16_t next_ = kFirstFree - 1;
};

}  // namespace fairlead::sim
