// udp_socket.h: a DatagramSocket on a kernel socket.
//
// Reads bursts (recvmmsg) of merged datagrams (UDP_GRO) and hands out each one; writes a batch by one sendmsg (UDP_SEGMENT), or one
// by one where the kernel or the device cannot segment, which is found out once.
// An ICMP error that answers an earlier datagram is not this call's failure and is passed over; a connected socket tells of it.
#pragma once
#include <array>
#include <memory>

#include "net/network.h"
#include "net/socket.h"
#include "runtime/asio_loop.h"

namespace fairlead::net {

// Room for one burst. Shared by the sockets of a loop: what is received lives only during the call that hands it out.
class ReceiveBuffers {
 public:
  static constexpr std::size_t kMessages = 8;
  static constexpr std::size_t kSize = 64_KiB;  // the longest datagram, or the longest merged one

  std::byte* at(std::size_t i) { return memory_.get() + i * kSize; }

 private:
  std::unique_ptr<std::byte[]> memory_ = std::make_unique_for_overwrite<std::byte[]>(kMessages * kSize);  // pages come on use
};

class UdpSocket final : public DatagramSocket {
 public:
  static Result<std::unique_ptr<DatagramSocket>> bind(AsioLoop& loop, std::shared_ptr<ReceiveBuffers> buffers, const SocketAddress& at,
                                                      const DatagramOptions& options);
  static Result<std::unique_ptr<DatagramSocket>> connect(AsioLoop& loop, std::shared_ptr<ReceiveBuffers> buffers, const SocketAddress& to,
                                                         const DatagramOptions& options);
  UdpSocket(AsioLoop& loop, std::shared_ptr<ReceiveBuffers> buffers, BoundSocket socket, bool offload);

  Task<void> readable() override;
  std::size_t receive(std::size_t limit, FunctionRef<void(const Datagram&)> sink) override;
  SendOutcome send(const DatagramBatch& batch) override;
  Task<void> writable() override;
  std::optional<Error> take_error() override;
  const SocketAddress& local() const override { return local_; }
  std::size_t receive_buffer() const override { return receive_buffer_; }
  int native_handle() const override { return fd_.get(); }

 private:
  // errno of the sendmsg, 0 when it was taken.
  int send_message(const DatagramBatch& batch, Bytes data);
  SendOutcome send_one_by_one(const DatagramBatch& batch);

  AsioLoop& loop_;
  std::shared_ptr<ReceiveBuffers> buffers_;
  Fd fd_;
  int family_;
  FdEvents events_;
  SocketAddress local_;
  std::size_t receive_buffer_ = 0;
  bool segments_;            // the kernel cuts batches (UDP_SEGMENT)
  bool more_waits_ = false;  // the last receive ended at its limit
  std::optional<SocketAddress> connected_;
  int icmp_error_ = 0;  // errno that the kernel made of an ICMP error; kept only when connected
};

}  // namespace fairlead::net
