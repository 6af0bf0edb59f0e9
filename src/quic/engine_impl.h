// engine_impl.h: what Engine is made of. Private to the engine's own files:
//   engine.cpp            starting, feeding, waking, what is asked from outside
//   engine_callbacks.cpp  what ngtcp2 tells
//   engine_flush.cpp      writing packets
//   engine_path.cpp       addresses, silence, sizes
//   engine_streams.cpp    streams, their windows and the memory that they hold
//   engine_copies.cpp     what is sent twice
//   engine_close.cpp      ending
//
// Invariant: ngtcp2 is never re-entered. Its callbacks record; events are told when ngtcp2 has returned (deliver()); what users ask of
// streams is queued and done at the start of flush() (apply_requests()).
#pragma once
#include <ngtcp2/ngtcp2.h>

#include <optional>
#include <string>
#include <unordered_map>

#include "base/random.h"
#include "pki/random.h"
#include "quic/black_hole.h"
#include "quic/bulk_gate.h"
#include "quic/copies.h"
#include "quic/datagram_queue.h"
#include "quic/engine.h"
#include "quic/library_memory.h"
#include "quic/receive_buffer.h"
#include "quic/receive_window.h"
#include "quic/scheduler.h"
#include "quic/send_buffer.h"
#include "quic/silence.h"
#include "quic/tls_session.h"
#include "quic/unproved_peer.h"

namespace fairlead::quic {

inline ngtcp2_tstamp to_ngtcp2(TimePoint at) { return static_cast<ngtcp2_tstamp>(at.time_since_epoch().count()); }
inline TimePoint from_ngtcp2(ngtcp2_tstamp at) {
  return at >= static_cast<ngtcp2_tstamp>(TimePoint::max().time_since_epoch().count())
             ? TimePoint::max()
             : TimePoint(Duration(static_cast<Duration::rep>(at)));
}

struct ToldHook : ListHook {};     // something is to be told about this stream
struct RequestHook : ListHook {};  // its user wants something
struct StreamHook : ListHook {};   // all streams

struct StreamImpl final : EngineStream, Scheduler::Entry, ToldHook, RequestHook, StreamHook {
  StreamImpl(EngineImpl& e, std::int64_t stream_id, net::Priority p, std::uint64_t window)
      : Entry(p), engine(&e), number(stream_id), credit(window) {}

  EngineImpl* engine;  // null: it is gone, and the stream waits for release()
  const std::int64_t number;
  SendBuffer send;
  ReceiveBuffer receive;
  ReceiveWindow credit;
  std::uint64_t have = 0;         // of the peer's half, given to the reader's buffer
  std::uint64_t delivered = 0;    // of that, by the library: the rest came by copies
  std::uint64_t burst_from = 0;   // where what was written last, when nothing was unsent, begins
  std::uint64_t early_sent = 0;   // by copies
  std::uint64_t owed_credit = 0;  // to be given to the peer at the next flush
  std::uint64_t abort_code = 0;
  TimePoint read_at{};                                    // its reader came last, or bytes came that were the only ones
  TimePoint sent_at{};                                    // a byte was sent last, or written that was the only one
  TimePoint stopped_reading_at{};                         // the library was told so
  std::optional<std::uint64_t> peer_reset, peer_stopped;  // codes

  bool tell_opened = false, tell_readable = false, tell_writable = false;
  bool fin_queued = false, fin_sent = false;
  bool fin_received = false;
  bool blocked = false;                                           // by the peer's window
  bool wants_room = false;                                        // prepare() gave none
  bool refused_memory = false;                                    // because of the budget
  bool stop_reading = false;                                      // STOP_SENDING is asked for or sent
  bool stop_writing = false;                                      // RESET_STREAM is asked for or sent, or the peer wants no more
  bool stop_reading_wanted = false, stop_writing_wanted = false;  // ngtcp2 is to be told
  bool was_overloaded = false;
  bool early = false;      // only a copy has come: ngtcp2 does not know it yet
  bool early_end = false;  // the copy that ends it was sent
  bool gone = false;       // ngtcp2 has forgotten it
  bool released = false;

