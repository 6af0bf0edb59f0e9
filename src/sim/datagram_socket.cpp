#include "sim/datagram_socket.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/host.h"
#include "sim/network.h"

namespace fairlead::sim {

namespace {

constexpr std::size_t kMostPayload = 65'507;  // of UDP over IPv4
constexpr std::size_t kCostOfDatagram = 512;  // what the kernel counts beside the payload: small ones fill a buffer, too

}  // namespace

DatagramSocket::DatagramSocket(Host& host, const net::SocketAddress& local, const net::DatagramOptions& options,
                               std::optional<net::SocketAddress> peer)
    : host_(host), local_(local), options_(options), peer_(std::move(peer)), readable_(host.loop()), writable_(host.loop()) {
  host_.datagrams_.add(*this);
}

DatagramSocket::~DatagramSocket() {
  if (!gone_) host_.datagrams_.remove(*this);
}

Task<void> DatagramSocket::readable() {
  while (arrived_.empty() && !error_) co_await readable_.wait();
}

Task<void> DatagramSocket::writable() {
  while (host_.sends_held() || gone_) co_await writable_.wait();
}

std::size_t DatagramSocket::receive(std::size_t limit, FunctionRef<void(const net::Datagram&)> sink) {
  std::size_t received = 0;
  while (received < limit && !arrived_.empty()) {
    const Packet packet = std::move(arrived_.front());
    arrived_.pop_front();
    arrived_bytes_ -= packet.payload.size() + kCostOfDatagram;
    received++;
    sink(packet.view());
  }
  return received;
}

bool DatagramSocket::take(const Packet& packet) {
  if (peer_ && *peer_ != packet.from) return true;  // as the kernel, which looks for another socket: here there is none
  const std::size_t cost = packet.payload.size() + kCostOfDatagram;
  if (arrived_bytes_ + cost > options_.receive_buffer) return false;
  arrived_bytes_ += cost;
  arrived_.push_back(packet);
  readable_.wake_all();
  return true;
}

void DatagramSocket::refused(const net::SocketAddress& by) {
  if (peer_ != by) return;
  error_ = Error(Code::refused, fmt::format("datagram to {}: nobody is there", by));
  readable_.wake_all();
}

net::SendOutcome DatagramSocket::send(const net::DatagramBatch& batch) {
  if (gone_ || !host_.up()) return net::SendOutcome::sent;  // by nobody: there is no one to tell
  if (host_.sends_held()) return net::SendOutcome::would_block;
  net::IpAddress source = local_.ip.is_unspecified() ? batch.from : local_.ip;
  if (source.is_unspecified()) {
    const auto chosen = host_.route_to(batch.to.ip, options_.device);
    if (!chosen) return net::SendOutcome::failed;
    source = chosen->source;
  }
  const bool own = source.is_loopback() || host_.has_address(source);
  const bool v4_only = local_.ip.is_unspecified() && local_.ip.is_v4();
  if (!own || source.is_v4() != batch.to.ip.is_v4() || (v4_only && !source.is_v4())) return net::SendOutcome::failed;
  const std::size_t largest = std::min(batch.segment, batch.data.size());
  if (largest > kMostPayload || largest + Packet::header_size(batch.to.ip) > host_.device_mtu()) return net::SendOutcome::too_large;
  std::size_t at = 0;
  do {
    const Bytes one = batch.data.subspan(at, std::min(batch.segment, batch.data.size() - at));
    host_.network_.send(host_, Packet{{source, local_.port}, batch.to, batch.ecn, {one.begin(), one.end()}});
    at += batch.segment;
  } while (at < batch.data.size());
  return net::SendOutcome::sent;
}

}  // namespace fairlead::sim
