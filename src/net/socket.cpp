#include "net/socket.h"

#include <netinet/in.h>

#include <cerrno>
#include <cstring>

namespace fairlead::net {

NativeAddress native_address(const SocketAddress& address, int family) {
  NativeAddress native;
  if (family == AF_INET6 && address.ip.is_v4()) {
    sockaddr_in6 mapped{};
    mapped.sin6_family = AF_INET6;
    mapped.sin6_port = htons(address.port);
    // 0.0.0.0 is the any-address, not a peer: only others are mapped.
    if (!address.ip.is_unspecified()) {
      mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
      std::memcpy(&mapped.sin6_addr.s6_addr[12], address.ip.data(), 4);
    }
    std::memcpy(&native.storage, &mapped, sizeof mapped);
    native.size = sizeof mapped;
    return native;
  }
  native.size = address.to_sockaddr(native.storage);
  return native;
}

SocketAddress address_of(const NativeAddress& native) {
  auto address = SocketAddress::from_sockaddr(native.get(), native.size);
  return address ? *address : SocketAddress{};
}

SocketAddress local_address(int fd) {
  NativeAddress native;
  if (::getsockname(fd, native.get(), &native.size) != 0) return {};
  return address_of(native);
}

bool set_option(int fd, int level, int name, int value) { return ::setsockopt(fd, level, name, &value, sizeof value) == 0; }

Result<BoundSocket> open_bound(const SocketAddress& at, int type, FunctionRef<void(int fd, int family)> prepare) {
  const bool any_v6 = !at.ip.is_v4() && at.ip.is_unspecified();
  int family = at.ip.is_v4() ? AF_INET : AF_INET6;
  Fd fd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  SocketAddress address = at;
  if (!fd.valid() && errno == EAFNOSUPPORT && any_v6) {
    family = AF_INET;
    address.ip = IpAddress();
    fd = Fd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  }
  if (!fd.valid()) return fail(Error::from_errno(errno, fmt::format("open a socket for {}", at)));
  if (family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, any_v6 ? 0 : 1);
  prepare(fd.get(), family);
  const NativeAddress native = native_address(address, family);
  if (::bind(fd.get(), native.get(), native.size) != 0) return fail(Error::from_errno(errno, fmt::format("bind {}", at)));
  const SocketAddress local = local_address(fd.get());
  return BoundSocket{std::move(fd), family, local};
}

Result<void> bind_to_device(int fd, std::string_view device) {
  if (::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device.data(), static_cast<socklen_t>(device.size())) == 0) return {};
  return fail(Error::from_errno(errno, fmt::format("use the interface {}", device)));
}

void close_with_reset(Fd& fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd.close();
}

}  // namespace fairlead::net
