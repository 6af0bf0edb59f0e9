// datagram_socket.h: a DatagramSocket of a simulated host.
#pragma once
#include <deque>
#include <optional>
#include <utility>

#include "net/datagram_socket.h"
#include "runtime/wait_queue.h"
#include "sim/path.h"

namespace fairlead::sim {

class Host;
class Network;

class DatagramSocket final : public net::DatagramSocket {
 public:
  // `peer`: of a connected one.
  DatagramSocket(Host& host, const net::SocketAddress& local, const net::DatagramOptions& options,
                 std::optional<net::SocketAddress> peer = std::nullopt);
  ~DatagramSocket() override;

  Task<void> readable() override;
  std::size_t receive(std::size_t limit, FunctionRef<void(const net::Datagram&)> sink) override;
  net::SendOutcome send(const net::DatagramBatch& batch) override;
  Task<void> writable() override;
  std::optional<Error> take_error() override { return std::exchange(error_, std::nullopt); }
  const net::SocketAddress& local() const override { return local_; }
  std::size_t receive_buffer() const override { return options_.receive_buffer; }
  int native_handle() const override { return -1; }

  bool reuse_port() const { return options_.reuse_port; }

 private:
  friend class Host;
  friend class Network;
  // False when the buffer is full.
  bool take(const Packet& packet);
  // Nobody is there where a datagram of ours went: an ICMP error.
  void refused(const net::SocketAddress& by);

  Host& host_;
  net::SocketAddress local_;
  net::DatagramOptions options_;
  std::optional<net::SocketAddress> peer_;
  std::optional<Error> error_;
  std::deque<Packet> arrived_;
  std::size_t arrived_bytes_ = 0;
  WaitQueue readable_;
  WaitQueue writable_;
  bool gone_ = false;  // with its process
};

}  // namespace fairlead::sim
