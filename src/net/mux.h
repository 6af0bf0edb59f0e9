// mux.h: many streams and datagrams over one secured connection. A QUIC connection is one; an HTTP/2 connection can be another.
// What is above (link) cannot tell which.
//
// Everything belongs to one loop. A stream handle that is destroyed while open aborts its stream.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "net/address.h"
#include "runtime/task.h"

namespace fairlead::net {

// Who is served first when the connection cannot carry all at once. `control` is strict; the others share by weight 8:4:2:1.
enum class Priority : std::uint8_t { control, management, interactive, bulk, background };
inline constexpr std::size_t kPriorities = 5;
inline constexpr std::uint32_t kWeights[kPriorities] = {0, 8, 4, 2, 1};  // control has none: it goes first

class MuxStream {
 public:
  virtual ~MuxStream() = default;

  // Received bytes in place: at least one, or none once the peer has shut its half. Valid until the next call on this stream.
  // Code::reset when the peer aborted (peer_code() tells why), after what had come in order before; Code::closed or timeout when the
  // connection is over.
  virtual Task<Result<Bytes>> peek() = 0;
  // Gives the first `n` bytes of the last peek back; the peer may send as many more.
  virtual void consume(std::size_t n) = 0;

  // Room to write into, at least one byte; waits while too much is unsent. Valid until commit() or the next call.
  virtual Task<Result<MutableBytes>> prepare() = 0;
  // The first `n` bytes of the last prepare() are to be sent; 0 gives the room back unused, and its memory with it. They leave at the end of the loop's turn, together with others.
  virtual void commit(std::size_t n) = 0;
  // All of `bytes`, copied; waits for room as prepare() does.
  virtual Task<Result<void>> write(Bytes bytes) = 0;
  // Our half is done: the peer reads the end after what was committed. Destroying the handle afterwards does not take that back; it
  // only tells the peer, if it is still sending, that nobody reads.
  virtual Result<void> shut() = 0;
  // Both halves end at once; the peer's calls fail with Code::reset and see `code`. What is undelivered() may be lost.
  virtual void abort(std::uint64_t code) = 0;

  virtual std::optional<std::uint64_t> peer_code() const = 0;  // with which the peer aborted
  virtual void set_priority(Priority priority) = 0;
  virtual std::uint64_t id() const = 0;
  // Waits until the peer has aborted or the connection is over, whatever else is going on with this stream. For those who do not read.
  virtual Task<Error> broken() = 0;
  // True while at least one more byte could be written without waiting.
  virtual bool has_room() const = 0;
  // Committed bytes that have not left for the first time.
  virtual std::size_t unsent() const = 0;
  // Committed bytes that the peer's transport may not have yet; 0 also when they never will be delivered, because the peer has aborted or
  // the connection is over. For those who are to abort and must lose nothing.
  virtual std::size_t undelivered() const = 0;
};

// How a connection ended.
struct MuxClose {
  bool by_peer = false;
  bool orderly = false;    // a close code was sent or received; else: silence, stateless reset, a protocol violation
  std::uint64_t code = 0;  // application code, or the transport's when !application
  bool application = true;
  std::string reason;  // text that the closing side gave: from outside, so shown but never interpreted
  // Silence is neither orderly nor by the peer, and has code 0: Code::timeout. Orderly with an application code or the transport's
  // NO_ERROR: Code::closed. A failed or refused handshake (CRYPTO_ERROR, CONNECTION_REFUSED): Code::refused. The rest: Code::reset.
  Error to_error() const;
};

struct MuxStats {
  Duration rtt{};  // smoothed
  Duration min_rtt{};
  std::uint64_t bytes_sent = 0, bytes_received = 0;  // of datagrams, with headers
  std::uint64_t packets_sent = 0, packets_lost = 0;
  std::uint64_t congestion_window = 0, bytes_in_flight = 0;
  std::uint64_t streams = 0;                           // open now
  std::size_t memory = 0;                              // bytes buffered for streams, both ways
  std::uint64_t datagrams_dropped = 0;                 // received, and nobody took them in time
  std::uint64_t silences = 0;                          // an answer was due and did not come for a while; then the peer was heard again
  std::uint64_t moves = 0;                             // to another local address or port, or of the peer's
  std::uint64_t copies_sent = 0;                       // of small stream data, as datagrams
  std::uint64_t copies_received = 0, copies_used = 0;  // used: they brought what had not come yet
};

class MuxConnection {
 public:
  virtual ~MuxConnection() = default;  // closes without a word if still open

  // Waits while the peer allows no more streams, in order, until `deadline`: then Code::overloaded.
  virtual Task<Result<std::unique_ptr<MuxStream>>> open(Priority priority, TimePoint deadline) = 0;
  // The next stream that the peer opened. Code::closed when the connection is over.
  virtual Task<Result<std::unique_ptr<MuxStream>>> accept() = 0;

  // Unreliable. False when it does not fit (see max_datagram) or the queue is full; the oldest queued one is then dropped. Senders of a
  // class take turns, and each loses only its own, unless there are too many in all.
  virtual bool send_datagram(Bytes payload, Priority priority, std::uint64_t sender = 0) = 0;
  virtual std::size_t max_datagram() const = 0;  // now: it follows the path's MTU. 0: this carrier has none
  virtual Task<Result<std::vector<std::byte>>> receive_datagram() = 0;
  // The peer understands small pieces of streams that come once more, as datagrams: a carrier that profits by it may send them.
  virtual void peer_knows_copies() {}

  // DER certificates of the peer, leaf first, known after the handshake, resumed ones too.
  virtual std::vector<std::vector<std::byte>> peer_chain() const = 0;
  virtual bool resumed() const = 0;
  virtual std::string_view alpn() const = 0;

  virtual MuxStats stats() const = 0;
  virtual SocketAddress peer() const = 0;
  virtual SocketAddress local() const = 0;
  virtual std::string_view transport() const = 0;  // "quic"
  virtual TimePoint last_heard() const = 0;        // when the last packet of the peer came
  // The peer is asked for a sign of life.
  virtual void ping() = 0;

  // Says why and ends. `code` is the application's.
  virtual void close(std::uint64_t code, std::string reason) = 0;
  // Refuses the peer's identity with a TLS alert (RFC 8446, 6.2) and a sentence, and ends.
  virtual void refuse(std::uint8_t tls_alert, std::string reason) = 0;
  virtual Task<MuxClose> closed() = 0;
  virtual const std::optional<MuxClose>& close_state() const = 0;
};

}  // namespace fairlead::net
