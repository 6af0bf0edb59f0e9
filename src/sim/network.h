// network.h: simulated hosts and the paths between them, in the virtual time of one SimLoop. Replayed exactly by its seed.
//
//   SimLoop loop(7);
//   sim::Network net(loop, {.seed = 7, .rtt = 50ms, .loss = 0.01});
//   sim::Host& cloud = net.host("cloud", ip("192.0.2.1"));
//   sim::Host& edge = net.host("edge-a", ip("10.0.0.5"));
//   edge.set_nat(net.nat(ip("198.51.100.9")));
//   net.set_up(cloud, edge, false);                            // the link is cut
//   net.path(edge, cloud).options().loss = 0.2;                // one direction, while it runs
//   edge.add_device("wwan0", ip("10.1.0.5"));
//   net.path(edge, cloud, "wwan0").options().rtt = 80ms;         // a path of its own for each interface of either end
//
// A host reaches itself at once and without loss. The network must outlive what its hosts make.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>

#include "sim/host.h"
#include "sim/nat.h"
#include "sim/path.h"
#include "sim/schedule.h"

namespace fairlead::sim {

class Network final : private PacketSink {
 public:
  explicit Network(SimLoop& loop, const LinkOptions& options = {}) : schedule_(loop), options_(options) {}
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // A new host. Its name resolves to its addresses.
  Host& host(std::string name, const net::IpAddress& ip);
  Nat& nat(const net::IpAddress& public_address, Duration idle = 0s);
  // Another name to resolve.
  void add_name(std::string name, std::vector<net::IpAddress> addresses) { names_[std::move(name)] = std::move(addresses); }

  Path& path(const Host& from, const Host& to, std::string_view device = Host::kFirstDevice);
  // Both directions.
  void set_options(const Host& a, const Host& b, const LinkOptions& options, std::string_view device = Host::kFirstDevice);
  void set_up(const Host& a, const Host& b, bool up, std::string_view device = Host::kFirstDevice);
  PathCounters counters() const;  // of all paths

  SimLoop& loop() const { return schedule_.loop(); }
  Schedule& schedule() { return schedule_; }

 private:
  friend class Host;
  friend class Connection;
  friend class DatagramSocket;

  // Where something from `source` to `to` comes out.
  struct Route {
    Host* to = nullptr;         // none: nobody has the address, or a NAT hides who has it
    net::SocketAddress source;  // as the receiver sees it
    net::SocketAddress inside;  // `to` behind its NAT
  };
  Route route(const Host& from, const net::SocketAddress& source, const net::SocketAddress& to);
  std::optional<net::SocketAddress> behind_nat(const net::SocketAddress& outside, const net::SocketAddress& peer) const;
  Path& path(const Host& from, const Host& to, std::size_t device);
  bool knows(const net::IpAddress& ip) const { return by_address_.contains(ip) || nats_.contains(ip); }
  void send(Host& from, Packet packet);
  // Nobody is bound to where `packet` came to `by`: its sender hears of it, if it asked for that.
  void refuse(Host& by, const Packet& packet);
  void arrive(Packet packet) override;
  Result<std::vector<net::IpAddress>> addresses_of(const std::string& name) const;

  Schedule schedule_;
  LinkOptions options_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::map<net::IpAddress, Host*> by_address_;
  std::map<net::IpAddress, std::unique_ptr<Nat>> nats_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Path>> paths_;
  std::map<std::string, std::vector<net::IpAddress>, std::less<>> names_;
};

}  // namespace fairlead::sim