  StreamMemory& memory();
  bool urgent() const { return priority() <= net::Priority::management; }
  bool writable() const { return !closed() && !stop_writing && !fin_queued && !released; }
  bool wants_to_send() const { return !gone && !stop_writing && (send.unsent() > 0 || (fin_queued && !fin_sent)); }
};

// What is left to say when a connection ends (RFC 9000 10.2).
struct Farewell {
  ngtcp2_ccerr frame{};
  std::string reason;                                             // of the frame
  TimePoint confirm_by{};                                         // a client that was not confirmed by then ends without
  std::vector<std::byte> packet;                                  // CONNECTION_CLOSE, written
  net::SocketAddress local, peer;                                 // where it goes
  Duration pto{};                                                 // when it was written
  TimePoint again_at = TimePoint::max(), end = TimePoint::max();  // to be said unasked; nothing more is answered
  std::uint64_t heard = 0, answer_at = 1;                         // packets since, and at which of them it is said again
  bool due = false;
};

class EngineImpl {
 public:
  // handshake -> open -> ending (to say so is due) -> answering (it was said) -> gone, or -> draining (the peer said so) -> gone.
  enum class Phase : std::uint8_t { handshake, open, ending, answering, draining, gone };

  EngineImpl(const EngineSettings& settings, CidSource& cids, EngineEvents& events, net::MemoryBudget& budget, bool server, TimePoint now)
      : settings(settings),
        chance(settings.chance != 0 ? settings.chance : pki::random_u64()),
        cids(cids),
        events(events),
        memory(budget),
        server(server),
        now(now),
        heard(now),
        started(now) {}
  EngineImpl(const EngineImpl&) = delete;
  EngineImpl& operator=(const EngineImpl&) = delete;
  ~EngineImpl();

  // engine.cpp
  Result<void> start_client(const Engine::ClientStart& start);
  Result<void> start_server(const Engine::ServerStart& start, WallTime wall_now);
  void fill(ngtcp2_settings& s, ngtcp2_transport_params& p);
  void feed(const net::Datagram& datagram);
  void expire();
  TimePoint deadline() const;
  void advance(TimePoint to) { now = std::max(now, to); }  // ngtcp2 aborts when time goes back
  void after_reading();
  void handshake_completed();
  void submit_address_token(const ngtcp2_addr& peer);
  bool mute() const;
  void deliver();
  bool alive() const { return phase <= Phase::open; }

  // engine_flush.cpp
  void flush(Engine::Emit emit);
  void write_packets(Engine::Emit emit, bool data);
  ngtcp2_ssize write_packet(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* into, std::size_t room, bool data, bool bulk);
  bool write_datagram(DatagramQueue::Lane& lane, ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* into, std::size_t room,
                      ngtcp2_ssize& n);
  ngtcp2_ssize write_copy(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* into, std::size_t room);
  bool write_stream(StreamImpl& stream, ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* into, std::size_t room, ngtcp2_ssize& n);
  void apply_wishes();
  void push_ping();

  // engine_path.cpp
  void was_heard();
  std::uint16_t path_name_for_next() const;
  void begin_path_anew(std::uint16_t name);
  void look_at_path(std::size_t datagram_size = 0);
  void set_pace_of_pings();
  void look_at_silence(const ngtcp2_conn_info& info, Duration pto);
  std::size_t max_datagram() const;
  std::size_t packet_size() const;

  // engine_streams.cpp
  StreamImpl* open_stream(net::Priority priority);
  StreamImpl& adopt_stream(std::int64_t id);
  void received(StreamImpl& stream, std::uint64_t offset, Bytes bytes, bool fin);
  void closed_by_quic(StreamImpl& stream, std::optional<std::uint64_t> code);
  void tell(StreamImpl& stream, bool readable, bool writable);
  void request(StreamImpl& stream) { requests.push_back(stream); }
  void update_ready(StreamImpl& stream);
  void apply_requests();
  void apply_request(StreamImpl& stream);
  void forget_unanswered();
  void shut(StreamImpl& stream, std::uint64_t code, bool reading, bool writing);
  std::size_t send_limit(const StreamImpl& stream);
  StreamImpl* greediest(std::size_t least, TimePoint idle_since);
  void overload(StreamImpl& stream);
  void relieve();
  void offer_room();
  void reap(StreamImpl& stream);
  void free_stream(StreamImpl& stream);
  void orphan(StreamImpl& stream);
  net::MemoryBudget::Use use(const StreamImpl& stream) const {
    return stream.urgent() ? net::MemoryBudget::Use::reserved : net::MemoryBudget::Use::ordinary;
  }

