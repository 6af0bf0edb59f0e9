// unproved_peer.h: what a server may still send to an address that is not proved to be its peer's: three times what came from there
// (RFC 9000 8.1).
//
// ngtcp2 keeps this count by itself. It is kept again because 1.11, asked to write when nothing is left of it, stops its loss detection;
// and with a full congestion window nothing starts that again, nor goes on with validating the path: the connection is mute for good.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>

#include "net/address.h"

namespace fairlead::quic {

class UnprovedPeer {
 public:
  // The peer is at `address` now; its first datagram from there had `size` bytes.
  void moved(const net::SocketAddress& address, std::size_t size) {
    at_ = address;
    limited_ = std::ranges::find(proved_, address) == proved_.end();
    received_ = size;
    sent_ = 0;
  }
  // It is to be proved again, where it is.
  void doubted(const net::SocketAddress& address) {
    at_ = address;
    std::erase(proved_, at_);
    limited_ = true;
    received_ = sent_ = 0;
  }
  void proved(const net::SocketAddress& address) {
    if (address == at_) limited_ = false;
    if (std::ranges::find(proved_, address) != proved_.end()) return;
    proved_.push_back(address);
    if (proved_.size() > kRemembered) proved_.pop_front();
  }
  void received(std::size_t size) { received_ += size; }
  void sent(std::size_t size) {
    sent_ += size;
    if (sent_ > 3 * received_) limited_ = false;  // it may, so it is proved: by a small PATH_CHALLENGE the library does not tell
  }
  // No packet fits what is left.
  bool spent() const { return limited_ && 3 * received_ < sent_ + kSmallestPacket; }

 private:
  static constexpr std::size_t kRemembered = 4;       // to which the library may go back without proving them again
  static constexpr std::size_t kSmallestPacket = 32;  // head, a frame and the AEAD's tag

  net::SocketAddress at_;
  bool limited_ = false;
  std::uint64_t received_ = 0, sent_ = 0;
  std::deque<net::SocketAddress> proved_;
};

}  // namespace fairlead::quic
