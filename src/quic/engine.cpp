#include "quic/engine.h"

#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>

#include "pki/random.h"
#include "quic/engine_impl.h"
#include "quic/ngtcp2_path.h"
#include "quic/probing.h"

namespace fairlead::quic {
namespace {

constexpr std::size_t kFirstDcidSize = 18;  // a client's first id for the server: RFC 9000 7.2 wants 8 unpredictable bytes at least
// ngtcp2 1.11 counts one id too many when a path changes while the one before, whose id it shares as a NAT has rebound, is still being
// validated; and then it refuses the new id that its peer was right to issue. The packet is as good as lost: the peer sends what was in it
// once more, and then the id is known and passed over. So a connection goes on, unless a peer does nothing else.
constexpr int kIdsRefused = 64;
constexpr std::uint64_t kSpareIds = 8;  // ids that the peer may hold for us: seven migrations in a row (silence.h), 200 bytes each

// Sizes of UDP payload that are tried, the likely ones first (RFC 8899). Ethernet, PPPoE, common tunnels, IPv6's minimum.
constexpr std::uint16_t kProbesV4[] = {1472, 1452, 1392, 1332, 1252};
constexpr std::uint16_t kProbesV6[] = {1452, 1432, 1372, 1312, 1232};

ngtcp2_cid to_ngtcp2(const ConnectionId& id) {
  ngtcp2_cid cid;
  ngtcp2_cid_init(&cid, id.bytes.data(), id.size);
  return cid;
}

}  // namespace

EngineImpl::~EngineImpl() {
  forget_connection();
  while (!streams.empty()) {
    StreamImpl& s = static_cast<StreamImpl&>(streams.front());
    s.released || s.tell_opened ? free_stream(s) : orphan(s);
  }
}

void EngineImpl::fill(ngtcp2_settings& s, ngtcp2_transport_params& p) {
  ngtcp2_settings_default(&s);
  s.initial_ts = to_ngtcp2(now);
  s.rand_ctx.native_handle = this;
  s.cc_algo = settings.congestion == EngineSettings::Congestion::bbr ? NGTCP2_CC_ALGO_BBR : NGTCP2_CC_ALGO_CUBIC;
  s.initial_rtt = static_cast<ngtcp2_duration>(settings.initial_rtt.count());
  s.handshake_timeout = static_cast<ngtcp2_duration>(settings.handshake_timeout.count());
  s.no_pmtud = !settings.pmtud;
  const std::span<const std::uint16_t> probes = peer.ip.is_v4() ? std::span(kProbesV4) : std::span(kProbesV6);
  s.pmtud_probes = probes.data();
  s.pmtud_probeslen = probes.size();
  s.max_tx_udp_payload_size = probes.front();
  // Windows are this engine's own business: the library would grow them for streams that nobody reads (max_window stays 0).
  ngtcp2_transport_params_default(&p);
  p.initial_max_data = settings.connection_window;
  p.initial_max_stream_data_bidi_local = p.initial_max_stream_data_bidi_remote = settings.initial_stream_window;
  p.initial_max_streams_bidi = settings.max_streams;
  p.max_idle_timeout = static_cast<ngtcp2_duration>(settings.idle_timeout.count());
  p.max_ack_delay = static_cast<ngtcp2_duration>(settings.max_ack_delay.count());
  p.active_connection_id_limit = kSpareIds;
  p.max_datagram_frame_size = 65535;
}

Result<void> EngineImpl::start_client(const Engine::ClientStart& start) {
  local = start.local;
  peer = start.peer;
  any_local = local.ip.is_unspecified();
  ngtcp2_settings s;
  ngtcp2_transport_params p;
  fill(s, p);
  if (start.resumption != nullptr && !start.resumption->address_token.empty()) {
    s.token = as_u8(Bytes(start.resumption->address_token));
    s.tokenlen = start.resumption->address_token.size();
    s.token_type = NGTCP2_TOKEN_TYPE_NEW_TOKEN;
  }
  ngtcp2_cid dcid{};
  dcid.datalen = kFirstDcidSize;
  pki::random_bytes(std::as_writable_bytes(std::span(dcid.data, dcid.datalen)));
  const ConnectionId ours = cids.next();
  const ngtcp2_cid scid = to_ngtcp2(ours);
  PathStorage path(local, peer);
  const ngtcp2_callbacks table = engine_callbacks(false);
  if (int rv = ngtcp2_conn_client_new(&conn, &dcid, &scid, path.get(), NGTCP2_PROTO_VER_V1, &table, &s, &p, library.table(), this); rv != 0)
    return fail(Code::internal, "start a QUIC connection: {}", ngtcp2_strerror(rv));
  const Bytes ticket = start.resumption != nullptr ? Bytes(start.resumption->ticket) : Bytes();
  TRY_ASSIGN(tls, TlsSession::client(start.tls.credentials, start.tls.alpn, start.tls.server_name, ticket, conn));
  ngtcp2_conn_set_tls_native_handle(conn, tls->native());
  ngtcp2_conn_set_keep_alive_timeout(conn, static_cast<ngtcp2_duration>(settings.keep_alive.count()));
  events.on_cid_added(ours);
  return {};
}

Result<void> EngineImpl::start_server(const Engine::ServerStart& start, WallTime wall_now) {
  local = start.local;
  peer = start.peer;
  wall_start = wall_now;
  ngtcp2_settings s;
  ngtcp2_transport_params p;
  fill(s, p);
  p.original_dcid = to_ngtcp2(start.original_dcid ? *start.original_dcid : start.dcid);
  p.original_dcid_present = 1;
  if (start.original_dcid) {
    p.retry_scid = to_ngtcp2(start.dcid);
    p.retry_scid_present = 1;
  }
  if (!start.token.empty()) {
    s.token = as_u8(start.token);
    s.tokenlen = start.token.size();
    s.token_type = start.original_dcid ? NGTCP2_TOKEN_TYPE_RETRY : NGTCP2_TOKEN_TYPE_NEW_TOKEN;
  }
  const ConnectionId ours = cids.next();
  const StatelessResetToken token = cids.reset_token(ours);
  p.stateless_reset_token_present = 1;
  std::copy(token.begin(), token.end(), p.stateless_reset_token);
  const ngtcp2_cid dcid = to_ngtcp2(start.scid), scid = to_ngtcp2(ours);
  PathStorage path(local, peer);
  const ngtcp2_callbacks table = engine_callbacks(true);
  if (int rv = ngtcp2_conn_server_new(&conn, &dcid, &scid, path.get(), start.version, &table, &s, &p, library.table(), this); rv != 0)
    return fail(Code::internal, "accept a QUIC connection: {}", ngtcp2_strerror(rv));
  TRY_ASSIGN(tls, TlsSession::server(start.credentials, start.alpns, start.ticket_key, conn));
  ngtcp2_conn_set_tls_native_handle(conn, tls->native());
  ngtcp2_conn_set_keep_alive_timeout(conn, static_cast<ngtcp2_duration>(settings.keep_alive.count()));
  events.on_cid_added(ours);
  events.on_cid_added(start.dcid);  // the client uses this one until it knows ours
  return {};
}

void EngineImpl::feed(const net::Datagram& datagram) {
  stats.bytes_received += datagram.payload.size();
  if (phase == Phase::answering) {
    // Ever rarer, so that two sides that both close, or a stranger, cannot keep us talking (RFC 9000 10.2.1).
    if (++farewell.heard == farewell.answer_at) {
      farewell.due = true;
      farewell.answer_at *= 2;
    }
    return;
  }
  if (conn == nullptr) return;
  net::SocketAddress to = any_local ? local : datagram.to;
  const std::uint16_t name = path_name_for_next();
  to.port = static_cast<std::uint16_t>(to.port + name);
  PathStorage path(to, datagram.from);
  const ngtcp2_pkt_info info{static_cast<std::uint8_t>(settings.ecn ? datagram.ecn : net::Ecn::not_ect)};
  const std::uint64_t before = packets_decrypted();
  const int rv = ngtcp2_conn_read_pkt(conn, path.get(), &info, as_u8(datagram.payload), datagram.payload.size(), to_ngtcp2(now));
  if (packets_decrypted() != before) was_heard();
  if (rv == NGTCP2_ERR_CONNECTION_ID_LIMIT && ids_refused < kIdsRefused) {
    ids_refused++;
  } else if (rv != 0) {
    failed(rv);
  } else {
    after_reading();
    if (name != path_name) begin_path_anew(name);
    if (server && datagram.from == peer) unproved.received(datagram.payload.size());
    if (path_may_have_changed || datagram.from != peer) look_at_path(datagram.payload.size());
  }
  deliver();
}

void EngineImpl::after_reading() {
  if (!alive()) return;
  if (memory.budget().over()) relieve();
  if (tls == nullptr || !handshake_done) return;
  if (!server) {
    resumption.ticket = tls->ticket();
    if (resumption.ticket.empty()) return;
    std::uint8_t params[256];
    if (const ngtcp2_ssize n = ngtcp2_conn_encode_0rtt_transport_params(conn, params, sizeof params); n > 0) {
      const Bytes bytes = from_u8(params, static_cast<std::size_t>(n));
      resumption.transport_parameters.assign(bytes.begin(), bytes.end());
    }
    tell_resumption = true;
  }
  // The packet keys live in ngtcp2, and key updates derive from them: the session was needed for TLS messages only.
  ngtcp2_conn_set_tls_native_handle(conn, nullptr);
  tls.reset();
}

void EngineImpl::handshake_completed() {
  handshake_done = true;
  chain = tls->peer_chain();
  resumed = tls->resumed();
  alpn = tls->alpn();
  if (alpn.starts_with(kSilentAlpn)) ngtcp2_conn_set_keep_alive_timeout(conn, UINT64_MAX);
  if (server) {
    confirmed = true;
    unproved.proved(peer);
    tls->send_ticket();
    submit_address_token(ngtcp2_conn_get_path(conn)->remote);
  }
  if (!alive()) return;
  phase = Phase::open;
  tell_handshake = tell_streams_allowed = true;
}

// A token for the client's next connection: it proves its address without a Retry. By calendar time, for it outlives a reboot.
void EngineImpl::submit_address_token(const ngtcp2_addr& to) {
  const Bytes secret = cids.token_secret();
  if (secret.empty()) return;
  std::uint8_t token[NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN];
  const WallTime wall = wall_start + (now - started);
  const ngtcp2_ssize n = ngtcp2_crypto_generate_regular_token(token, as_u8(secret), secret.size(), to.addr, to.addrlen,
                                                              static_cast<ngtcp2_tstamp>(wall.time_since_epoch().count()));
  if (n > 0) ngtcp2_conn_submit_new_token(conn, token, static_cast<std::size_t>(n));
}

void EngineImpl::expire() {
  switch (phase) {
    case Phase::answering:
    case Phase::draining:
      if (now >= farewell.again_at) {
        farewell.due = true;
        farewell.again_at = TimePoint::max();
      }
      if (now >= farewell.end) phase = Phase::gone;
      return;
    case Phase::gone: return;
    case Phase::handshake:
    case Phase::open:
    case Phase::ending: break;
  }
  if (memory.budget().over()) relieve();
  if (from_ngtcp2(ngtcp2_conn_get_expiry(conn)) <= now)
    if (const int rv = ngtcp2_conn_handle_expiry(conn, to_ngtcp2(now)); rv != 0) failed(rv);
  deliver();
}

TimePoint EngineImpl::deadline() const {
  switch (phase) {
    case Phase::gone: return TimePoint::max();
    case Phase::draining: return farewell.end;
    case Phase::answering: return farewell.due ? now : std::min(farewell.end, farewell.again_at);
    case Phase::handshake:
    case Phase::open: break;
    case Phase::ending:
      if (!must_wait_for_confirmation()) return now;
      return std::min(farewell.confirm_by, from_ngtcp2(ngtcp2_conn_get_expiry(conn)));
  }
  if (more_to_write) return now;
  const TimePoint at = std::min(from_ngtcp2(ngtcp2_conn_get_expiry(conn)), ask_memory_at);
  return phase == Phase::open ? std::min({at, silence.deadline(), copies.deadline(now)}) : at;
}

// Tells what was recorded. Users may call streams from inside; that only adds to the lists.
void EngineImpl::deliver() {
  if (tell_handshake) {
    tell_handshake = false;
    events.on_handshake_done();
  }
  while (ToldHook* hook = told.pop_front()) {
    StreamImpl& s = static_cast<StreamImpl&>(*hook);
    const bool opened = std::exchange(s.tell_opened, false), readable = std::exchange(s.tell_readable, false),
               writable = std::exchange(s.tell_writable, false);
    // Not announced before the end, so nobody would ever let go of it.
    if (opened && !alive()) s.released = true;
    if (opened && alive()) events.on_stream_opened(s);
    if (readable && !s.released) events.on_readable(s);
    if (writable && !s.released) events.on_writable(s);
    reap(s);
  }
  if (tell_streams_allowed && phase == Phase::open) {
    tell_streams_allowed = false;
    events.on_streams_allowed();
  }
  if (std::exchange(tell_stuck, false) && alive()) events.on_path_stuck();
  if (tell_resumption && alive()) {
    tell_resumption = false;
    events.on_resumption(resumption);
  }
  if (tell_closed) {
    tell_closed = false;
    events.on_closed(*close_info);
  }
}

// ---- Engine

Engine::Engine(std::unique_ptr<EngineImpl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::connect(const EngineSettings& settings, const ClientStart& start, CidSource& cids,
                                                EngineEvents& events, net::MemoryBudget& budget, TimePoint now) {
  auto impl = std::make_unique<EngineImpl>(settings, cids, events, budget, false, now);
  TRY(impl->start_client(start));
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Result<std::unique_ptr<Engine>> Engine::accept(const EngineSettings& settings, const ServerStart& start, CidSource& cids,
                                               EngineEvents& events, net::MemoryBudget& budget, TimePoint now, WallTime wall_now) {
  auto impl = std::make_unique<EngineImpl>(settings, cids, events, budget, true, now);
  TRY(impl->start_server(start, wall_now));
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

void Engine::feed(const net::Datagram& datagram, TimePoint now) {
  impl_->advance(now);
  impl_->feed(datagram);
}
void Engine::flush(TimePoint now, Emit emit) {
  impl_->advance(now);
  impl_->flush(emit);
}
void Engine::expire(TimePoint now) {
  impl_->advance(now);
  impl_->expire();
}
TimePoint Engine::deadline() const { return impl_->deadline(); }
bool Engine::finished() const { return impl_->phase == EngineImpl::Phase::gone; }

EngineStream* Engine::open_stream(net::Priority priority) { return impl_->open_stream(priority); }

bool Engine::send_datagram(Bytes payload, net::Priority priority, std::uint64_t sender) {
  if (payload.size() > impl_->max_datagram()) {
    impl_->counters.datagrams_dropped++;
    return false;
  }
  const bool kept_all = impl_->datagrams.push(payload, priority, sender);
  if (!kept_all) impl_->counters.datagrams_dropped++;
  impl_->scheduler.ready(impl_->datagrams.lane(priority));
  return kept_all;
}
std::size_t Engine::max_datagram() const { return impl_->max_datagram(); }

void Engine::ping() { impl_->ping_wanted = impl_->phase == EngineImpl::Phase::open; }
void Engine::peer_knows_copies() { impl_->peer_knows_copies = true; }
void Engine::update_keys() { impl_->key_update_wanted = true; }
void Engine::migrate(const net::SocketAddress& local, TimePoint now) {
  impl_->advance(now);
  if (!impl_->server) impl_->wanted_local = local;
}

void Engine::close(std::uint64_t code, std::string_view reason, TimePoint now) {
  impl_->advance(now);
  if (!alive()) return;
  ngtcp2_ccerr frame;
  ngtcp2_ccerr_set_application_error(&frame, code, nullptr, 0);
  impl_->close({.orderly = true, .code = code, .reason = std::string(reason)}, frame);
}
void Engine::refuse(std::uint8_t tls_alert, std::string_view reason, TimePoint now) {
  impl_->advance(now);
  if (!alive()) return;
  ngtcp2_ccerr frame;
  ngtcp2_ccerr_set_tls_alert(&frame, tls_alert, nullptr, 0);
  impl_->close({.orderly = true, .code = frame.error_code, .application = false, .reason = std::string(reason)}, frame);
}

bool Engine::alive() const { return impl_->alive(); }
bool Engine::established() const { return impl_->phase == EngineImpl::Phase::open; }
const std::optional<net::MuxClose>& Engine::close_info() const { return impl_->close_info; }
std::vector<std::vector<std::byte>> Engine::peer_chain() const { return impl_->chain; }
bool Engine::resumed() const { return impl_->resumed; }
std::string_view Engine::alpn() const { return impl_->alpn; }
net::SocketAddress Engine::peer() const { return impl_->peer; }
net::SocketAddress Engine::local() const { return impl_->local; }
TimePoint Engine::last_heard() const { return impl_->heard; }
const Engine::Counters& Engine::counters() const { return impl_->counters; }

Duration Engine::pto() const {
  if (impl_->conn == nullptr) return impl_->farewell.pto;
  return Duration(static_cast<Duration::rep>(ngtcp2_conn_get_pto(impl_->conn)));
}

net::MuxStats Engine::stats() const {
  net::MuxStats s = impl_->stats;
  s.streams = impl_->stream_count;
  s.memory = impl_->memory.used();
  if (impl_->conn == nullptr) return s;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(impl_->conn, &info);
  s.rtt = Duration(static_cast<Duration::rep>(info.smoothed_rtt));
  if (info.min_rtt != UINT64_MAX) s.min_rtt = Duration(static_cast<Duration::rep>(info.min_rtt));
  s.congestion_window = info.cwnd;
  s.bytes_in_flight = info.bytes_in_flight;
  for (StreamHook& hook : impl_->streams) {
    const StreamImpl& stream = static_cast<const StreamImpl&>(hook);
    if (!stream.gone) s.packets_lost += ngtcp2_conn_get_stream_loss_count(impl_->conn, stream.number);
  }
  return s;
}

}  // namespace fairlead::quic
