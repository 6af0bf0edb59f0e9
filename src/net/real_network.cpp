#include "net/real_network.h"

#include <sys/socket.h>

#include <cerrno>

#include "net/socket.h"
#include "net/socket_listener.h"
#include "net/socket_stream.h"
#include "net/udp_socket.h"

namespace fairlead::net {

RealNetwork::RealNetwork(AsioLoop& loop) : loop_(loop), buffers_(std::make_shared<ReceiveBuffers>()) {}

Result<std::unique_ptr<Listener>> RealNetwork::listen(const SocketAddress& at, const ListenOptions& options) {
  return listen_tcp(loop_, at, options);
}

std::unique_ptr<Stream> RealNetwork::adopt(std::unique_ptr<Incoming> incoming) {
  auto& accepted = static_cast<SocketIncoming&>(*incoming);
  return std::make_unique<SocketStream>(loop_, accepted.take(), accepted.peer(), accepted.local());
}

Task<Result<std::unique_ptr<Stream>>> RealNetwork::connect(const SocketAddress& to) {
  const int family = to.ip.is_v4() ? AF_INET : AF_INET6;
  Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) co_return fail(Error::from_errno(errno, fmt::format("connect to {}", to)));
  set_tcp_options(fd.get());
  const NativeAddress native = native_address(to, family);
  int err = ::connect(fd.get(), native.get(), native.size) == 0 ? 0 : errno;
  if (err == EINPROGRESS || err == EINTR) {
    FdEvents events(loop_, fd.get());
    co_await events.writable();
    socklen_t size = sizeof err;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &err, &size);
  }
  if (err != 0) co_return fail(Error::from_errno(err, fmt::format("connect to {}", to)));
  const SocketAddress local = local_address(fd.get());
  // A port of the ephemeral range without a listener: the kernel may have connected the socket to itself.
  if (local == to) co_return fail(Code::refused, "connect to {}: nobody listens there", to);
  co_return std::make_unique<SocketStream>(loop_, std::move(fd), to, local);
}

Result<std::unique_ptr<DatagramSocket>> RealNetwork::bind(const SocketAddress& at, const DatagramOptions& options) {
  return UdpSocket::bind(loop_, buffers_, at, options);
}

Result<std::unique_ptr<DatagramSocket>> RealNetwork::connect_datagrams(const SocketAddress& to, const DatagramOptions& options) {
  return UdpSocket::connect(loop_, buffers_, to, options);
}

Task<Result<std::vector<IpAddress>>> RealNetwork::resolve(std::string host) {
  std::vector<IpAddress> addresses;
  if (auto literal = IpAddress::parse(host)) {
    addresses.push_back(*literal);
    co_return addresses;
  }
  auto found = co_await resolve_host(loop_, host);
  if (!found) co_return std::unexpected(found.error());
  for (const std::string& text : *found)
    if (auto address = IpAddress::parse(text)) addresses.push_back(*address);  // one with a zone is of no use elsewhere
  if (addresses.empty()) co_return fail(Code::unreachable, "resolve \"{}\": no usable address", host);
  co_return addresses;
}

Result<IpAddress> RealNetwork::source_for(const IpAddress& to) {
  constexpr std::uint16_t kAnyPort = 9;  // nothing is sent
  const int family = to.is_v4() ? AF_INET : AF_INET6;
  Fd fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const NativeAddress native = native_address({to, kAnyPort}, family);
  if (!fd.valid() || ::connect(fd.get(), native.get(), native.size) != 0)
    return fail(Error::from_errno(errno, fmt::format("find a source address for {}", to)));
  return local_address(fd.get()).ip;
}

}  // namespace fairlead::net
