#include "net/tls_stream.h"

#include <gnutls/gnutls.h>

#include <algorithm>
#include <cstring>

#include "net/tls_error.h"
#include "runtime/timer.h"

namespace fairlead::net {
namespace {

constexpr int kCallsWithoutWait = 16;         // as SocketStream's: enough to hide a turn's cost, few enough for others' latency
constexpr std::size_t kBatch = 32_KiB;        // plain bytes encrypted before they are sent: what a writer that waits holds
constexpr Duration kFarewell = 1s;            // for the peer to hear why: a round trip of a bad link
constexpr std::size_t kMaxFarewell = 64_KiB;  // of what the peer still says

// Whether it is this side that finds fault: then the other is to hear of it.
bool is_ours(const TlsSession& session, int code) {
  return !session.transport_failure() && code != GNUTLS_E_PREMATURE_TERMINATION && code != GNUTLS_E_FATAL_ALERT_RECEIVED;
}

Task<Result<void>> flush_all(TlsSession& session) {
  for (;;) {
    CO_TRY(session.flush());
    if (session.flushed()) co_return Result<void>{};
    co_await session.transport().writable();
  }
}

Task<Result<int>> drain(TlsSession& session) {
  auto told = co_await flush_all(session);
  CO_TRY(told);
  CO_TRY(session.transport().shut());
  std::byte buffer[4_KiB];
  for (std::size_t got = 0; got < kMaxFarewell;) {
    auto n = co_await session.transport().read(buffer);
    if (!n || *n == 0) break;
    got += *n;
  }
  co_return 0;
}

}  // namespace

Task<void> say_farewell(Loop& loop, TlsSession& session, int code) {
  session.seal_alert(code);
  Task<Result<int>> heard = drain(session);
  auto ignored = co_await with_deadline<int>(loop, loop.now() + kFarewell, "farewell", std::move(heard));
  std::ignore = ignored;
}

Task<Result<void>> shake_hands(Loop& loop, TlsSession& session, std::string subject) {
  for (;;) {
    std::optional<int> code = session.handshake();
    auto sent = co_await flush_all(session);
    if (!sent && code.value_or(0) >= 0) {
      // The peer may have said why before it broke off.
      code = session.handshake();
      if (code.value_or(0) >= 0)
        co_return fail(Error::wrap(fmt::format("TLS handshake with {}", session.transport().peer()), sent.error()));
    }
    if (!code) {
      co_await session.transport().readable();
      continue;
    }
    if (*code == 0) co_return Result<void>{};
    Error why = handshake_failure(session, *code, subject);
    if (is_ours(session, *code)) co_await say_farewell(loop, session, *code);
    co_return fail(std::move(why));
  }
}

bool TlsStream::must_yield() {
  if (++calls_without_wait_ < kCallsWithoutWait) return false;
  calls_without_wait_ = 0;
  return true;
}

bool TlsStream::has_news() {
  if (was_reset_ || got_end_ || failure_) return true;
  switch (session_->receive()) {
    case TlsSession::Got::bytes: break;
    case TlsSession::Got::nothing: return false;
    case TlsSession::Got::end:
      got_end_ = true;
      transport().end_was_told();
      break;
    case TlsSession::Got::failure:
      failure_ = broken_session(*session_, session_->failure(), peer());
      if (is_ours(*session_, session_->failure())) session_->seal_alert(session_->failure());
      break;
  }
  if (!session_->flushed()) std::ignore = flush();
  return true;
}

std::optional<Result<std::size_t>> TlsStream::try_read(MutableBytes into) {
  if (!has_news()) return std::nullopt;
  if (was_reset_) return fail(Code::cancelled, "read from {}: broken off by this side", peer());
  const Bytes plain = session_->plain();
  if (plain.empty() && failure_) return fail(*failure_);
  const std::size_t n = std::min(plain.size(), into.size());
  if (n == 0) return n;
  std::memcpy(into.data(), plain.data(), n);
  session_->consume(n);
  return n;
}

Task<void> TlsStream::readable() {
  while (!has_news()) {
    calls_without_wait_ = 0;
    co_await transport().readable();
  }
}

Task<Result<std::size_t>> TlsStream::read(MutableBytes into) {
  if (must_yield()) co_await loop_.yield();
  for (;;) {
    if (std::optional<Result<std::size_t>> done = try_read(into)) co_return *std::move(done);
    calls_without_wait_ = 0;
    co_await transport().readable();
  }
}

Result<void> TlsStream::may_write() const {
  if (was_reset_) return fail(Code::cancelled, "write to {}: broken off by this side", peer());
  if (sent_end_) return fail(Code::closed, "write to {}: this half was shut", peer());
  if (failure_) return fail(*failure_);
  return {};
}

Result<void> TlsStream::seal(Bytes bytes) {
  TRY(may_write());
  const int code = session_->seal(bytes);
  if (code == 0) return {};
  failure_ = broken_session(*session_, code, peer());
  return fail(*failure_);
}

Result<void> TlsStream::flush_now() {
  TRY(session_->flush());
  if (!sent_end_ || transport_shut_ || !session_->flushed()) return {};
  transport_shut_ = true;
  return transport().shut();
}

Result<void> TlsStream::flush() {
  if (rest_is_flushed_) return {};
  TRY(flush_now());
  if (session_->flushed()) return {};
  rest_is_flushed_ = true;
  flushing_.spawn(flush_rest());
  return {};
}

Task<void> TlsStream::flush_rest() {
  for (;;) {
    co_await transport().writable();
    if (!flush_now() || session_->flushed()) break;
  }
  rest_is_flushed_ = false;
  flushed_.wake_all();
}

Task<Result<void>> TlsStream::write(Bytes bytes) {
  for (;;) {
    CO_TRY(flush());
    if (!session_->flushed()) {
      calls_without_wait_ = 0;
      co_await flushed_.wait();
      continue;
    }
    if (bytes.empty()) co_return Result<void>{};
    if (must_yield()) co_await loop_.yield();
    const std::size_t n = std::min(bytes.size(), kBatch);
    CO_TRY(seal(bytes.first(n)));
    bytes = bytes.subspan(n);
  }
}

Result<std::size_t> TlsStream::try_write(Bytes bytes) {
  TRY(may_write());
  TRY(flush());
  if (!session_->flushed()) return std::size_t{0};
  const std::size_t n = std::min(bytes.size(), kBatch);
  TRY(seal(bytes.first(n)));
  TRY(flush());
  return n;
}

Task<void> TlsStream::writable() {
  while (may_write() && flush() && !session_->flushed()) co_await flushed_.wait();
}

Result<void> TlsStream::shut() {
  if (was_reset_) return fail(Code::cancelled, "shut {}: broken off by this side", peer());
  if (failure_) return fail(*failure_);
  if (sent_end_) return {};
  sent_end_ = true;
  session_->seal_end();
  return flush();
}

void TlsStream::end_was_told() {
  got_end_ = true;
  transport().end_was_told();
}

void TlsStream::reset() {
  if (was_reset_) return;
  was_reset_ = true;
  transport().reset();  // wakes all who wait
}

std::size_t TlsStream::undelivered() const {
  if (was_reset_ || failure_) return 0;
  return (rest_is_flushed_ ? session_->unflushed() : 0) + transport().undelivered();
}

}  // namespace fairlead::net
