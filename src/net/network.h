// network.h: what a loop can reach: listening, dialling, datagrams, names. RealNetwork (kernel) and sim::Host (virtual) have it.
//
// Belongs to one loop, and so does everything that it makes.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "net/datagram_socket.h"
#include "net/route_watch.h"
#include "net/stream.h"

namespace fairlead {
class Loop;
}

namespace fairlead::net {

class Listener {
 public:
  virtual ~Listener() = default;
  // The next connection. Code::overloaded when the process is out of descriptors: the caller waits a little and tries again.
  virtual Task<Result<std::unique_ptr<Incoming>>> accept() = 0;
  virtual const SocketAddress& local() const = 0;
};

struct ListenOptions {
  int backlog = 4096;
  bool reuse_port = false;  // several loops listen at one address; the kernel spreads the connections
};

class Network {
 public:
  virtual ~Network() = default;

  virtual Loop& loop() = 0;
  // Code::exists when the address is taken. Port 0 lets the system choose; Listener::local() tells.
  virtual Result<std::unique_ptr<Listener>> listen(const SocketAddress& at, const ListenOptions& options = {}) = 0;
  virtual std::unique_ptr<Stream> adopt(std::unique_ptr<Incoming> incoming) = 0;
  // Code::refused, unreachable, timeout. Cancelled by destruction.
  virtual Task<Result<std::unique_ptr<Stream>>> connect(const SocketAddress& to) = 0;
  virtual Result<std::unique_ptr<DatagramSocket>> bind(const SocketAddress& at, const DatagramOptions& options = {}) = 0;
  // A socket that only talks to `to`, and hears of ICMP errors: readable() returns for them too, take_error() tells.
  virtual Result<std::unique_ptr<DatagramSocket>> connect_datagrams(const SocketAddress& to, const DatagramOptions& options = {}) = 0;
  // The addresses of a name; a literal address is itself. Never empty.
  virtual Task<Result<std::vector<IpAddress>>> resolve(std::string host) = 0;
  // The local address that the system would send from to reach `to`.
  virtual Result<IpAddress> source_for(const IpAddress& to) = 0;
  // How the system would send there; with `device` only by that interface. Code::unreachable (or the system's) when there is no way, or
  // the interface is not there, down, or without a carrier.
  virtual Result<LocalRoute> route_to(const IpAddress& to, std::string_view device = {}) = 0;
  virtual std::unique_ptr<RouteWatch> watch_routes() = 0;
};

}  // namespace fairlead::net
