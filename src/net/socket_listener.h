// socket_listener.h: a Listener on a kernel socket, TCP or UNIX.
//
// Invariant: when the process is out of descriptors, a connection that waits is taken by means of a descriptor kept in reserve and
// reset at once, so that its client knows, and the listener neither spins nor stands still.
#pragma once
#include <optional>
#include <string>

#include "net/fd.h"
#include "net/network.h"
#include "runtime/asio_loop.h"

namespace fairlead::net {

class SocketListener final : public Listener {
 public:
  // `fd` listens and is non-blocking.
  SocketListener(AsioLoop& loop, Fd fd, const SocketAddress& local);

  Task<Result<std::unique_ptr<Incoming>>> accept() override;
  const SocketAddress& local() const override { return local_; }

 private:
  // False when no connection waits.
  bool refuse_one();

  AsioLoop& loop_;
  Fd fd_;
  FdEvents events_;
  SocketAddress local_;
  Fd reserve_;
  int accepted_without_wait_ = 0;
};

Result<std::unique_ptr<Listener>> listen_tcp(AsioLoop& loop, const SocketAddress& at, const ListenOptions& options);

}  // namespace fairlead::net
