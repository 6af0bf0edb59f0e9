// batch_sender.h: datagrams to one destination; those of equal size leave together (UDP_SEGMENT), the rest one by one.
//
// Never waits: what a full socket does not take is lost, as UDP has it, and counted.
#pragma once
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "net/datagram_socket.h"

namespace fairlead::udp {

class BatchSender {
 public:
  // `from`: the source address; unspecified: the system's choice.
  BatchSender(net::DatagramSocket& socket, const net::SocketAddress& to, const net::IpAddress& from = {})
      : socket_(socket), to_(to), from_(from) {}
  BatchSender(const BatchSender&) = delete;
  BatchSender& operator=(const BatchSender&) = delete;

  void add(Bytes payload) {
    // One that has to be fragmented cannot be cut out of a batch by the kernel.
    if (payload.empty() || payload.size() > kMostOfBatch) {
      flush();
      return send(payload, payload.size(), 1);
    }
    const bool fits = count_ > 0 && payload.size() <= segment_ && used_ == count_ * segment_ && count_ < net::DatagramBatch::kMaxSegments &&
                      used_ + payload.size() <= net::DatagramBatch::kMaxBatch;
    if (!fits) flush();
    if (count_ == 0) segment_ = payload.size();
    std::memcpy(buffer().data() + used_, payload.data(), payload.size());
    used_ += payload.size();
    count_++;
  }
  void flush() {
    if (count_ == 0) return;
    const std::size_t count = std::exchange(count_, 0);
    send(Bytes(buffer()).first(std::exchange(used_, 0)), segment_, count);
  }
  std::uint64_t dropped() const { return dropped_; }

 private:
  static constexpr std::size_t kMostOfBatch = 1'400;

  // Empty again before the caller of flush() goes on; the thread's.
  static std::array<std::byte, net::DatagramBatch::kMaxBatch>& buffer() {
    thread_local std::array<std::byte, net::DatagramBatch::kMaxBatch> all;
    return all;
  }
  void send(Bytes data, std::size_t segment, std::size_t count) {
    const net::DatagramBatch batch{
        .to = to_, .from = from_, .ecn = net::Ecn::not_ect, .data = data, .segment = std::max<std::size_t>(segment, 1)};
    if (socket_.send(batch) != net::SendOutcome::sent) dropped_ += count;
  }

  net::DatagramSocket& socket_;
  const net::SocketAddress to_;
  const net::IpAddress from_;
  std::size_t segment_ = 0, used_ = 0, count_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace fairlead::udp
