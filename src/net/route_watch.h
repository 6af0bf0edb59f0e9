// route_watch.h: how the system would send to an address, and when that may have changed.
#pragma once
#include <memory>
#include <string>

#include "net/address.h"
#include "runtime/task.h"

namespace fairlead {
class AsioLoop;
}

namespace fairlead::net {

struct LocalRoute {
  IpAddress source;    // the local address that packets would have
  std::string device;  // the interface that they would leave by; empty: not known
  bool operator==(const LocalRoute&) const = default;
};

// Hears of changes of interfaces, addresses and routes. Belongs to one loop.
class RouteWatch {
 public:
  virtual ~RouteWatch() = default;
  // Returns after a change that came since the last return, or at the next one. One change of a person's or a driver's makes several of
  // these in a few milliseconds. At most one coroutine waits.
  virtual Task<void> changed() = 0;
};

// Of the kernel: netlink (rtnetlink(7)). A kernel without it tells of nothing.
std::unique_ptr<RouteWatch> watch_kernel_routes(AsioLoop& loop);
// What Network::route_to says, from the kernel.
Result<LocalRoute> kernel_route_to(const IpAddress& to, std::string_view device);

}  // namespace fairlead::net
