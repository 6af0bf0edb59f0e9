// engine.h: one QUIC connection without a socket and without a clock (RFC 9000, 9001, 9002, 9221; ngtcp2 + GnuTLS inside).
//
// It is fed datagrams and time and hands out datagrams. Events only record: an implementer of EngineEvents must not call the
// engine back from inside one, except for the stream calls (write, consume, finish, reset...), which only queue.
// Invariant: after any call the engine is either alive, with deadline() telling when it must be woken, or over, with close_info()
// telling why; then every stream has failed and on_closed(), from the next flush() or from the call that ended it, is the last event.
// An engine that is over still writes its CONNECTION_CLOSE and answers what comes with it again, rate limited (RFC 9000 10.2), in 3 KiB
// of memory: its owner keeps feeding, flushing and waking it until finished(). Everything happens on one thread.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/function_ref.h"
#include "base/time.h"
#include "net/datagram_socket.h"
#include "net/memory_budget.h"
#include "net/mux.h"
#include "quic/connection_id.h"

namespace fairlead::pki {
class Credentials;
}

namespace fairlead::quic {

class EngineImpl;
class EngineStream;

struct EngineSettings {
  enum class Congestion : std::uint8_t { bbr, cubic };
  Congestion congestion = Congestion::bbr;
  Duration idle_timeout = 150s;  // min of both sides; must exceed the longest outage that a connection shall survive
  Duration keep_alive = 4s;      // a PING after so long without a packet: holds NAT mappings, and finds a restarted peer
  Duration handshake_timeout = 10s;
  Duration max_ack_delay = 25ms;  // the RFC's default
  Duration initial_rtt = 333ms;   // the RFC's default
  std::size_t initial_stream_window = 128_KiB;
  std::size_t max_stream_window = 8_MiB;   // more can exceed the library's limit on gaps (4,000 ranges) after mass loss
  std::size_t connection_window = 16_MiB;  // extended on receipt, so that stalled readers do not stop the others
  std::size_t send_buffer = 256_KiB;       // unsent bytes of one stream before its writer waits; unacknowledged ones come on top
  std::uint64_t max_streams = 4096;        // that the peer may have open; extended as they close
  Duration bulk_queue_target = 12ms;       // bulk is held back by queueing delay over the path's minimum, never by a share of the window
  std::uint64_t overload_code = 0;         // with which the stream that holds most bytes is aborted when memory runs out
  bool pmtud = true;
  bool ecn = true;
  std::uint64_t chance = 0;  // seed of what needs no secrecy (when BBR probes): the same run again in a simulation; 0: another each time
};

// What to offer and to ask in TLS.
struct TlsOptions {
  std::shared_ptr<const pki::Credentials> credentials;
  std::string alpn;         // exactly this one; the server may give several, see EngineServerOptions
  std::string server_name;  // client: SNI; a name or empty for an address
};

// A client's memory of an earlier connection.
struct Resumption {
  std::vector<std::byte> ticket, transport_parameters, address_token;
};

class EngineEvents {
 public:
  virtual ~EngineEvents() = default;
  virtual void on_handshake_done() = 0;                     // the peer's chain can be looked at; data may flow
  virtual void on_stream_opened(EngineStream& stream) = 0;  // by the peer
  virtual void on_readable(EngineStream& stream) = 0;       // bytes, the end, or a reset
  virtual void on_writable(EngineStream& stream) = 0;       // room again, or stopped by the peer
  virtual void on_streams_allowed() = 0;                    // open_stream() may succeed again
  virtual void on_datagram(Bytes payload) = 0;
  virtual void on_cid_added(const ConnectionId& cid) = 0;  // packets with this destination id are ours from now on
  virtual void on_cid_removed(const ConnectionId& cid) = 0;
  // A datagram that ends with this token may be a stateless reset by the peer (RFC 9000 10.3.1): feed it, whatever id it has.
  virtual void on_reset_token(const StatelessResetToken& token, bool valid) = 0;
  virtual void on_path_changed(const net::SocketAddress& local, const net::SocketAddress& peer) = 0;
  virtual void on_path_stuck() = 0;                              // client: silent, and another local port is the way out
  virtual void on_resumption(const Resumption& resumption) = 0;  // client: keep for the next connection
  virtual void on_closed(const net::MuxClose& close) = 0;        // last event
};

// One bidirectional stream. It is valid until its user has called release(), even when the engine is gone by then: it is closed(), and
// what peek() and prepare() gave last may still be used, for somebody may be waiting for a socket with it.
class EngineStream {
 public:
  std::uint64_t id() const;

  // Receiving. `peek` gives the first contiguous received bytes; empty: nothing yet, or the end (see at_end, reset_code).
  Bytes peek() const;
  void consume(std::size_t n);                      // extends the stream's window, and grows it for a reader that drains
  bool at_end() const;                              // all was consumed and the peer is done
  std::optional<std::uint64_t> reset_code() const;  // RESET_STREAM from the peer; what had come in order before is still there
  bool overloaded() const;  // aborted by the engine, with `overload_code`, because memory ran out while this one held most unread bytes

