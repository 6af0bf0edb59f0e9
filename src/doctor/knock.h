// knock.h: whether something of QUIC answers at an address, without a handshake and without a certificate: a packet of a version that
// nobody speaks is answered with those that the other side does (RFC 9000, 6). Tells silence from refusal, and what sizes get through.
#pragma once
#include <array>
#include <memory>
#include <optional>

#include "base/time.h"
#include "net/network.h"

namespace fairlead::doctor {

class Knocker {
 public:
  // Least and most that are of use: what QUIC needs of a path, and what Ethernet carries.
  static constexpr std::size_t kLeast = 1200;
  static constexpr std::size_t kSmall = 100;
  static std::size_t most(const net::SocketAddress& to) { return to.ip.is_v4() ? 1472 : 1452; }

  enum class Heard : std::uint8_t { answer, refused, unreachable, not_sent, silence };
  struct Outcome {
    Heard heard = Heard::silence;
    Duration rtt{};
    std::optional<Error> error = std::nullopt;
  };

  static Result<std::unique_ptr<Knocker>> make(net::Network& network, const net::SocketAddress& to);
  // With a UDP payload of `size`, again after `pause` until `tries` are over; each may take `pause` to be answered.
  Task<Outcome> knock(std::size_t size, int tries, Duration pause);
  // The same with a packet of kSmall bytes: where that is answered and kLeast is not, the path is too narrow for QUIC. It looks like one of
  // a connection that is over, which is answered by a stateless reset (RFC 9000, 10.3).
  Task<Outcome> tap(int tries, Duration pause);
  // The largest payload that gets there: kLeast or more, none if not even that.
  Task<std::optional<std::size_t>> largest(Duration pause);

 private:
  Knocker(Loop& loop, net::SocketAddress to, std::unique_ptr<net::DatagramSocket> socket);
  Task<Outcome> send(std::size_t size, bool small, int tries, Duration pause);
  Task<Result<Outcome>> answer(bool small);

  Loop& loop_;
  const net::SocketAddress to_;
  std::unique_ptr<net::DatagramSocket> socket_;
  std::array<std::byte, 8> id_{};  // changes with each call, so that a late answer is not taken for one of it
};

}  // namespace fairlead::doctor
