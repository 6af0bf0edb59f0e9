// outbox.h: batches of datagrams on their way into a socket.
//
// What the socket does not take at once is copied and kept in order; until it is gone the endpoint flushes no engine. Any other
// failure (too large for the path, no route) is a lost packet: engines recover from those, and find the path's MTU by them.
// Invariant: batches leave in the order in which they were given, and no more than kMaxWaiting wait.
#pragma once
#include <deque>
#include <functional>
#include <vector>

#include "net/datagram_socket.h"
#include "runtime/scope.h"

namespace fairlead::quic {

class Outbox {
 public:
  // An engine stops soon after the first batch that had to wait, so this is only reached by answers to strangers.
  static constexpr std::size_t kMaxWaiting = 256;

  // `drained` is called, between tasks, when the socket has taken all that waited.
  Outbox(Loop& loop, std::move_only_function<void()> drained) : drained_(std::move(drained)), scope_(loop) {}

  // Sends by `socket` from now on, which must outlive this or the next use(). What still waits is lost.
  void use(net::DatagramSocket& socket);
  void send(const net::DatagramBatch& batch);
  bool blocked() const { return !waiting_.empty(); }
  std::uint64_t bytes_sent() const { return bytes_; }
  std::uint64_t lost() const { return lost_; }

 private:
  struct Waiting {
    net::DatagramBatch batch;
    std::vector<std::byte> data;
  };
  Task<void> drain();

  std::move_only_function<void()> drained_;
  net::DatagramSocket* socket_ = nullptr;
  std::deque<Waiting> waiting_;
  std::uint64_t bytes_ = 0;
  std::uint64_t lost_ = 0;
  Scope scope_;  // last: its task uses all of the above
};

}  // namespace fairlead::quic
