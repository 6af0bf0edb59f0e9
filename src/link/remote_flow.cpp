#include "link/remote_flow.h"

#include <algorithm>

namespace fairlead::link {

void RemoteFlow::wake_consumer(Direction& d, std::unique_lock<std::mutex>& lock) {
  const bool first = !std::exchange(d.waking_consumer, true);
  lock.unlock();
  if (!first) return;  // one wake-up for a batch
  d.consumer.post([self = shared_from_this(), &d] {
    {
      std::lock_guard guard(d.mutex);
      d.waking_consumer = false;
    }
    d.data.wake_all();
  });
}

void RemoteFlow::wake_producer(Direction& d, std::unique_lock<std::mutex>& lock) {
  const bool needed = d.producer_waits && !std::exchange(d.waking_producer, true);
  lock.unlock();
  if (!needed) return;
  d.producer.post([self = shared_from_this(), &d] {
    {
      std::lock_guard guard(d.mutex);
      d.waking_producer = false;
      d.producer_waits = false;
    }
    d.room.wake_all();
  });
}

void RemoteFlow::push(Direction& d, Chunk chunk) {
  std::unique_lock lock(d.mutex);
  if (d.failure || d.unread) return;
  d.outstanding += chunk.size;
  d.chunks.push_back(std::move(chunk));
  wake_consumer(d, lock);
}

void RemoteFlow::finish(Direction& d) {
  std::unique_lock lock(d.mutex);
  if (std::exchange(d.finished, true)) return;
  wake_consumer(d, lock);
}

void RemoteFlow::fail(Direction& d, Failure failure) {
  {
    std::unique_lock lock(d.mutex);
    if (d.failure) return;
    d.failure = std::move(failure);
    d.chunks.clear();
    wake_consumer(d, lock);
  }
  std::unique_lock lock(d.mutex);
  wake_producer(d, lock);
}

void RemoteFlow::drop(Direction& d) {
  std::unique_lock lock(d.mutex);
  d.unread = true;
  d.chunks.clear();
  d.outstanding = 0;
  wake_producer(d, lock);
}

void RemoteFlow::release(Direction& d, std::size_t n) {
  std::unique_lock lock(d.mutex);
  d.outstanding -= std::min(n, d.outstanding);
  if (d.outstanding <= kCredit / 2) wake_producer(d, lock);
}

Task<Result<void>> RemoteFlow::wait_room(Direction& d) {
  for (;;) {
    {
      std::lock_guard lock(d.mutex);
      if (d.failure) co_return std::unexpected(d.failure->error);
      if (d.unread) co_return fairlead::fail(Code::reset, "the other side reads no more");
      if (d.outstanding < kCredit) co_return Result<void>{};
      d.producer_waits = true;
    }
    co_await d.room.wait();
  }
}

Task<Result<RemoteFlow::Chunk>> RemoteFlow::pop(Direction& d) {
  for (;;) {
    {
      std::lock_guard lock(d.mutex);
      if (d.failure) co_return std::unexpected(d.failure->error);
      if (!d.chunks.empty()) {
        Chunk chunk = std::move(d.chunks.front());
        d.chunks.pop_front();
        co_return chunk;
      }
      if (d.finished) co_return Chunk{};
    }
    co_await d.data.wait();
  }
}

// ---- the user's side

class RemoteStream final : public net::MuxStream {
 public:
  explicit RemoteStream(std::shared_ptr<RemoteFlow> remote) : remote_(std::move(remote)) {}

  ~RemoteStream() override {
    if (!shut_) remote_->fail(remote_->up_, cancelled());
    remote_->drop(remote_->down_);
  }

  Task<Result<Bytes>> peek() override {
    while (read_.size == at_ && !ended_) {
      auto next = co_await remote_->pop(remote_->down_);
      if (!next) co_return std::unexpected(next.error());
      if (next->size == 0) {
        ended_ = true;
      } else {
        read_ = *std::move(next);
        at_ = 0;
      }
    }
    co_return Bytes(read_.bytes.get() + at_, read_.size - at_);
  }
  void consume(std::size_t n) override {
    at_ += n;
    remote_->release(remote_->down_, n);
  }

