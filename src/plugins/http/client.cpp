#include "plugins/http/client.h"

#include <algorithm>

namespace fairlead::http_plugin {

Client::Client(std::unique_ptr<net::Stream> stream, Scope& work)
    : changed(work.loop()),
      work_(work),
      stream_(std::move(stream)),
      wanted_(work.loop()),
      written_(work.loop()),
      timer_(work.loop(), [this] { fire(); }),
      flush_hook_(*this),
      watching_(work.loop()) {
  limits_.fill(TimePoint::max());
}

void Client::watch() { watching_.spawn(wait_readable()); }

Task<void> Client::wait_readable() {
  for (;;) {
    while (readable_) co_await wanted_.wait();
    co_await stream_->readable();
    readable_ = true;
    changed.wake_all();
  }
}

std::unique_ptr<net::Incoming> Client::release() {
  if (gone_ != Gone::no || write_failed_ || waiting_to_write_) return nullptr;
  stop_watching();
  auto released = stream_->release();
  if (!released) watch();
  return released;
}

std::size_t Client::read(MutableBytes room) {
  if (!readable_ || gone_ != Gone::no) return 0;
  std::optional<Result<std::size_t>> got = stream_->try_read(room);
  if (got && (!*got || **got == 0)) {
    gone_ = *got ? Gone::end : Gone::reset;  // readable_ stays: there is nothing to wait for
    changed.wake_all();
    return 0;
  }
  // Fewer bytes than asked for: most likely that was all, and waiting tells if not.
  if (!got || **got < room.size()) {
    readable_ = false;
    wanted_.wake_all();
  }
  return got ? **got : 0;
}

std::size_t Client::push(Bytes bytes) {
  if (write_failed_) return 0;
  auto written = stream_->try_write(bytes);
  if (written) return *written;
  write_failed_ = true;
  gone_ = Gone::reset;
  changed.wake_all();
  return 0;
}

bool Client::push(std::string& bytes) {
  while (!bytes.empty()) {
    const std::size_t n = push(as_bytes(bytes));
    if (n == 0) break;
    if (n == bytes.size())
      bytes.clear();
    else
      bytes.erase(0, n);
  }
  return !write_failed_;
}

Task<void> Client::wait_writable() {
  if (waiting_to_write_) {
    co_await written_.wait();
    co_return;
  }
  struct Turn {
    explicit Turn(Client& c) : client(c) { client.waiting_to_write_ = true; }
    ~Turn() {
      client.waiting_to_write_ = false;
      client.written_.wake_all();
    }
    Client& client;
  };
  const Turn turn(*this);
  co_await stream_->writable();
}

void Client::FlushHook::run(Ready& self) {
  Client& client = static_cast<FlushHook&>(self).client;
  if (!client.desk || !client.push(client.desk->out) || client.desk->out.empty()) return;
  if (!client.waiting_to_write_) client.work_.spawn(client.flush_in_background());
}

Task<void> Client::flush_in_background() {
  auto flushed = co_await flush();
  static_cast<void>(flushed);
}

Task<Result<void>> Client::flush() {
  while (push(out()) && !out().empty()) co_await wait_writable();
  if (write_failed_) co_return fail(Code::reset, "the client is gone");
  co_return Result<void>{};
}

Task<Result<void>> Client::write(Bytes bytes) {
  for (;;) {
    if (!push(out())) co_return fail(Code::reset, "the client is gone");
    if (out().empty()) {
      bytes = bytes.subspan(push(bytes));
      if (write_failed_) co_return fail(Code::reset, "the client is gone");
      if (bytes.empty()) co_return Result<void>{};
    }
    co_await wait_writable();
  }
}

void Client::set(Limit limit, TimePoint at) {
  limits_[static_cast<std::size_t>(limit)] = at;
  // A timer that is due earlier looks what is to be done when it fires: deadlines move far more often than they pass.
  if (!timer_.armed() || timer_.at() > at) timer_.arm(at);
}

void Client::fire() {
  const TimePoint next = *std::ranges::min_element(limits_);
  if (next == TimePoint::max()) return;
  if (next <= loop().now()) {
    changed.wake_all();
    const TimePoint later = [&] {
      TimePoint first = TimePoint::max();
      for (const TimePoint at : limits_)
        if (at > loop().now()) first = std::min(first, at);
      return first;
    }();
    if (later != TimePoint::max()) timer_.arm(later);
  } else {
    timer_.arm(next);
  }
}

}  // namespace fairlead::http_plugin
