#include <algorithm>

#include "quic/engine_impl.h"
#include "quic/ngtcp2_path.h"

namespace fairlead::quic {
namespace {

constexpr Duration kSettled = 5s;  // after a change of path
constexpr Duration kOutage = 2s;   // of silence: nothing is to be learned from it about the size of packets

}  // namespace

void EngineImpl::was_heard() {
  heard = now;
  const bool again = silence.silent();
  silence.heard(now);
  if (!again) return;
  // What was in flight is lost, but the library learns it only from the acknowledgement of something newer: so that goes out at once.
  ping_wanted = true;
  stats.silences++;
  if (conn != nullptr) ngtcp2_conn_set_keep_alive_timeout(conn, static_cast<ngtcp2_duration>(settings.keep_alive.count()));
  if (silence.lasted() > kOutage) black_hole.path_changed(now);
}

void EngineImpl::look_at_silence(const ngtcp2_conn_info& info, Duration pto) {
  for (;;) {
    switch (silence.look(now, {.in_flight = info.bytes_in_flight, .window = info.cwnd, .pto = pto})) {
      case Silence::Do::nothing: return;
      case Silence::Do::ask: push_ping(); break;
      case Silence::Do::hold: set_pace_of_pings(); break;
      case Silence::Do::move: tell_stuck = true; break;
    }
  }
}

// Not between a PING's time and its being written: to the library it is not due then, and it has forgotten that it was.
void EngineImpl::set_pace_of_pings() { ngtcp2_conn_set_keep_alive_timeout(conn, static_cast<ngtcp2_duration>(silence.pace(now).count())); }

// A server whose window is full when its silent peer is heard again may send nothing but the probe that it will be time for later, and it
// cannot migrate. But ngtcp2 begins with a new window and probe timer when its peer comes by another path. So it is told that this packet
// has come to another port of ours: a name for the path, which is nowhere else. It then proves the peer's address once more: one round trip.
std::uint16_t EngineImpl::path_name_for_next() const {
  // Not while a path is being validated already: ngtcp2 1.11 would retire the id of the one before, use it still, and refuse new ones.
  if (!server || !silence.silent() || validating || now - moved_at < kSettled) return path_name;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn, &info);
  const bool full = info.bytes_in_flight + Silence::kLittle > info.cwnd;
  return static_cast<std::uint16_t>(path_name + (full ? 1 : 0));
}

void EngineImpl::begin_path_anew(std::uint16_t name) {
  const std::uint16_t now_named = from_ngtcp2(ngtcp2_conn_get_path(conn)->local).port;
  if (!alive() || now_named != static_cast<std::uint16_t>(local.port + name)) return;  // it was no packet, or a late one
  path_name = name;
  validating = true;
  moved_at = now;
  unproved.doubted(peer);
  bulk_gate.path_changed();
  black_hole.path_changed(now);
}

void EngineImpl::look_at_path(std::size_t datagram_size) {
  path_may_have_changed = false;
  const ngtcp2_path* path = ngtcp2_conn_get_path(conn);
  net::SocketAddress l = from_ngtcp2(path->local);
  const net::SocketAddress r = from_ngtcp2(path->remote);
  if (server) l.port = local.port;  // see path_name_for_next()
  if (l == local && r == peer) return;
  if (r != peer) {
    unproved.moved(r, datagram_size);
    validating = true;
  }
  local = l;
  peer = r;
  stats.moves++;
  moved_at = now;
  bulk_gate.path_changed();
  black_hole.path_changed(now);
  events.on_path_changed(local, peer);
}

// What a packet may take now, probes of the path's MTU aside.
std::size_t EngineImpl::packet_size() const {
  return black_hole.narrow() ? std::size_t{NGTCP2_MAX_UDP_PAYLOAD_SIZE} : ngtcp2_conn_get_path_max_tx_udp_payload_size(conn);
}

std::size_t EngineImpl::max_datagram() const {
  if (phase != Phase::open) return 0;
  const ngtcp2_transport_params* theirs = ngtcp2_conn_get_remote_transport_params(conn);
  if (theirs == nullptr || theirs->max_datagram_frame_size == 0) return 0;
  // Short header with the longest packet number, the AEAD's tag, the frame's type and two bytes of length.
  const std::size_t overhead = 1 + ngtcp2_conn_get_dcid(conn)->datalen + 4 + 16 + 3;
  const std::size_t room = packet_size() - overhead;
  return std::min({room,
                   static_cast<std::size_t>(theirs->max_datagram_frame_size) - std::min<std::size_t>(3, theirs->max_datagram_frame_size),
                   DatagramQueue::kMaxPayload});
}

}  // namespace fairlead::quic
