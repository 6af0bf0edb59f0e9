#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "h2/engine.h"
#include "h2/engine_stream.h"

namespace fairlead::h2 {
namespace {

constexpr std::size_t kFrame = 16_KiB;    // of DATA: the most that RFC 9113 allows unasked, and a turn of the scheduler
constexpr std::size_t kDatagramHead = 2;  // its length, in network order

}  // namespace

std::size_t Engine::windows(std::int32_t id) const {
  const std::int32_t stream = nghttp2_session_get_stream_remote_window_size(session_, id);
  const std::int32_t connection = nghttp2_session_get_remote_window_size(session_);
  return static_cast<std::size_t>(std::max(0, std::min(stream, connection)));
}

bool Engine::flush(std::vector<std::byte>& out, std::size_t limit, TimePoint now) {
  now_ = now;
  const std::size_t before = out.size();
  const bool more = write(out, before + limit);
  stats_.bytes_sent += out.size() - before;
  if (std::exchange(closed_, false)) said_at_close_ = said();
  if (std::exchange(tell_allowed_, false) && alive()) events_.on_streams_allowed();
  return more;
}

bool Engine::write(std::vector<std::byte>& out, std::size_t limit) {
  if (close_info_ && !goaway_due_) return false;
  apply_requests();
  if (alive()) probe();
  for (;;) {
    if (!take_frames(out, limit)) return true;
    if (!alive()) {
      goaway_due_ = false;
      return false;
    }
    if (out.size() >= limit) return true;
    if (nghttp2_session_get_remote_window_size(session_) <= 0) return false;
    if (!write_one(out)) return false;
  }
}

// A PING when it is due: it may be the last thing in flight, and tells the round trip.
void Engine::probe() {
  if (!std::exchange(ping_wanted_, false) || ping_out_) return;
  ping_out_ = true;
  pinged_ = now_;
  said_at_ping_ = said();
  check(nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr), "send a PING");
}

// What nghttp2 itself has to say. False when that was not all.
bool Engine::take_frames(std::vector<std::byte>& out, std::size_t limit) {
  while (out.size() < limit) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t n = nghttp2_session_mem_send(session_, &bytes);
    if (n < 0) check(static_cast<int>(n), "write HTTP/2");
    if (n <= 0) return true;
    const Bytes frame = from_u8(bytes, static_cast<std::size_t>(n));
    out.insert(out.end(), frame.begin(), frame.end());
  }
  return false;
}

// One DATA frame of whoever's turn it is. False when nobody may send.
bool Engine::write_one(std::vector<std::byte>& out) {
  for (;;) {
    quic::Scheduler::Entry* next = scheduler_.next(true);
    if (next == nullptr) return false;
    if (quic::DatagramQueue::Lane* lane = datagrams_.lane_of(*next)) {
      if (write_datagram(*lane, out)) return true;
      quic::Scheduler::idle(*lane);  // until the next one is queued
      continue;
    }
    EngineStream& s = static_cast<EngineStream&>(*next);
    const std::shared_ptr<EngineStream> keep = streams_.at(s.id_);  // its last frame lets HTTP/2 forget it
    const std::size_t room = windows(s.id_);
    if (room == 0) {
      s.blocked_ = true;
      quic::Scheduler::idle(s);
      continue;
    }
    const std::size_t n = std::min({room, kFrame, s.send_.unsent()});
    const bool last = s.fin_queued_ && n == s.send_.unsent();
    filling_ = {.id = s.id_, .size = n, .stream = &s, .datagram = {}, .last = last};
    if (!write_data(last, out)) {
      s.blocked_ = true;  // HTTP/2 does not let it: it is about to be closed
      quic::Scheduler::idle(s);
      continue;
    }
    s.sent_ += n;
    s.sent_at_ = now_;
    scheduler_.sent(s, n);
    if (s.gone_) return true;
    s.send_.acknowledged(s.sent_, memory_);
    update_ready(s);
    if (s.user != nullptr && s.wants_room_ && s.has_room()) {
      s.wants_room_ = false;
      events_.on_writable(s);
    }
    if (last && s.released_ && !s.fin_received_) {
      abort_stream(s, 0);
      apply_requests();
    }
    return true;
  }
}

bool Engine::write_datagram(quic::DatagramQueue::Lane& lane, std::vector<std::byte>& out) {
  const Bytes payload = lane.front();
  const std::size_t size = kDatagramHead + payload.size();
  if (datagram_stream_ == 0 || windows(datagram_stream_) < size) return false;
  filling_ = {.id = datagram_stream_, .size = size, .stream = nullptr, .datagram = payload, .last = false};
  const bool written = write_data(false, out);
  if (written) scheduler_.sent(lane, size);
  datagrams_.pop(lane);
  return written;
}

// `filling_` as one DATA frame.
bool Engine::write_data(bool last, std::vector<std::byte>& out) {
  static constexpr auto kRead = [](nghttp2_session*, std::int32_t id, std::uint8_t* into, std::size_t room, std::uint32_t* flags,
                                   nghttp2_data_source* source, void*) -> ssize_t {
    return static_cast<Engine*>(source->ptr)->fill(id, {reinterpret_cast<std::byte*>(into), room}, *flags);
  };
  nghttp2_data_provider provider{.source = {.ptr = this}, .read_callback = kRead};
  filled_ = false;
  const std::uint8_t flags = last ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE;
  if (nghttp2_submit_data(session_, flags, filling_.id, &provider) == 0) take_frames(out, SIZE_MAX);
  filling_ = {};
  return filled_;
}

std::ptrdiff_t Engine::fill(std::int32_t id, MutableBytes into, std::uint32_t& flags) {
  if (filling_.id != id || into.size() < filling_.size || filled_) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  filled_ = true;
  flags |= NGHTTP2_DATA_FLAG_EOF;
  if (filling_.stream == nullptr) {
    into[0] = static_cast<std::byte>(filling_.datagram.size() >> 8);
    into[1] = static_cast<std::byte>(filling_.datagram.size() & 0xff);
    std::memcpy(into.data() + kDatagramHead, filling_.datagram.data(), filling_.datagram.size());
    return static_cast<std::ptrdiff_t>(filling_.size);
  }
  filling_.stream->fin_sent_ = filling_.last;
  quic::SendBuffer& from = filling_.stream->send_;
  for (std::size_t at = 0; at < filling_.size;) {
    std::array<Bytes, 4> pieces;
    const std::size_t count = from.pieces(pieces);
    for (std::size_t i = 0; i < count && at < filling_.size; i++) {
      const std::size_t n = std::min(pieces[i].size(), filling_.size - at);
      std::memcpy(into.data() + at, pieces[i].data(), n);
      from.sent(n);
      at += n;
    }
  }
  return static_cast<std::ptrdiff_t>(filling_.size);
}

// Those that could not be sent can be now.
void Engine::offer_datagrams() {
  for (std::size_t i = 0; i < net::kPriorities; i++)
    if (quic::DatagramQueue::Lane& lane = datagrams_.lane(static_cast<net::Priority>(i)); !lane.empty()) scheduler_.ready(lane);
}

bool Engine::send_datagram(Bytes payload, net::Priority priority, std::uint64_t sender) {
  if (!alive() || payload.empty() || payload.size() > kMaxDatagram) return false;
  const bool kept_all = datagrams_.push(payload, priority, sender);
  if (quic::DatagramQueue::Lane& lane = datagrams_.lane(priority); !lane.empty()) scheduler_.ready(lane);
  if (!kept_all) stats_.datagrams_dropped++;
  return kept_all;
}

}  // namespace fairlead::h2
