// stream.h: the handle of one QUIC stream, for coroutines.
//
// Every call tries first and waits only for what is not there. Events from the engine wake waiters and do nothing else.
// Invariant: `stream_` is valid as long as it is not null; it becomes null when the connection is over, so a handle may outlive that.
#pragma once
#include "base/list.h"
#include "net/mux.h"
#include "quic/engine.h"
#include "runtime/wait_queue.h"

namespace fairlead::quic {

class LiveConnection;

class Stream final : public net::MuxStream, public ListHook {
 public:
  Stream(std::shared_ptr<LiveConnection> connection, EngineStream& stream);
  ~Stream() override;

  Task<Result<Bytes>> peek() override;
  void consume(std::size_t n) override;
  Task<Result<MutableBytes>> prepare() override;
  void commit(std::size_t n) override;
  Task<Result<void>> write(Bytes bytes) override;
  Result<void> shut() override;
  void abort(std::uint64_t code) override;
  std::optional<std::uint64_t> peer_code() const override;
  void set_priority(net::Priority priority) override;
  std::uint64_t id() const override { return id_; }
  Task<Error> broken() override;
  bool has_room() const override;
  std::size_t unsent() const override { return stream_ != nullptr ? stream_->unsent() : 0; }

  // From the connection.
  void on_readable();
  void on_writable();
  void on_over();

 private:
  // What ends reading, writing and both; nothing while there is no such thing.
  std::optional<Error> read_error() const;
  std::optional<Error> write_error() const;
  std::optional<Error> broken_error() const;

  std::shared_ptr<LiveConnection> connection_;  // shared: a stream may outlive its connection, and then tells how that ended
  EngineStream* stream_;
  const std::uint64_t id_;
  std::optional<std::uint64_t> last_peer_code_;  // kept when the engine's stream goes
  bool aborted_ = false;                         // by us
  bool shut_ = false;
  WaitQueue readable_, writable_, broken_;
};

}  // namespace fairlead::quic
