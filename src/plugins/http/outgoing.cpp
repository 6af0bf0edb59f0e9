#include "plugins/http/outgoing.h"

namespace fairlead::http_plugin {

Result<std::size_t> Outgoing::push(Bytes bytes) {
  if (failure_) return fail(*failure_);
  auto accepted = stream_.try_write(bytes);
  if (accepted)
    left_ += *accepted;
  else
    failure_ = accepted.error();
  return accepted;
}

Result<void> Outgoing::push_buffer() {
  if (failure_) return fail(*failure_);
  while (!buffer_.empty()) {
    TRY_ASSIGN(const std::size_t n, push(as_bytes(buffer_)));
    if (n == 0) break;
    buffer_.erase(0, n);
  }
  return {};
}

Task<void> Outgoing::writable() {
  if (waiting_) {
    co_await written_.wait();
    co_return;
  }
  struct Turn {
    explicit Turn(Outgoing& o) : outgoing(o) { outgoing.waiting_ = true; }
    ~Turn() {
      outgoing.waiting_ = false;
      outgoing.written_.wake_all();
    }
    Outgoing& outgoing;
  };
  const Turn turn(*this);
  co_await stream_.writable();
}

void Outgoing::flush_now() {
  if (!push_buffer() || buffer_.empty()) return;
  if (background_.size() == 0) background_.spawn(flush_in_background());
}

Task<void> Outgoing::flush_in_background() {
  auto flushed = co_await flush();
  static_cast<void>(flushed);
}

Task<Result<void>> Outgoing::flush() {
  for (;;) {
    CO_TRY(push_buffer());
    if (buffer_.empty()) co_return Result<void>{};
    co_await writable();
  }
}

Task<Result<void>> Outgoing::write(Bytes bytes) {
  for (;;) {
    CO_TRY(push_buffer());
    if (buffer_.empty()) {
      CO_TRY_ASSIGN(const std::size_t n, push(bytes));
      bytes = bytes.subspan(n);
      if (bytes.empty()) co_return Result<void>{};
      if (n > 0) continue;
    }
    co_await writable();
  }
}

}  // namespace fairlead::http_plugin
