#include "net/socket_listener.h"

#include <fcntl.h>
#include <netinet/in.h>

#include <cerrno>

#include "net/socket.h"
#include "net/socket_stream.h"

namespace fairlead::net {

namespace {

// A storm of connections must not keep the loop from serving those it has.
constexpr int kAcceptsWithoutWait = 64;

Fd open_reserve() { return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// Errors of the connection that was about to be accepted, not of the listener: accept(2).
bool concerns_one_connection(int err) {
  switch (err) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM: return true;
    default: return false;
  }
}

}  // namespace

SocketListener::SocketListener(AsioLoop& loop, Fd fd, const SocketAddress& local)
    : loop_(loop), fd_(std::move(fd)), events_(loop, fd_.get()), local_(local), reserve_(open_reserve()) {}

bool SocketListener::refuse_one() {
  reserve_.close();
  Fd connection(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  const bool none_waits = !connection.valid() && errno == EAGAIN;
  if (connection.valid()) close_with_reset(connection);
  reserve_ = open_reserve();
  return !none_waits;
}

Task<Result<std::unique_ptr<Incoming>>> SocketListener::accept() {
  if (++accepted_without_wait_ >= kAcceptsWithoutWait) {
    accepted_without_wait_ = 0;
    co_await loop_.yield();
  }
  for (;;) {
    NativeAddress from;
    Fd fd(::accept4(fd_.get(), from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) {
      const SocketAddress local = local_.ip.is_unspecified() ? local_address(fd.get()) : local_;
      co_return std::make_unique<SocketIncoming>(std::move(fd), address_of(from), local);
    }
    const int err = errno;
    // Linux asks for a descriptor before it looks for a connection.
    const bool out_of_descriptors = err == EMFILE || err == ENFILE;
    if (out_of_descriptors && refuse_one())
      co_return fail(Code::overloaded, "accept at {}: out of file descriptors, a connection was refused", local_);
    if (err == EAGAIN || out_of_descriptors) {
      accepted_without_wait_ = 0;
      co_await events_.readable();
    } else if (!concerns_one_connection(err)) {
      co_return fail(Error::from_errno(err, fmt::format("accept at {}", local_)));
    }
  }
}

Result<std::unique_ptr<Listener>> listen_tcp(AsioLoop& loop, const SocketAddress& at, const ListenOptions& options) {
  TRY_ASSIGN(BoundSocket socket, open_bound(at, SOCK_STREAM, [&](int fd, int) {
               set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
               if (options.reuse_port) set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
               set_tcp_options(fd);
             }));
  if (::listen(socket.fd.get(), options.backlog) != 0) return fail(Error::from_errno(errno, fmt::format("listen at {}", at)));
  return std::make_unique<SocketListener>(loop, std::move(socket.fd), socket.local);
}

}  // namespace fairlead::net
