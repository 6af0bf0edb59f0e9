#include "net/socket_stream.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "net/socket.h"

namespace fairlead::net {

namespace {

// So many calls in a row may be served without going back to the loop: enough to hide its cost, few enough for others' latency.
constexpr int kCallsWithoutWait = 16;

// An idle connection whose peer is gone is found after 60 s + 4 * 15 s: under the two minutes that a session survives.
// TCP_USER_TIMEOUT stays unset: Linux counts a peer that answers window probes but does not read as dead, and cuts paused readers.
constexpr int kKeepAliveIdleSeconds = 60;
constexpr int kKeepAliveIntervalSeconds = 15;
constexpr int kKeepAliveProbes = 4;

}  // namespace

void set_tcp_options(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
}

SocketIncoming::~SocketIncoming() {
  if (fd_.valid()) close_with_reset(fd_);
}

SocketStream::SocketStream(AsioLoop& loop, Fd fd, const SocketAddress& peer, const SocketAddress& local)
    : loop_(loop), fd_(std::move(fd)), peer_(peer), local_(local) {}

SocketStream::~SocketStream() {
  if (!sent_end_ || !got_end_) reset();
}

FdEvents& SocketStream::events() {
  calls_without_wait_ = 0;
  if (!events_) events_.emplace(loop_, fd_.get());
  return *events_;
}

bool SocketStream::must_yield() {
  if (++calls_without_wait_ < kCallsWithoutWait) return false;
  calls_without_wait_ = 0;
  return true;
}

std::unexpected<Error> SocketStream::broken(int err, std::string_view doing) {
  failure_ = Error::from_errno(err, fmt::format("{} {}", doing, peer_));
  return fail(*failure_);
}

std::optional<Result<std::size_t>> SocketStream::try_read(MutableBytes into) {
  for (;;) {
    if (!fd_.valid()) return fail(Code::cancelled, "read from {}: broken off by this side", peer_);
    if (got_end_) return std::size_t{0};
    // What came before the peer broke off can still be read.
    const ssize_t n = ::recv(fd_.get(), into.data(), into.size(), 0);
    if (n > 0) return static_cast<std::size_t>(n);
    if (n == 0) {
      if (read_broken_) return fail(*failure_);
      got_end_ = true;
      return std::size_t{0};
    }
    if (errno == EAGAIN) return std::nullopt;
    if (errno != EINTR) {
      read_broken_ = true;
      return broken(errno, "read from");
    }
  }
}

Task<void> SocketStream::readable() {
  if (fd_.valid() && !got_end_) co_await events().readable();
}

Task<Result<std::size_t>> SocketStream::read(MutableBytes into) {
  if (must_yield()) co_await loop_.yield();
  for (;;) {
    if (std::optional<Result<std::size_t>> done = try_read(into)) co_return *std::move(done);
    co_await events().readable();
  }
}

Result<std::size_t> SocketStream::try_write(Bytes bytes) {
  for (;;) {
    if (!fd_.valid()) return fail(Code::cancelled, "write to {}: broken off by this side", peer_);
    if (sent_end_) return fail(Code::closed, "write to {}: this half was shut", peer_);
    if (failure_) return fail(*failure_);
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EAGAIN) return std::size_t{0};
    if (errno != EINTR) {
      // EPIPE comes first only if the peer had ended its half before: that end stays a real one.
      if (errno != EPIPE) read_broken_ = true;
      return broken(errno, "write to");
    }
  }
}

Task<void> SocketStream::writable() {
  if (fd_.valid() && !sent_end_ && !failure_) co_await events().writable();
}

Task<Result<void>> SocketStream::write(Bytes bytes) {
  if (must_yield()) co_await loop_.yield();
  while (!bytes.empty()) {
    CO_TRY_ASSIGN(const std::size_t n, try_write(bytes));
    bytes = bytes.subspan(n);
    if (!bytes.empty()) co_await events().writable();  // a short write means that the buffer is full
  }
  co_return Result<void>{};
}

Result<void> SocketStream::shut() {
  if (!fd_.valid()) return fail(Code::cancelled, "shut {}: broken off by this side", peer_);
  if (failure_) return fail(*failure_);
  if (sent_end_) return {};
  if (::shutdown(fd_.get(), SHUT_WR) != 0) return fail(Code::reset, "shut {}: the peer broke off", peer_);
  sent_end_ = true;
  return {};
}

void SocketStream::carry_many() {
  constexpr int kUnsent = 32 * 1024;  // 2.6 ms at 100 Mbit/s
  if (!fd_.valid()) return;
  set_option(fd_.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsent);
  static_cast<void>(::setsockopt(fd_.get(), IPPROTO_TCP, TCP_CONGESTION, "bbr", 3));  // where the kernel has it: loss is no sign of a queue
}

std::unique_ptr<Incoming> SocketStream::release() {
  if (!fd_.valid() || failure_ || got_end_ || sent_end_) return nullptr;
  events_.reset();
  return std::make_unique<SocketIncoming>(std::move(fd_), peer_, local_);
}

void SocketStream::reset() {
  if (!fd_.valid()) return;
  events_.reset();  // who waits is woken and finds the descriptor closed
  close_with_reset(fd_);
}

std::size_t SocketStream::undelivered() const {
  int waiting = 0;
  if (!fd_.valid() || failure_ || ::ioctl(fd_.get(), SIOCOUTQ, &waiting) != 0 || waiting <= 0) return 0;
  // The kernel counts on when the peer has broken off.
  std::uint8_t state = 0;  // tcp_info's first member
  socklen_t size = sizeof(state);
  const bool tcp = ::getsockopt(fd_.get(), IPPROTO_TCP, TCP_INFO, &state, &size) == 0;
  return tcp && state == TCP_CLOSE ? 0 : static_cast<std::size_t>(waiting);
}

}  // namespace fairlead::net