  // engine_copies.cpp
  void copy_if_small(StreamImpl& stream);
  bool queue_copy(StreamImpl& stream, std::uint64_t from, std::size_t size, bool end, TimePoint due);
  void answer_early();
  bool begin_early(std::int64_t id);
  void receive_copy(Bytes datagram);

  // engine_close.cpp
  void failed(int liberr);  // ngtcp2 gave an error: the connection is over
  void peer_closed();
  void close(net::MuxClose how, const ngtcp2_ccerr& frame);
  void end(Phase into, net::MuxClose how);
  void write_close(Engine::Emit emit);
  void answer(Engine::Emit emit);
  void forget_connection();
  bool must_wait_for_confirmation() const { return !server && handshake_done && !confirmed && now < farewell.confirm_by; }

  const EngineSettings settings;
  Random chance;
  CidSource& cids;
  EngineEvents& events;
  StreamMemory memory;
  const bool server;
  Phase phase = Phase::handshake;
  bool handshake_done = false;
  bool confirmed = false;  // RFC 9001 4.1.2
  bool tell_handshake = false, tell_streams_allowed = false, tell_closed = false, tell_resumption = false, tell_stuck = false;
  bool reset_received = false;
  bool path_may_have_changed = false;
  bool ping_wanted = false, key_update_wanted = false;
  bool more_to_write = false;  // flush() stopped at its limit
  bool any_local = false;      // the client's local address is the system's choice
  TimePoint now, heard;
  const TimePoint started;
  Silence silence{!server, started};
  WallTime wall_start{};  // server: wall clock at `started`

  LibraryMemory library{memory};
  ngtcp2_conn* conn = nullptr;
  std::unique_ptr<TlsSession> tls;  // until it has done its work
  std::vector<std::vector<std::byte>> chain;
  std::string alpn;
  bool resumed = false;
  Resumption resumption;

  net::SocketAddress local, peer;
  std::optional<net::SocketAddress> wanted_local;  // migrate()
  UnprovedPeer unproved;                           // server, after its peer has moved
  std::uint16_t path_name = 0;                     // server: added to our port in what ngtcp2 is told
  TimePoint moved_at{};                            // the path changed
  bool validating = false;                         // server: the path, as far as we are told
  int ids_refused = 0;                             // that the peer was right to issue

  std::size_t stream_count = 0;
  List<StreamHook> streams;
  List<ToldHook> told;
  List<RequestHook> requests;
  Scheduler scheduler;
  DatagramQueue datagrams{memory};
  bool peer_knows_copies = false;
  CopyQueue copies;
  SeenStreams seen;
  std::vector<StreamImpl*> early_streams;
  std::unordered_map<std::int64_t, StreamImpl*> by_number;
  std::uint64_t streams_allowed = settings.max_streams;  // that the peer may ever open
  std::uint64_t path_window = 0;                         // bytes, and
  Duration path_rtt{};                                   // when packets were written last
  BlackHole black_hole;
  BulkGate bulk_gate{settings.bulk_queue_target};
  TimePoint look_for_forgotten_at = TimePoint::max();
  TimePoint ask_memory_at = TimePoint::max();  // when writers that the budget refused are offered room again

  net::MuxStats stats;
  Engine::Counters counters;

  std::optional<net::MuxClose> close_info;
  Farewell farewell;
};

// ngtcp2's table; user_data is the EngineImpl.
ngtcp2_callbacks engine_callbacks(bool server);
// Packets that could be decrypted, by this thread; see engine_callbacks.cpp.
std::uint64_t packets_decrypted();
// RFC 9000 20.1 and, for 0x1xx, RFC 8446 6: for people.
std::string transport_error_text(std::uint64_t code);

}  // namespace fairlead::quic
