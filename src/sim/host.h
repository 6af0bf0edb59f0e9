// host.h: one simulated machine with one process on it: a net::Network whose other end is the simulation.
//
// It can lose its process (kill), its power (crash), its address, and an interface. What the dead process had made stays valid to destroy, and does
// nothing any more: its waits never return, as the code that waits would not be there.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "net/network.h"
#include "runtime/wait_queue.h"
#include "sim/port_table.h"

namespace fairlead::sim {

class DatagramSocket;
class Listener;
class Nat;
class Network;
struct Packet;
struct Side;

class Host final : public net::Network {
 public:
  Host(sim::Network& network, std::string name, std::size_t index);
  ~Host() override;

  const std::string& name() const { return name_; }
  std::size_t index() const { return index_; }

  // net::Network
  Loop& loop() override;
  Result<std::unique_ptr<net::Listener>> listen(const net::SocketAddress& at, const net::ListenOptions& options = {}) override;
  std::unique_ptr<net::Stream> adopt(std::unique_ptr<net::Incoming> incoming) override;
  // Code::unreachable at once when nobody can have the address, timeout after 127 s without an answer.
  Task<Result<std::unique_ptr<net::Stream>>> connect(const net::SocketAddress& to) override;
  Result<std::unique_ptr<net::DatagramSocket>> bind(const net::SocketAddress& at, const net::DatagramOptions& options = {}) override;
  // Of ICMP errors it knows one: nobody is bound to the port, on a host that is up. It takes no time and is never lost.
  Result<std::unique_ptr<net::DatagramSocket>> connect_datagrams(const net::SocketAddress& to,
                                                                 const net::DatagramOptions& options = {}) override;
  Task<Result<std::vector<net::IpAddress>>> resolve(std::string host) override;
  Result<net::IpAddress> source_for(const net::IpAddress& to) override;
  Result<net::LocalRoute> route_to(const net::IpAddress& to, std::string_view device = {}) override;
  std::unique_ptr<net::RouteWatch> watch_routes() override;

  // Of its first interface, kFirstDevice. The first address of each family is the source of what leaves by it.
  static constexpr std::string_view kFirstDevice = "eth0";
  const std::vector<net::IpAddress>& addresses() const { return addresses_; }
  bool has_address(const net::IpAddress& ip) const;
  void add_address(const net::IpAddress& ip);
  // Another interface with one address and, if wanted, a NAT of its own; the packets of its address have paths of their own (see
  // Network::path). What is bound to no interface leaves by the first one that is up.
  void add_device(std::string name, const net::IpAddress& ip, Nat* nat = nullptr);
  // Without its carrier an interface sends and receives nothing.
  void set_device_up(std::string_view name, bool up);
  // Sockets bound to `from` and streams from it are cut off without a word; those of 0.0.0.0 or [::] go on from `to`.
  void change_address(const net::IpAddress& from, const net::IpAddress& to);

  // Puts the host behind `nat`: it can dial out, and nobody outside can dial in.
  void set_nat(Nat& nat) { nat_ = &nat; }
  Nat* nat() const { return nat_; }
  Nat* nat_of(const net::IpAddress& own) const;

  // The process is killed: its streams end as the kernel ends them (with an end, or a reset if bytes were left unread), its
  // datagram sockets and listeners are gone. The host stays: a new process may listen, bind and dial at once.
  void kill();
  // The power fails: nobody is told. What arrives vanishes until boot(), after which old streams are answered by a reset.
  void crash();
  void boot();
  bool up() const { return up_; }

  // Larger datagrams are refused with too_large when they are sent, as by a device; with headers.
  void set_device_mtu(std::size_t mtu) { device_mtu_ = mtu; }
  std::size_t device_mtu() const { return device_mtu_; }
  // While held, sending datagrams would block.
  void hold_sends(bool held);
  bool sends_held() const { return sends_held_; }
  // Datagrams that found a full receive buffer.
  std::uint64_t overflowed() const { return overflowed_; }

 private:
  friend class sim::Network;
  friend class Connection;
  friend class Listener;
  friend class DatagramSocket;
  friend class RouteWatch;

  struct Device {
    std::string name;
    net::IpAddress ip;  // of the further ones
    Nat* nat = nullptr;
    bool up = true;
  };
  // 0: the first one, which has all addresses that no other has.
  std::size_t device_of(const net::IpAddress& own) const;
  std::optional<std::size_t> device_by_name(std::string_view name) const;
  std::optional<net::IpAddress> address_on(std::size_t device, bool v4) const;
  void routes_changed();

  void deliver(const Packet& packet);
  Listener* listener_for(const net::SocketAddress& to, const net::SocketAddress& from) const;
  void forget_process();
  Result<net::SocketAddress> own_address(const net::SocketAddress& at) const;

  sim::Network& network_;
  std::string name_;
  std::size_t index_;
  std::vector<net::IpAddress> addresses_;
  std::vector<Device> devices_{{std::string(kFirstDevice), {}}};
  std::uint64_t route_changes_ = 0;
  WaitQueue route_changed_;
  Nat* nat_ = nullptr;
  bool up_ = true;
  bool sends_held_ = false;
  std::size_t device_mtu_ = 65'535;
  std::uint64_t overflowed_ = 0;
  PortTable<DatagramSocket> datagrams_;
  PortTable<Listener> listeners_;
  List<Side> sides_;  // of all connections
};

}  // namespace fairlead::sim
