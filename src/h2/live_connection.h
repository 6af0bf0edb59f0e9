// live_connection.h: what an endpoint and the handles of one connection (Connection, Stream) share: the engine, the transport, who waits.
//
// Two tasks drive it, run() being both: one reads the transport into the engine, one writes what the engine has, a little at a time, so
// that what is urgent overtakes all that the transport has not taken. Events of the engine are recorded here and make waiters ready.
// Lifetime: owned together by the endpoint (until what is left to say was said), the Connection and its Streams.
// Invariant: over() is set once, and then every waiting call ends with error().
#pragma once
#include <deque>

#include "h2/engine.h"
#include "h2/stream.h"
#include "net/stream.h"
#include "net/tls_link.h"
#include "runtime/loop.h"
#include "runtime/scope.h"
#include "runtime/timer.h"

namespace fairlead::h2 {

class LiveConnection final : private EngineEvents {
 public:
  // Of one session's memory, so much is kept for control and management when the rest is full of ordinary data.
  static constexpr std::size_t kReservePart = 8;
  static constexpr std::size_t kMaxDatagrams = 2048;  // received and not yet taken; the oldest is dropped first
  static constexpr std::size_t kBatch = 16_KiB;       // encrypted at a time
  static constexpr Duration kFarewell = 1s;           // for the peer to hear why

  LiveConnection(Loop& loop, Role role, const EngineSettings& settings, net::TlsLink link, net::MemoryBudget& process,
                 std::size_t session_memory);
  ~LiveConnection() override;

  // Until the connection is over and the peer has been told.
  Task<void> run(std::shared_ptr<LiveConnection> self);
  // The endpoint is going away.
  void let_go();

  Loop& loop() const { return loop_; }
  Engine* engine() const { return over_ ? nullptr : engine_.get(); }
  void touch() { wanted_.wake_all(); }  // something is to be sent
  void close(std::uint64_t code, std::string_view reason);
  void refuse(std::uint8_t alert, std::string_view reason);
  const std::optional<net::MuxClose>& over() const { return over_; }
  const Error& error() const { return *error_; }

  Task<void> ended();
  Task<Result<std::unique_ptr<net::MuxStream>>> open(std::shared_ptr<LiveConnection> self, net::Priority priority, TimePoint deadline);
  Task<Result<std::unique_ptr<net::MuxStream>>> accept_stream(std::shared_ptr<LiveConnection> self);
  Task<Result<std::vector<std::byte>>> receive_datagram();
  void adopt(Stream& stream) { streams_.push_back(stream); }

  net::MuxStats stats() const;
  const std::vector<std::vector<std::byte>>& peer_chain() const { return chain_; }
  std::string_view alpn() const { return alpn_; }
  net::SocketAddress peer() const { return peer_; }
  net::SocketAddress local() const { return local_; }
  TimePoint last_heard() const { return engine_ ? engine_->last_heard() : last_heard_; }

 private:
  class Opener;
  Task<void> read();
  Task<void> write();
  void wake_openers();
  void end(const net::MuxClose& close);
  void drop_engine();

  void on_stream_opened(std::shared_ptr<EngineStream> stream) override;
  void on_readable(EngineStream& stream) override;
  void on_writable(EngineStream& stream) override;
  void on_streams_allowed() override { wake_openers(); }
  void on_datagram(Bytes payload) override;
  void on_closed(const net::MuxClose& close) override { end(close); }

  Loop& loop_;
  std::unique_ptr<net::Stream> transport_;
  std::optional<net::MemoryBudget> budget_;
  std::unique_ptr<Engine> engine_;  // null once the endpoint is done with it
  std::vector<std::vector<std::byte>> chain_;
  std::string alpn_;
  net::SocketAddress peer_, local_;
  net::MuxStats last_stats_;
  TimePoint last_heard_{};
  std::optional<net::MuxClose> over_;
  std::optional<Error> error_;

  List<Stream> streams_;  // the handles
  std::deque<std::shared_ptr<EngineStream>> incoming_;
  List<Opener> openers_;  // first come, first served
  std::deque<std::vector<std::byte>> datagrams_;
  std::uint64_t datagrams_dropped_ = 0;
  bool read_ended_ = false, wrote_all_ = false, broken_ = false;
  WaitQueue wanted_, stream_came_, datagram_came_, over_queue_, said_{loop_};
  Timer timer_;
  Scope driving_;  // last
};

}  // namespace fairlead::h2
