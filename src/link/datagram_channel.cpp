#include "link/datagram_channel.h"

#include "wire/datagram.h"

namespace fairlead::link {

DatagramChannel::Sent DatagramChannel::send(Bytes payload) {
  const std::size_t most = flow_.max_datagram();
  if (most > 0 && payload.size() <= most) {
    counters_.sent++;
    counters_.bytes_sent += payload.size();
    if (!flow_.send_datagram(payload)) counters_.pushed_out++;
    return Sent::datagram;
  }
  if ((most > 0 && !large_in_stream_) || payload.size() > wire::kMaxDatagram) {
    counters_.too_large++;
    return Sent::dropped;
  }
  while (!streamed_.empty() && streamed_bytes_ + payload.size() > kMaxStreamed) {
    streamed_bytes_ -= streamed_.front().size();
    streamed_.pop_front();
    counters_.pushed_out++;
  }
  counters_.sent++;
  counters_.records_sent++;
  counters_.bytes_sent += payload.size();
  streamed_bytes_ += payload.size();
  streamed_.emplace_back(payload.begin(), payload.end());
  if (!held_ && !std::exchange(writing_, true)) tasks_.spawn(write_records());
  return Sent::record;
}

void DatagramChannel::release_records() {
  held_ = false;
  if (!streamed_.empty() && !std::exchange(writing_, true)) tasks_.spawn(write_records());
}

Task<void> DatagramChannel::write_records() {
  while (!streamed_.empty()) {
    const std::vector<std::byte> payload = std::move(streamed_.front());
    streamed_.pop_front();
    streamed_bytes_ -= payload.size();
    std::array<std::byte, wire::kMaxLength> length{};
    const std::size_t n = wire::put_varint(length, payload.size());
    std::vector<std::byte> record(length.begin(), length.begin() + static_cast<std::ptrdiff_t>(n));
    record.insert(record.end(), payload.begin(), payload.end());
    auto written = co_await flow_.write(record);
    if (!written) co_return;  // the reader hears why
  }
  writing_ = false;
}

void DatagramChannel::read_stream() { tasks_.spawn(read_records()); }

Task<void> DatagramChannel::read_records() {
  for (;;) {
    auto record = co_await flow_.read_record(wire::kMaxDatagram);
    if (!record) {
      flow_.datagrams().end(record.error());
      co_return;
    }
    if (!*record) {
      shut_by_peer_ = true;
      flow_.datagrams().end(Error(Code::closed, "the other side has ended it"));
      co_return;
    }
    flow_.datagrams().push({.bytes = **std::move(record), .head = 0});
  }
}

std::optional<ReceivedDatagram> DatagramChannel::take() {
  std::optional<ReceivedDatagram> datagram = flow_.datagrams().take();
  if (datagram) {
    counters_.received++;
    counters_.bytes_received += datagram->payload().size();
    flow_.count_datagram(datagram->payload().size());
  }
  return datagram;
}

DatagramChannel::Counters DatagramChannel::counters() const {
  Counters now = counters_;
  now.pushed_out += flow_.datagrams().dropped();
  return now;
}

}  // namespace fairlead::link
