// udp_ingress.h: listens at the addresses of UDPRoutes; each client there has an association, and that a flow.
//
// One on each loop, each with a socket of its own at every address. An association stays on the loop that its client's datagrams come to;
// a flow to a node whose session is on another loop is used from afar (link/remote_flow.h).
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "net/listeners.h"
#include "net/network.h"
#include "plugins/udp/door.h"

namespace fairlead::udp {

class UdpIngress {
 public:
  UdpIngress(net::Network& network, link::Peers& peers, const route::NodeDirectory& nodes, std::shared_ptr<route::BackendStates> states,
             observe::AccessLog* access_log);

  // How many loops listen at each address; before the first apply().
  void set_loops(std::size_t loops) { loops_ = loops; }
  // The port of the link: a socket beside the link's own ones would take its packets. Before the first apply().
  void reserve(std::uint16_t port) { reserved_ = port; }

  // Opens the sockets that are new, lets go of those that are gone (Door::leave), changes the rules of the rest (Door::set_rule). What
  // could not be opened is returned and left out; the next apply() tries again.
  std::vector<net::Listeners::Failure> apply(std::shared_ptr<const route::Snapshot> snapshot);
  // No new associations; those that are left end when they are idle.
  void stop_listening();
  std::size_t associations() const;
  std::size_t listeners() const { return doors_.size(); }
  const UdpIngressCounters& counters() const { return ground_.counters; }

 private:
  Result<std::shared_ptr<net::DatagramSocket>> open(const route::UdpListener& rule);

  net::Network& network_;
  const route::NodeDirectory& nodes_;
  std::shared_ptr<route::BackendStates> states_;
  std::size_t loops_ = 1;
  std::optional<std::uint16_t> reserved_;
  Ground ground_;
  std::map<net::SocketAddress, std::unique_ptr<Door>> doors_;
  std::map<net::SocketAddress, std::unique_ptr<Door>> leaving_;
};

}  // namespace fairlead::udp
