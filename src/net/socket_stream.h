// socket_stream.h: a Stream on a connected kernel socket, TCP or UNIX. The system call is tried first; only EAGAIN waits.
//
// Invariant: once the peer has broken off, every later read and write says so, although the kernel tells it only once.
// A UNIX socket has no reset: destroying an open one is an end to its peer, or ECONNRESET if the peer's bytes were left unread.
#pragma once
#include <optional>

#include "net/fd.h"
#include "net/network.h"
#include "runtime/asio_loop.h"

namespace fairlead::net {

class SocketStream final : public Stream {
 public:
  // `fd` is connected and non-blocking.
  SocketStream(AsioLoop& loop, Fd fd, const SocketAddress& peer, const SocketAddress& local);
  ~SocketStream() override;

  Task<Result<std::size_t>> read(MutableBytes into) override;
  std::optional<Result<std::size_t>> try_read(MutableBytes into) override;
  Task<void> readable() override;
  Task<Result<void>> write(Bytes bytes) override;
  Result<std::size_t> try_write(Bytes bytes) override;
  Task<void> writable() override;
  Result<void> shut() override;
  void end_was_told() override { got_end_ = true; }
  void reset() override;
  std::size_t undelivered() const override;
  // It is to carry many conversations: the kernel holds little that it cannot send yet, so that what is urgent waits for little.
  void carry_many();
  std::unique_ptr<Incoming> release() override;
  const SocketAddress& peer() const override { return peer_; }
  const SocketAddress& local() const override { return local_; }

 private:
  FdEvents& events();
  // A peer that is always ready would keep us from ever going back to the loop.
  bool must_yield();
  std::unexpected<Error> broken(int err, std::string_view doing);

  AsioLoop& loop_;
  Fd fd_;
  std::optional<FdEvents> events_;
  SocketAddress peer_;
  SocketAddress local_;
  std::optional<Error> failure_;
  bool read_broken_ = false;  // what the kernel calls an end from now on is none
  bool got_end_ = false;
  bool sent_end_ = false;
  int calls_without_wait_ = 0;
};

// A connection between accept and adopt.
class SocketIncoming final : public Incoming {
 public:
  SocketIncoming(Fd fd, const SocketAddress& peer, const SocketAddress& local) : fd_(std::move(fd)), peer_(peer), local_(local) {}
  ~SocketIncoming() override;
  const SocketAddress& peer() const override { return peer_; }
  const SocketAddress& local() const override { return local_; }
  Fd take() { return std::move(fd_); }

 private:
  Fd fd_;
  SocketAddress peer_;
  SocketAddress local_;
};

// TCP_NODELAY and keep-alive. What is accepted inherits them from the listening socket.
void set_tcp_options(int fd);

}  // namespace fairlead::net
