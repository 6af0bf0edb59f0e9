// api_servers.h: the API servers that this cloud dials for its edges: spread over them, and past those that do not answer.
//
// One on each loop. TLS is between the edge's client and the API server; here is TCP only, so that a server counts as well when it takes
// connections. One that did not is asked last for kRest, and first again after it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "net/network.h"
#include "runtime/loop.h"

namespace fairlead::kube_plugin {

class ApiServers {
 public:
  static constexpr Duration kRest = 10s;   // after a failure
  static constexpr Duration kTryFor = 2s;  // one of several; the last one has all the time that is left

  explicit ApiServers(net::Network& network) : network_(network) {}

  // Connections go on; what is known of a server that stays is kept.
  void set(const std::vector<net::SocketAddress>& addresses);
  bool empty() const { return servers_.empty(); }

  struct Connected {
    std::unique_ptr<net::Stream> stream;
    net::SocketAddress at;
    std::shared_ptr<void> held;  // counts as a connection of that server while it lives
  };
  // The one with the fewest connections first. Code::unreachable with what each said when none takes it.
  Task<Result<Connected>> connect(TimePoint until);

  struct State {
    net::SocketAddress at;
    std::size_t connections = 0;
    bool failing = false;
  };
  std::vector<State> states() const;

 private:
  struct Server {
    net::SocketAddress at;
    std::size_t open = 0;
    TimePoint rests_until{};
  };
  std::vector<std::shared_ptr<Server>> in_order() const;

  net::Network& network_;
  std::vector<std::shared_ptr<Server>> servers_;
  mutable std::size_t turn_ = 0;  // equal ones take turns
};

}  // namespace fairlead::kube_plugin
