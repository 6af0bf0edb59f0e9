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

void RemoteFlow::wake_user() {
  up_.producer.post([self = shared_from_this()] {
    self->up_.room.wake_all();
    self->down_.data.wake_all();
    self->broken_.wake_all();
  });
}

void RemoteFlow::wake_session() {
  up_.consumer.post([self = shared_from_this()] {
    self->up_.data.wake_all();
    self->down_.room.wake_all();
    self->left_.wake_all();
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

void RemoteFlow::release(Direction& d, std::size_t n) {
  std::unique_lock lock(d.mutex);
  d.outstanding -= std::min(n, d.outstanding);
  if (d.outstanding <= kCredit / 2) wake_producer(d, lock);
}

void RemoteFlow::fail(Direction& d, Failure failure) {
  const bool by_user = failure.by_user;
  {
    std::lock_guard lock(d.mutex);
    if (by_user || &d == &up_) d.chunks.clear();
    if (d.failure) return;
    d.failure = std::move(failure);
  }
  by_user ? wake_session() : wake_user();
}

void RemoteFlow::drop_down() {
  {
    std::lock_guard lock(down_.mutex);
    down_.unread = true;
    down_.chunks.clear();
    down_.outstanding = 0;
  }
  wake_session();
}

// Also a half that was shut: what was sent may still be on its way.
void RemoteFlow::break_off(const Error& error, std::uint64_t code) {
  {
    std::lock_guard lock(up_.mutex);
    if (!broken_off_) broken_off_ = code;
  }
  const Failure failure{error, code, true};
  fail(up_, failure);
  fail(down_, failure);
  wake_user();
  wake_session();
}

void RemoteFlow::tell_undelivered(std::size_t n) {
  std::lock_guard lock(up_.mutex);
  undelivered_ = n;
}

std::size_t RemoteFlow::undelivered() {
  std::size_t by_flow = 0, waiting = 0;
  {
    std::lock_guard lock(up_.mutex);
    if (up_.failure) return 0;
    by_flow = undelivered_;
    waiting = up_.outstanding;
  }
  if (by_flow > 0) up_.consumer.post([self = shared_from_this()] { self->asked_.wake_all(); });
  return waiting + by_flow;
}

std::optional<RemoteFlow::Failure> RemoteFlow::failure_of(const Direction& d) const {
  std::lock_guard lock(d.mutex);
  return d.failure;
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
      if (!d.chunks.empty()) {
        Chunk chunk = std::move(d.chunks.front());
        d.chunks.pop_front();
        co_return chunk;
      }
      if (d.failure) co_return std::unexpected(d.failure->error);
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
    if (!shut_) remote_->break_off(Error(Code::cancelled, "given up"), static_cast<std::uint64_t>(FlowCode::cancelled));
    remote_->drop_down();
  }

  Task<Result<Bytes>> peek() override {
    if (aborted_) co_return fail(Code::cancelled, "aborted by this side");
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
    if (at_ == read_.size) {
      read_ = {};
      at_ = 0;
    }
    remote_->release(remote_->down_, n);
  }

  Task<Result<MutableBytes>> prepare() override {
    if (shut_) co_return fail(Code::invalid, "writing after the stream's half was shut");
    auto room = co_await remote_->wait_room(remote_->up_);
    if (!room) co_return std::unexpected(room.error());
    if (!write_.bytes) write_.bytes = std::make_unique_for_overwrite<std::byte[]>(RemoteFlow::kBuffer);
    co_return MutableBytes(write_.bytes.get(), RemoteFlow::kBuffer);
  }
  void commit(std::size_t n) override {
    RemoteFlow::Chunk chunk = std::exchange(write_, {});
    if (n == 0) return;
    chunk.size = n;
    remote_->push(remote_->up_, std::move(chunk));
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
    if (shut_) return {};
    if (auto failed = remote_->failure_of(remote_->up_)) return std::unexpected(failed->error);
    shut_ = true;
    remote_->finish(remote_->up_);
    return {};
  }
  void abort(std::uint64_t code) override {
    aborted_ = true;
    remote_->break_off(Error(Code::cancelled, "aborted by this side"), code);
  }

  std::optional<std::uint64_t> peer_code() const override {
    for (const RemoteFlow::Direction* d : {&remote_->down_, &remote_->up_})
      if (auto failed = remote_->failure_of(*d); failed && !failed->by_user && failed->code) return failed->code;
    return std::nullopt;
  }
  // The session's loop classifies by what it sends itself.
  void set_priority(net::Priority) override {}
  std::uint64_t id() const override { return 0; }
  Task<Error> broken() override {
    for (;;) {
      for (const RemoteFlow::Direction* d : {&remote_->down_, &remote_->up_})
        if (auto failed = remote_->failure_of(*d)) co_return failed->error;
      co_await remote_->broken_.wait();
    }
  }
  bool has_room() const override {
    std::lock_guard lock(remote_->up_.mutex);
    return !shut_ && !remote_->up_.failure && !remote_->up_.unread && remote_->up_.outstanding < RemoteFlow::kCredit;
  }
  std::size_t unsent() const override {
    std::lock_guard lock(remote_->up_.mutex);
    return remote_->up_.outstanding;
  }
  std::size_t undelivered() const override { return remote_->undelivered(); }

 private:
  std::shared_ptr<RemoteFlow> remote_;
  RemoteFlow::Chunk read_, write_;
  std::size_t at_ = 0;
  bool ended_ = false, shut_ = false, aborted_ = false;
};

std::unique_ptr<net::MuxStream> RemoteFlow::handle() { return std::make_unique<RemoteStream>(shared_from_this()); }

// ---- the session's side

class RemoteFlow::Carrier {
 public:
  Carrier(RemoteFlow& remote, Flow& flow) : remote_(remote), flow_(flow), tasks_(flow.loop()) {}
  // However this ends, the user's side hears of what it has not heard of yet.
  ~Carrier() {
    const Error gone(Code::closed, "the session is over");
    if (!down_done_) remote_.fail(remote_.down_, {gone, std::nullopt});
    if (!up_done_) remote_.fail(remote_.up_, {gone, std::nullopt});
    remote_.tell_undelivered(0);  // nobody knows any more
  }

  Task<void> run() {
    tasks_.spawn(up());
    tasks_.spawn(down());
    tasks_.spawn(watch_flow());
    tasks_.spawn(watch_user());
    tasks_.spawn(answer());
    if (flow_.has_datagrams()) tasks_.spawn(RemoteDatagrams::carry(remote_.datagrams_, flow_));
    co_await tasks_.done();
  }

 private:
  Failure failure(const Error& error) const {
    const FlowCode code = flow_.peer_code();
    return {error, code == FlowCode::link_down ? std::nullopt : std::optional(static_cast<std::uint64_t>(code))};
  }
  void end_up() {
    up_done_ = true;
    if (down_done_) tasks_.cancel();
    remote_.left_.wake_all();
  }
  void end_down() {
    down_done_ = true;
    if (up_done_) tasks_.cancel();
  }
  void stopped(const Error& error) {
    remote_.fail(remote_.up_, failure(error));
    end_up();
  }

  Task<void> up() {
    for (;;) {
      auto chunk = co_await remote_.pop(remote_.up_);
      if (!chunk) co_return;
      if (chunk->size == 0) {
        auto shut = flow_.shut();
        shut ? end_up() : stopped(shut.error());
        co_return;
      }
      const std::size_t size = chunk->size;
      auto written = co_await flow_.write(Bytes(chunk->bytes.get(), size));
      if (!written) {
        stopped(written.error());
        co_return;
      }
      remote_.tell_undelivered(flow_.undelivered());
      remote_.release(remote_.up_, size);
    }
  }

  Task<void> down() {
    for (;;) {
      auto bytes = co_await flow_.peek();
      if (!bytes) {
        // Who breaks off ends both halves.
        remote_.fail(remote_.down_, failure(bytes.error()));
        remote_.fail(remote_.up_, failure(bytes.error()));
        up_done_ = down_done_ = true;
        tasks_.cancel();
        co_return;
      }
      if (bytes->empty()) break;
      auto room = co_await remote_.wait_room(remote_.down_);
      if (!room) co_return;  // nobody reads any more; the flow ends with its handle
      const std::size_t n = std::min(bytes->size(), kBuffer);
      Chunk chunk{std::make_unique_for_overwrite<std::byte[]>(n), n};
      std::copy_n(bytes->begin(), n, chunk.bytes.get());
      flow_.consume(n);
      remote_.push(remote_.down_, std::move(chunk));
    }
    remote_.finish(remote_.down_);
    end_down();
  }

  // What the other two do not see while they wait for the user: the peer wants no more, or the session is over.
  Task<void> watch_flow() {
    Error why = co_await flow_.broken();
    stopped(why);
  }

  Task<void> answer() {
    for (;;) {
      co_await remote_.asked_.wait();
      remote_.tell_undelivered(flow_.undelivered());
    }
  }

  // And what they do not see while they wait for the flow.
  Task<void> watch_user() {
    for (;;) {
      std::optional<std::uint64_t> broken_off;
      {
        std::lock_guard lock(remote_.up_.mutex);
        broken_off = remote_.broken_off_;
      }
      if (broken_off) {
        flow_.abort(wire::flow_code(*broken_off));
        break;
      }
      if (up_done_) {
        std::lock_guard lock(remote_.down_.mutex);
        if (remote_.down_.unread) break;
      }
      co_await remote_.left_.wait();
    }
    tasks_.cancel();
  }

  RemoteFlow& remote_;
  Flow& flow_;
  bool up_done_ = false, down_done_ = false;  // the user knows
  Scope tasks_;
};

Task<void> RemoteFlow::carry(std::shared_ptr<RemoteFlow> remote, std::unique_ptr<Flow> flow) {
  Carrier carrier(*remote, *flow);
  auto running = carrier.run();
  co_await running;
}

}  // namespace fairlead::link
