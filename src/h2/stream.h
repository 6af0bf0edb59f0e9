// stream.h: the handle of one HTTP/2 stream, for coroutines.
//
// Every call tries first and waits only for what is not there. Events from the engine wake waiters and do nothing else.
// A handle may outlive its connection: what had been received can still be read, then every call tells how it ended.
#pragma once
#include "base/list.h"
#include "h2/engine_stream.h"
#include "net/mux.h"
#include "runtime/wait_queue.h"

namespace fairlead::h2 {

class LiveConnection;

class Stream final : public net::MuxStream, public ListHook {
 public:
  Stream(std::shared_ptr<LiveConnection> connection, std::shared_ptr<EngineStream> stream);
  ~Stream() override;

  Task<Result<Bytes>> peek() override;
  void consume(std::size_t n) override;
  Task<Result<MutableBytes>> prepare() override;
  void commit(std::size_t n) override;
  Task<Result<void>> write(Bytes bytes) override;
  Result<void> shut() override;
  void abort(std::uint64_t code) override;
  std::optional<std::uint64_t> peer_code() const override;
  void set_priority(net::Priority priority) override { stream_->set_priority(priority); }
  std::uint64_t id() const override { return stream_->id(); }
  Task<Error> broken() override;
  bool has_room() const override { return !write_error() && stream_->has_room(); }
  std::size_t unsent() const override { return stream_->unsent(); }
  // An RST_STREAM does not overtake what has left.
  std::size_t undelivered() const override { return broken_error() ? 0 : stream_->unsent(); }

  // From the connection.
  void on_readable();
  void on_writable();
  void on_over();

 private:
  std::optional<Error> aborted_error() const;
  std::optional<Error> broken_error() const;
  std::optional<Error> write_error() const;

  std::shared_ptr<LiveConnection> connection_;
  std::shared_ptr<EngineStream> stream_;
  bool aborted_ = false;  // by us
  bool shut_ = false;
  WaitQueue readable_, writable_, broken_;
};

}  // namespace fairlead::h2
