// stream.h: the handle of one QUIC stream, for coroutines.
//
// Every call tries first and waits only for what is not there. Events from the engine wake waiters and do nothing else.
// A handle may outlive its connection: the engine's stream is valid until release(). What had been received when the connection ended
// can be read as long as the endpoint still answers for it (three probe timeouts); then every call tells how it ended.
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
  std::uint64_t id() const override { return stream_.id(); }
  Task<Error> broken() override;
  bool has_room() const override;
  std::size_t unsent() const override { return stream_.unsent(); }
  std::size_t undelivered() const override { return broken_error() ? 0 : stream_.unacknowledged(); }

  // From the connection.
  void on_readable();
  void on_writable();
  void on_over();

 private:
  // What ended both halves, what ended writing; nothing while there is no such thing.
  std::optional<Error> aborted_error() const;
  std::optional<Error> broken_error() const;
  std::optional<Error> write_error() const;

  std::shared_ptr<LiveConnection> connection_;  // shared: a stream may outlive its connection, and then tells how that ended
  EngineStream& stream_;
  bool aborted_ = false;  // by us
  bool shut_ = false;
  WaitQueue readable_, writable_, broken_;
};

}  // namespace fairlead::quic
