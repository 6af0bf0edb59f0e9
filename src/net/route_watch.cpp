#include "net/route_watch.h"

#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "net/socket.h"
#include "runtime/asio_loop.h"
#include "runtime/wait_queue.h"

namespace fairlead::net {
namespace {

constexpr std::uint32_t kGroups =
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE;

Fd open_netlink() {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return fd;
  sockaddr_nl at{};
  at.nl_family = AF_NETLINK;
  at.nl_groups = kGroups;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) fd.close();
  return fd;
}

class KernelRouteWatch final : public RouteWatch {
 public:
  explicit KernelRouteWatch(AsioLoop& loop) : fd_(open_netlink()) {
    if (fd_.valid())
      events_.emplace(loop, fd_.get());
    else
      never_.emplace(loop);
  }
  Task<void> changed() override {
    while (never_) co_await never_->wait();
    while (!drain()) co_await events_->readable();
  }

 private:
  // What is said is not read: whoever asks looks at everything anew. ENOBUFS: more was said than there was room for.
  bool drain() {
    bool any = false;
    std::array<std::byte, 8192> ignored;
    for (;;) {
      const ssize_t n = ::recv(fd_.get(), ignored.data(), ignored.size(), MSG_TRUNC);
      if (n < 0 && errno != ENOBUFS && errno != EINTR) return any;
      any = any || n > 0 || errno == ENOBUFS;
      if (n == 0) return any;
    }
  }

  Fd fd_;
  std::optional<FdEvents> events_;
  std::optional<WaitQueue> never_;
};

// The interface that has the address, as getifaddrs(3) lists it.
std::string device_of(const IpAddress& source) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  std::string found;
  for (const ifaddrs* i = list; i != nullptr && found.empty(); i = i->ifa_next) {
    if (i->ifa_addr == nullptr) continue;
    const socklen_t size = i->ifa_addr->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    const auto address = SocketAddress::from_sockaddr(i->ifa_addr, size);
    if (address && address->ip == source) found = i->ifa_name;
  }
  ::freeifaddrs(list);
  return found;
}

// IFF_RUNNING is lost with the carrier, while addresses and routes stay.
bool is_running(int fd, const std::string& device) {
  ifreq request{};
  std::copy_n(device.data(), std::min<std::size_t>(device.size(), IFNAMSIZ - 1), request.ifr_name);
  if (::ioctl(fd, SIOCGIFFLAGS, &request) != 0) return false;
  return (request.ifr_flags & IFF_UP) != 0 && (request.ifr_flags & IFF_RUNNING) != 0;
}

}  // namespace

std::unique_ptr<RouteWatch> watch_kernel_routes(AsioLoop& loop) { return std::make_unique<KernelRouteWatch>(loop); }

Result<LocalRoute> kernel_route_to(const IpAddress& to, std::string_view device) {
  constexpr std::uint16_t kAnyPort = 9;  // nothing is sent
  const int family = to.is_v4() ? AF_INET : AF_INET6;
  const std::string by = device.empty() ? std::string() : fmt::format(" by {}", device);
  Fd fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail(Error::from_errno(errno, fmt::format("find a route to {}{}", to, by)));
  if (!device.empty()) TRY(bind_to_device(fd.get(), device));
  const NativeAddress native = native_address({to, kAnyPort}, family);
  if (::connect(fd.get(), native.get(), native.size) != 0)
    return fail(Error::from_errno(errno, fmt::format("find a route to {}{}", to, by)));
  LocalRoute route{local_address(fd.get()).ip, std::string(device)};
  if (route.device.empty()) route.device = device_of(route.source);
  if (!route.device.empty() && !is_running(fd.get(), route.device))
    return fail(Code::unreachable, "find a route to {}: {} is down or has no carrier", to, route.device);
  return route;
}

}  // namespace fairlead::net
