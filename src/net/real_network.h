// real_network.h: the Network of the kernel, for one AsioLoop. What it makes may outlive it, but not the loop.
#pragma once
#include <memory>

#include "net/network.h"
#include "runtime/asio_loop.h"

namespace fairlead::net {

class ReceiveBuffers;

class RealNetwork final : public Network {
 public:
  explicit RealNetwork(AsioLoop& loop);

  Loop& loop() override { return loop_; }
  // [::] accepts both families, where the kernel has IPv6.
  Result<std::unique_ptr<Listener>> listen(const SocketAddress& at, const ListenOptions& options) override;
  // `incoming` comes from a Listener of any RealNetwork of this process (or of listen_unix).
  std::unique_ptr<Stream> adopt(std::unique_ptr<Incoming> incoming) override;
  // Without a deadline of the caller's, the kernel gives up after about two minutes.
  Task<Result<std::unique_ptr<Stream>>> connect(const SocketAddress& to) override;
  Result<std::unique_ptr<DatagramSocket>> bind(const SocketAddress& at, const DatagramOptions& options) override;
  Result<std::unique_ptr<DatagramSocket>> connect_datagrams(const SocketAddress& to, const DatagramOptions& options) override;
  Task<Result<std::vector<IpAddress>>> resolve(std::string host) override;
  Result<IpAddress> source_for(const IpAddress& to) override;
  Result<LocalRoute> route_to(const IpAddress& to, std::string_view device) override { return kernel_route_to(to, device); }
  std::unique_ptr<RouteWatch> watch_routes() override { return watch_kernel_routes(loop_); }

 private:
  AsioLoop& loop_;
  std::shared_ptr<ReceiveBuffers> buffers_;  // shared with the sockets, which may outlive us
};

}  // namespace fairlead::net
