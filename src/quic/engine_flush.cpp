#include <algorithm>
#include <array>
#include <cstring>

#include "quic/engine_impl.h"
#include "quic/ngtcp2_path.h"

namespace fairlead::quic {
namespace {

constexpr std::size_t kBatch = net::DatagramBatch::kMaxBatch;
// Of one connection in one turn of its loop; the others wait meanwhile. 128 KiB are 0.1 ms.
constexpr std::size_t kTurnLimit = 2 * kBatch;
constexpr std::size_t kLargestPacket = 1500;
constexpr std::size_t kPieces = 4;  // of a stream in one frame: chunks are 2 KiB or more, and the tail of one may be short

// One batch is written at a time; the buffer is the thread's, for it is empty again before flush() returns.
std::array<std::uint8_t, kBatch + kLargestPacket>& packet_buffer() {
  thread_local std::array<std::uint8_t, kBatch + kLargestPacket> buffer;
  return buffer;
}

// Gathers packets into datagram batches: equal sizes, the last may be shorter; one path and one ECN mark.
class Batcher {
 public:
  Batcher(Engine::Emit emit, net::MuxStats& stats) : emit_(emit), stats_(stats) {}

  std::uint8_t* room_for(std::size_t size) {
    if (used_ + size > kBatch || count_ == net::DatagramBatch::kMaxSegments) send();
    return buffer_.data() + used_;
  }
  // A packet of `size` bytes was written where room_for() said. `alone`: a probe of the path's MTU, which a socket may refuse.
  void add(const ngtcp2_path& path, std::uint8_t ecn, std::size_t size, bool alone) {
    if (used_ > 0 && (alone || size > segment_ || ecn != ecn_ || !ngtcp2_path_eq(&path, path_.get()))) {
      const std::size_t at = used_;
      send();
      std::memmove(buffer_.data(), buffer_.data() + at, size);
    }
    if (used_ == 0) {
      ngtcp2_path_copy(path_.get(), &path);
      ecn_ = ecn;
      segment_ = size;
    }
    used_ += size;
    count_++;
    if (alone || size < segment_) send();
  }
  void send() {
    if (used_ == 0) return;
    const ngtcp2_path& path = *path_.get();
    stats_.bytes_sent += used_;
    stats_.packets_sent += count_;
    const net::DatagramBatch batch{.to = from_ngtcp2(path.remote),
                                   .from = from_ngtcp2(path.local).ip,
                                   .ecn = static_cast<net::Ecn>(ecn_),
                                   .data = from_u8(buffer_.data(), used_),
                                   .segment = segment_};
    used_ = segment_ = count_ = 0;
    emit_(batch);
  }

 private:
  Engine::Emit emit_;
  net::MuxStats& stats_;
  std::array<std::uint8_t, kBatch + kLargestPacket>& buffer_ = packet_buffer();
  PathStorage path_;
  std::uint8_t ecn_ = 0;
  std::size_t used_ = 0, segment_ = 0, count_ = 0;
};

}  // namespace

void EngineImpl::flush(Engine::Emit emit) {
  apply_requests();
  switch (phase) {
    case Phase::handshake:
    case Phase::open:
      apply_wishes();
      forget_unanswered();
      if (ask_memory_at != TimePoint::max()) offer_room();
      if (!early_streams.empty()) answer_early();
      write_packets(emit, handshake_done);
      break;
    case Phase::ending: write_close(emit); break;
    case Phase::answering: answer(emit); break;
    case Phase::draining:
    case Phase::gone: break;
  }
  if (phase == Phase::ending && !must_wait_for_confirmation()) write_close(emit);  // writing failed
  deliver();
}

// The library would write nothing and must not be asked: see unproved_peer.h.
bool EngineImpl::mute() const {
  if (!server || !unproved.spent()) return false;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn, &info);
  return info.bytes_in_flight >= info.cwnd;
}

