// socket.h: what TCP and UDP sockets share: the family, native addresses, opening and binding.
//
// An AF_INET6 socket bound to [::] serves both families; IPv4 peers appear on it as mapped addresses, which SocketAddress shows as
// IPv4 again. Where the kernel has no IPv6 at all, [::] means 0.0.0.0.
#pragma once
#include <sys/socket.h>

#include "base/function_ref.h"
#include "net/address.h"
#include "net/fd.h"

namespace fairlead::net {

struct NativeAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// As a socket of `family` takes it: an IPv4 address is mapped for an AF_INET6 socket.
NativeAddress native_address(const SocketAddress& address, int family);
// 0.0.0.0:0 for a family that is not IP.
SocketAddress address_of(const NativeAddress& native);
SocketAddress local_address(int fd);

// For options whose absence the kernel may excuse (old kernels, missing rights): says whether it was set.
bool set_option(int fd, int level, int name, int value);
// The socket sends and receives only by this interface. Needs no rights since Linux 5.7.
Result<void> bind_to_device(int fd, std::string_view device);

struct BoundSocket {
  Fd fd;
  int family = 0;
  SocketAddress local;
};
// A non-blocking socket of `type` bound to `at`; `prepare(fd, family)` sets its options before. Code::exists when the address is taken.
Result<BoundSocket> open_bound(const SocketAddress& at, int type, FunctionRef<void(int fd, int family)> prepare);

// Closes with a reset (TCP), dropping what was not sent.
void close_with_reset(Fd& fd);

}  // namespace fairlead::net
