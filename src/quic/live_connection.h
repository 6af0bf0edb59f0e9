// live_connection.h: what an endpoint and the handles of one connection (Connection, Stream) share: the engine, its streams' handles
// and who waits for what.
//
// Events of the engine are recorded here and make waiters ready; nobody is resumed or called from inside one.
// Lifetime: owned together by the endpoint (until the engine has nothing more to send or to answer), the Connection and its Streams.
// The engine and the budget go when the endpoint lets go. Handles may live on: what they use of the engine is asked for anew each time,
// and an EngineStream is valid until its handle releases it.
// Invariant: `over()` is set once, and then every waiting call ends with error().
#pragma once
#include <deque>
#include <functional>

#include "base/list.h"
#include "quic/engine.h"
#include "quic/stream.h"
#include "runtime/loop.h"
#include "runtime/wait_queue.h"

namespace fairlead::quic {

class LiveConnection;

// What a connection needs of its endpoint. None of these calls the connection back.
class ConnectionHost {
 public:
  virtual void wants_flush(LiveConnection& connection) = 0;  // at the end of this turn
  virtual void id_added(LiveConnection& connection, const ConnectionId& id) = 0;
  virtual void id_removed(LiveConnection& connection, const ConnectionId& id) = 0;
  virtual void reset_token_changed(LiveConnection& connection, const StatelessResetToken& token, bool valid) = 0;
  virtual void handshake_done(LiveConnection& connection) = 0;
  virtual void closed(LiveConnection& connection) = 0;
  virtual void path_stuck(LiveConnection& connection) = 0;  // a client's: another local port would help

 protected:
  ~ConnectionHost() = default;
};

// The endpoint's lists of connections: to be flushed, and to be accepted.
class FlushHook : public ListHook {};
class AcceptHook : public ListHook {};

class LiveConnection final : public FlushHook, public AcceptHook, private EngineEvents {
 public:
  // Of one session's memory, so much is kept for control and management when the rest is full of ordinary data.
  static constexpr std::size_t kReservePart = 8;
  // Received and not yet taken: more than come in one turn of the loop. The oldest is dropped first, since a late datagram is worth least.
  static constexpr std::size_t kMaxDatagrams = 2048;

  LiveConnection(Loop& loop, ConnectionHost& host, net::MemoryBudget& process, std::size_t session_memory);
  ~LiveConnection() override;

  // --- for the endpoint
  Result<void> connect(const EngineSettings& settings, const Engine::ClientStart& start, CidSource& cids);
  Result<void> accept(const EngineSettings& settings, const Engine::ServerStart& start, CidSource& cids);
  bool is_client() const { return client_; }
  void feed(const net::Datagram& datagram, TimePoint now);
  void flush(TimePoint now, Engine::Emit emit);
  bool finished() const { return engine_ == nullptr || engine_->finished(); }
  // Wakes the endpoint in time for the engine's next deadline. The timer moves only when that became earlier.
  void arm();
  void migrate(const net::SocketAddress& to);
  // The endpoint is done with this connection, or is going away itself.
  void let_go();
  const std::vector<ConnectionId>& ids() const { return ids_; }
  const std::vector<StatelessResetToken>& reset_tokens() const { return reset_tokens_; }

  std::function<void(const Resumption&)> keep_resumption;  // called at the end of a turn, between tasks

  // --- for the handles
  Loop& loop() const { return loop_; }
  Engine* engine() const { return over_ ? nullptr : engine_.get(); }  // null when over
  void touch();                                                       // something is to be sent
  void close(std::uint64_t code, std::string_view reason);
  void refuse(std::uint8_t alert, std::string_view reason);
  bool established() const { return established_; }
  const std::optional<net::MuxClose>& over() const { return over_; }
  const Error& error() const { return *error_; }  // only when over()

  Task<void> handshaken();  // or over
  Task<void> ended();
  Task<Result<std::unique_ptr<net::MuxStream>>> open(std::shared_ptr<LiveConnection> self, net::Priority priority, TimePoint deadline);
  Task<Result<std::unique_ptr<net::MuxStream>>> accept_stream(std::shared_ptr<LiveConnection> self);
  Task<Result<std::vector<std::byte>>> receive_datagram();
  void adopt(Stream& stream) { streams_.push_back(stream); }

  net::MuxStats stats() const;
  std::vector<std::vector<std::byte>> peer_chain() const;
  bool resumed() const { return engine_ ? engine_->resumed() : last_.resumed; }
  std::string_view alpn() const { return engine_ ? engine_->alpn() : last_.alpn; }
  net::SocketAddress peer() const { return engine_ ? engine_->peer() : last_.peer; }
  net::SocketAddress local() const { return engine_ ? engine_->local() : last_.local; }
  TimePoint last_heard() const { return engine_ ? engine_->last_heard() : last_.heard; }

 private:
  class Opener;
  struct Expiry : Ready {
    explicit Expiry(LiveConnection& c) : Ready(&run), connection(c) {}
    static void run(Ready& self) { static_cast<Expiry&>(self).connection.expire(); }
    LiveConnection& connection;
  };
  // What is still asked for when the engine is gone.
  struct Last {
    net::MuxStats stats;
    std::vector<std::vector<std::byte>> chain;
    bool resumed = false;
    std::string alpn;
    net::SocketAddress peer, local;
    TimePoint heard{};
  };

  void expire();
  void end(const net::MuxClose& close);
  void wake_openers();

  void on_handshake_done() override;
  void on_stream_opened(EngineStream& stream) override;
  void on_readable(EngineStream& stream) override;
  void on_writable(EngineStream& stream) override;
  void on_streams_allowed() override { wake_openers(); }
  void on_datagram(Bytes payload) override;
  void on_cid_added(const ConnectionId& id) override;
  void on_cid_removed(const ConnectionId& id) override;
  void on_reset_token(const StatelessResetToken& token, bool valid) override;
  void on_path_changed(const net::SocketAddress&, const net::SocketAddress&) override {}
  void on_path_stuck() override {
    if (host_ != nullptr) host_->path_stuck(*this);
  }
  void on_resumption(const Resumption& resumption) override { resumption_ = resumption; }
  void on_closed(const net::MuxClose& close) override { end(close); }

  Loop& loop_;
  ConnectionHost* host_;  // null once the endpoint has let go
  std::optional<net::MemoryBudget> budget_;
  std::unique_ptr<Engine> engine_;
  bool client_ = false;
  bool established_ = false;
  std::optional<net::MuxClose> over_;
  std::optional<Error> error_;
  Last last_;

  std::vector<ConnectionId> ids_;
  std::vector<StatelessResetToken> reset_tokens_;
  List<Stream> streams_;                // the handles
  std::deque<EngineStream*> incoming_;  // opened by the peer, not yet accepted; the peer's limit of streams bounds it
  List<Opener> openers_;                // first come, first served
  std::deque<std::vector<std::byte>> datagrams_;
  std::uint64_t datagrams_dropped_ = 0;
  std::optional<Resumption> resumption_;  // not yet told

  WaitQueue established_or_over_, stream_came_, datagram_came_, over_queue_;
  Expiry expiry_;
  TimerNode timer_;
};

}  // namespace fairlead::quic