  Task<Result<MutableBytes>> prepare() override {
    auto room = co_await remote_->wait_room(remote_->up_);
    if (!room) co_return std::unexpected(room.error());
    if (!write_.bytes) write_.bytes = std::make_unique_for_overwrite<std::byte[]>(RemoteFlow::kBuffer);
    co_return MutableBytes(write_.bytes.get(), RemoteFlow::kBuffer);
  }
  void commit(std::size_t n) override {
    if (n == 0) return;
    write_.size = n;
    remote_->push(remote_->up_, std::exchange(write_, {}));
  }
  Task<Result<void>> write(Bytes bytes) override {
    while (!bytes.empty()) {
      auto room = co_await prepare();
      if (!room) co_return std::unexpected(room.error());
      const std::size_t n = std::min(room->size(), bytes.size());
      std::copy_n(bytes.begin(), n, room->begin());
      commit(n);
      bytes = bytes.subspan(n);
    }
    co_return Result<void>{};
  }
  Result<void> shut() override {
    shut_ = true;
    remote_->finish(remote_->up_);
    return {};
  }
  void abort(std::uint64_t code) override {
    RemoteFlow::Failure failure{Error(Code::cancelled, "aborted by this side"), code};
    remote_->fail(remote_->up_, failure);
    remote_->fail(remote_->down_, RemoteFlow::Failure{failure.error, std::nullopt});
    shut_ = true;
  }

  std::optional<std::uint64_t> peer_code() const override {
    std::lock_guard lock(remote_->down_.mutex);
    return remote_->down_.failure ? remote_->down_.failure->code : std::nullopt;
  }
  // The session's loop classifies by what it sends itself.
  void set_priority(net::Priority) override {}
  std::uint64_t id() const override { return 0; }
  Task<Error> broken() override {
    for (;;) {
      {
        std::lock_guard lock(remote_->down_.mutex);
        if (remote_->down_.failure) co_return remote_->down_.failure->error;
      }
      co_await remote_->down_.data.wait();
    }
  }
  bool has_room() const override {
    std::lock_guard lock(remote_->up_.mutex);
    return !remote_->up_.failure && !remote_->up_.unread && remote_->up_.outstanding < RemoteFlow::kCredit;
  }
  std::size_t unsent() const override {
    std::lock_guard lock(remote_->up_.mutex);
    return remote_->up_.outstanding;
  }

 private:
  static RemoteFlow::Failure cancelled() { return {Error(Code::cancelled, "given up"), static_cast<std::uint64_t>(FlowCode::cancelled)}; }
  std::shared_ptr<RemoteFlow> remote_;
  RemoteFlow::Chunk read_, write_;
  std::size_t at_ = 0;
  bool ended_ = false, shut_ = false;
};

std::unique_ptr<net::MuxStream> RemoteFlow::handle() { return std::make_unique<RemoteStream>(shared_from_this()); }

// ---- the session's side

Task<void> RemoteFlow::carry_up(RemoteFlow& remote, Flow& flow, Scope& both) {
  for (;;) {
    auto chunk = co_await remote.pop(remote.up_);
    if (!chunk) {
      std::optional<std::uint64_t> code;
      {
        std::lock_guard lock(remote.up_.mutex);
        code = remote.up_.failure->code;
      }
      flow.abort(code ? wire::flow_code(*code) : FlowCode::cancelled);
      both.cancel();
      co_return;
    }
    if (chunk->size == 0) {
      static_cast<void>(flow.shut());
      co_return;
    }
    const std::size_t size = chunk->size;
    auto written = co_await flow.write(Bytes(chunk->bytes.get(), size));
    if (!written) {
      remote.fail(remote.up_, {written.error(), std::nullopt});
      co_return;
    }
    remote.release(remote.up_, size);
  }
}

Task<void> RemoteFlow::carry_down(RemoteFlow& remote, Flow& flow) {
  for (;;) {
    auto bytes = co_await flow.peek();
    if (!bytes) {
      const FlowCode code = flow.peer_code();
      remote.fail(remote.down_,
                  {bytes.error(), code == FlowCode::link_down ? std::nullopt : std::optional(static_cast<std::uint64_t>(code))});
      co_return;
    }
    if (bytes->empty()) {
      remote.finish(remote.down_);
      co_return;
    }
    auto room = co_await remote.wait_room(remote.down_);
    if (!room) co_return;  // nobody reads any more; the flow ends with its handle
    const std::size_t n = std::min(bytes->size(), kBuffer);
    Chunk chunk{std::make_unique_for_overwrite<std::byte[]>(n), n};
    std::copy_n(bytes->begin(), n, chunk.bytes.get());
    flow.consume(n);
    remote.push(remote.down_, std::move(chunk));
  }
}

Task<void> RemoteFlow::carry(std::shared_ptr<RemoteFlow> remote, std::unique_ptr<Flow> flow) {
  // Whatever ends this task, the user's side must hear of it.
  struct Goodbye {
    RemoteFlow& remote;
    ~Goodbye() {
      const Error gone(Code::closed, "the session is over");
      {
        std::lock_guard lock(remote.down_.mutex);
        if (remote.down_.finished) return;
      }
      remote.fail(remote.down_, {gone, std::nullopt});
      remote.fail(remote.up_, {gone, std::nullopt});
    }
  } goodbye{*remote};
  Scope both(flow->loop());
  both.spawn(carry_up(*remote, *flow, both));
  both.spawn(carry_down(*remote, *flow));
  co_await both.done();
}

}  // namespace fairlead::link