// What was asked for without a time, and what has to wait until the library allows it.
void EngineImpl::apply_wishes() {
  if (phase != Phase::open) return;
  if (wanted_local) {
    PathStorage path(*wanted_local, peer);
    const int rv = ngtcp2_conn_initiate_immediate_migration(conn, path.get(), to_ngtcp2(now));
    if (rv == 0) {
      any_local = wanted_local->ip.is_unspecified();
      look_at_path();
    }
    // Not confirmed yet, or no spare id just now: later.
    if (rv != NGTCP2_ERR_INVALID_STATE && rv != NGTCP2_ERR_CONN_ID_BLOCKED) wanted_local.reset();
  }
  // The library has no call for a PING: an empty DATAGRAM asks for an acknowledgement as well, and engines tell nobody of it.
  if (std::exchange(ping_wanted, false)) push_ping();
  // RFC 9001 6.1: not before the handshake is confirmed; the library asserts it.
  if (key_update_wanted && confirmed && ngtcp2_conn_initiate_key_update(conn, to_ngtcp2(now)) == 0) key_update_wanted = false;
}

void EngineImpl::push_ping() {
  datagrams.push({}, net::Priority::control, 0);
  scheduler.ready(datagrams.lane(net::Priority::control));
}

void EngineImpl::write_packets(Engine::Emit emit, bool data) {
  more_to_write = false;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn, &info);
  bulk_gate.update(now, {.latest_rtt = Duration(static_cast<Duration::rep>(info.latest_rtt)),
                         .smoothed_rtt = Duration(static_cast<Duration::rep>(info.min_rtt == UINT64_MAX ? 0 : info.smoothed_rtt)),
                         .in_flight = info.bytes_in_flight,
                         .received = stats.bytes_received});
  path_window = info.cwnd;
  path_rtt = Duration(static_cast<Duration::rep>(info.min_rtt == UINT64_MAX ? 0 : info.smoothed_rtt));
  const Duration pto(static_cast<Duration::rep>(ngtcp2_conn_get_pto(conn)));
  black_hole.look(now, info.bytes_in_flight, pto);
  if (phase == Phase::open) look_at_silence(info, pto);

  Batcher batcher(emit, stats);
  PathStorage path;
  // Of the buffer that the library is shown: it leaves no larger packet.
  const std::size_t room = black_hole.narrow() ? packet_size() : ngtcp2_conn_get_max_tx_udp_payload_size(conn);
  std::uint64_t in_flight = info.bytes_in_flight;
  for (std::size_t total = 0;;) {
    if (total + room > kTurnLimit) {
      more_to_write = true;
      break;
    }
    if (mute()) break;
    const std::size_t usual = packet_size();
    ngtcp2_pkt_info packet{};
    const ngtcp2_ssize n = write_packet(path.get(), &packet, batcher.room_for(room), room, data, bulk_gate.open(in_flight));
    if (n == 0) break;
    if (n < 0) {
      batcher.send();
      failed(static_cast<int>(n));
      return;
    }
    const std::size_t size = static_cast<std::size_t>(n);
    total += size;
    in_flight += size;
    if (server && from_ngtcp2(path.get()->remote) == peer) unproved.sent(size);
    batcher.add(*path.get(), settings.ecn ? static_cast<std::uint8_t>(packet.ecn) : std::uint8_t{0}, size, size > usual);
  }
  batcher.send();
  if (in_flight > info.bytes_in_flight) silence.sent(now);
  if (silence.silent()) set_pace_of_pings();
}

// One packet, with as many frames as fit. `bulk`: the classes bulk and background may send, too.
ngtcp2_ssize EngineImpl::write_packet(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* into, std::size_t room, bool data,
                                      bool bulk) {
  if (data && !silence.silent())
    if (const ngtcp2_ssize n = write_copy(path, info, into, room); n != 0) return n;
  for (;;) {
    Scheduler::Entry* next = data && !silence.silent() ? scheduler.next(bulk) : nullptr;
    if (next == nullptr)  // completes what has been gathered
      return ngtcp2_conn_writev_stream(conn, path, info, into, room, nullptr, NGTCP2_WRITE_STREAM_FLAG_NONE, -1, nullptr, 0,
                                       to_ngtcp2(now));
    ngtcp2_ssize n = 0;
    DatagramQueue::Lane* lane = datagrams.lane_of(*next);
    const bool more = lane != nullptr ? write_datagram(*lane, path, info, into, room, n)
                                      : write_stream(static_cast<StreamImpl&>(*next), path, info, into, room, n);
    if (!more) return n;
  }
}