  // Sending. `prepare` gives room in place, empty when `send_buffer` is unsent.
  MutableBytes prepare();
  void commit(std::size_t n);
  void finish();          // FIN after what was committed
  bool has_room() const;  // prepare() would not be empty, unless memory is short
  std::size_t unsent() const;
  std::size_t unacknowledged() const;                 // of what was committed; 0 once nothing is sent any more
  std::optional<std::uint64_t> stopped_code() const;  // STOP_SENDING from the peer

  void abort(std::uint64_t code);  // RESET_STREAM + STOP_SENDING, as far as each half is open
  void set_priority(net::Priority priority);
  bool closed() const;  // by QUIC or because the connection is over
  // The user's last call: lets the engine free it. What was finished is still delivered; what is open is aborted with code 0.
  void release();

  void* user = nullptr;  // the wrapper's own

 protected:
  EngineStream() = default;
  ~EngineStream() = default;
};

class Engine {
 public:
  using Emit = FunctionRef<void(const net::DatagramBatch&)>;

  struct ClientStart {
    net::SocketAddress local, peer;
    TlsOptions tls;
    const Resumption* resumption = nullptr;
  };
  // The server's answer to a client's first Initial, already decoded and its token verified by the endpoint, which feeds the
  // datagram itself next.
  struct ServerStart {
    net::SocketAddress local, peer;
    std::shared_ptr<const pki::Credentials> credentials;
    std::vector<std::string> alpns;  // offered; the client's must be one of them
    std::uint32_t version = 0;
    ConnectionId dcid, scid;                    // of the Initial packet: what the client calls us, and itself
    std::optional<ConnectionId> original_dcid;  // it came back from a Retry: `dcid` is the Retry's id and this the first one
    Bytes token;                                // verified: lifts the limit on what an unproved address may be sent; empty: none
    Bytes ticket_key;                           // 64 bytes that all loops and replicas share (pki::LinkSecrets); empty: no session tickets
  };
  static Result<std::unique_ptr<Engine>> connect(const EngineSettings&, const ClientStart&, CidSource&, EngineEvents&, net::MemoryBudget&,
                                                 TimePoint now);
  static Result<std::unique_ptr<Engine>> accept(const EngineSettings&, const ServerStart&, CidSource&, EngineEvents&, net::MemoryBudget&,
                                                TimePoint now, WallTime wall_now);
  ~Engine();

  void feed(const net::Datagram& datagram, TimePoint now);
  // Writes what may be sent now, in aggregates. Called once a turn.
  void flush(TimePoint now, Emit emit);
  // What is overdue at `now`: loss detection, PTO, idle timeout, keep-alive. Call flush() afterwards.
  void expire(TimePoint now);
  // TimePoint::max() when there is nothing to wait for. Not later than the last `now` when flush() stopped at its limit of one turn.
  TimePoint deadline() const;
  bool finished() const;  // over, and nothing is left to send or to answer

  EngineStream* open_stream(net::Priority priority);  // null: the peer allows no more just now
  // At least one byte. False when something was dropped: this one, because it does not fit, or the oldest of the least important class
  // in a full queue.
  bool send_datagram(Bytes payload, net::Priority priority, std::uint64_t sender = 0);
  std::size_t max_datagram() const;
  void ping();
  void peer_knows_copies();  // small pieces of streams are sent once more from now on (copies.h)
  void update_keys();        // RFC 9001 6; done by itself before the AEAD's limit
  // Client: use this path from now on (RFC 9000 9). Before the handshake is confirmed, or without a spare id: as soon as that is so.
  void migrate(const net::SocketAddress& local, TimePoint now);
  void close(std::uint64_t code, std::string_view reason, TimePoint now);
  // Refuses the peer after the handshake with a TLS alert and a sentence (RFC 9001 4.8: CRYPTO_ERROR).
  void refuse(std::uint8_t tls_alert, std::string_view reason, TimePoint now);

  bool alive() const;
  bool established() const;
  const std::optional<net::MuxClose>& close_info() const;
  std::vector<std::vector<std::byte>> peer_chain() const;  // DER, leaf first
  bool resumed() const;
  std::string_view alpn() const;
  net::MuxStats stats() const;
  net::SocketAddress peer() const;
  net::SocketAddress local() const;
  TimePoint last_heard() const;
  Duration pto() const;  // probe timeout (RFC 9002 6.2.1); a closing period lasts three

  struct Counters {
    std::uint64_t streams_overloaded = 0;  // aborted because memory ran out
    std::uint64_t streams_forgotten = 0;   // let go of, and never ended by the peer
    std::uint64_t datagrams_dropped = 0;   // to send, from a full queue or too large by now
    std::uint64_t keys_made = 0;           // the next ones, ahead of their use: one more than there were key updates
  };
  const Counters& counters() const;

 private:
  explicit Engine(std::unique_ptr<EngineImpl> impl);
  std::unique_ptr<EngineImpl> impl_;
};

}  // namespace fairlead::quic