// These two: true when the packet may take another frame; otherwise `n` is what ngtcp2 said.
bool EngineImpl::write_datagram(DatagramQueue::Lane& lane, ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* into, std::size_t room,
                                ngtcp2_ssize& n) {
  const Bytes payload = lane.front();
  if (payload.size() > max_datagram()) {  // the path has become narrower
    counters.datagrams_dropped++;
    datagrams.pop(lane);
    return true;
  }
  const ngtcp2_vec piece{const_cast<std::uint8_t*>(as_u8(payload)), payload.size()};
  int accepted = 0;
  // The library aborts on an empty piece: an empty DATAGRAM has none.
  n = ngtcp2_conn_writev_datagram(conn, path, info, into, room, &accepted, NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0, &piece,
                                  piece.len > 0 ? 1 : 0, to_ngtcp2(now));
  if (accepted != 0) {
    scheduler.sent(lane, payload.size());
    datagrams.pop(lane);
  }
  if (n == NGTCP2_ERR_INVALID_STATE || n == NGTCP2_ERR_INVALID_ARGUMENT) {  // a ping, and the peer takes no DATAGRAMs
    datagrams.pop(lane);
    return true;
  }
  return n == NGTCP2_ERR_WRITE_MORE;
}

// In a packet of its own, apart from its original. 0: there is none, or nothing may be sent.
ngtcp2_ssize EngineImpl::write_copy(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* into, std::size_t room) {
  for (;;) {
    const Bytes copy = copies.due(now);
    if (copy.empty()) return 0;
    const ngtcp2_vec piece{const_cast<std::uint8_t*>(as_u8(copy)), copy.size()};
    int accepted = 0;
    const ngtcp2_ssize n = copy.size() > max_datagram()
                               ? NGTCP2_ERR_INVALID_ARGUMENT
                               : ngtcp2_conn_writev_datagram(conn, path, info, into, room, &accepted, NGTCP2_WRITE_DATAGRAM_FLAG_NONE, 0,
                                                             &piece, 1, to_ngtcp2(now));
    if (accepted != 0) stats.copies_sent++;
    const bool impossible = n == NGTCP2_ERR_INVALID_STATE || n == NGTCP2_ERR_INVALID_ARGUMENT;
    if (accepted != 0 || impossible) copies.pop();
    if (!impossible) return n;
  }
}

bool EngineImpl::write_stream(StreamImpl& s, ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* into, std::size_t room,
                              ngtcp2_ssize& n) {
  std::array<Bytes, kPieces> pieces;
  const std::size_t count = s.send.pieces(pieces);
  std::array<ngtcp2_vec, kPieces> vec;
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < count; i++) {
    vec[i] = {const_cast<std::uint8_t*>(as_u8(pieces[i])), pieces[i].size()};
    size += pieces[i].size();
  }
  const bool last = s.fin_queued && size == s.send.unsent();
  const std::uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE | (last ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0u);
  ngtcp2_ssize taken = -1;
  n = ngtcp2_conn_writev_stream(conn, path, info, into, room, &taken, flags, s.number, vec.data(), count, to_ngtcp2(now));
  if (taken >= 0) {
    s.send.sent(static_cast<std::size_t>(taken));
    s.sent_at = now;
    if (last && static_cast<std::uint64_t>(taken) == size) s.fin_sent = true;
    scheduler.sent(s, static_cast<std::size_t>(taken));
    update_ready(s);
    if (s.send.unsent() == 0) copy_if_small(s);
    if (s.wants_room && s.send.unsent() <= send_limit(s) / 2) {
      s.wants_room = false;
      tell(s, false, true);
    }
  }
  switch (n) {
    case NGTCP2_ERR_WRITE_MORE: return true;
    case NGTCP2_ERR_STREAM_DATA_BLOCKED:
      s.blocked = true;  // extend_max_stream_data() tells when it is not
      update_ready(s);
      return true;
    case NGTCP2_ERR_STREAM_SHUT_WR:
    case NGTCP2_ERR_STREAM_NOT_FOUND:
      // The peer has sent STOP_SENDING, of which the library tells only so.
      if (!s.peer_stopped) s.peer_stopped = 0;
      s.stop_writing = true;
      s.send.fail(memory);
      update_ready(s);
      tell(s, false, true);
      return true;
    default: return false;
  }
}

}  // namespace fairlead::quic
