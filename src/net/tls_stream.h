// tls_stream.h: the Stream of a TLS session, and the handshake before it. For tls_*.cpp only; see tls.h.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "net/tls_session.h"
#include "runtime/scope.h"

namespace fairlead::net {

class TlsStream final : public Stream {
 public:
  TlsStream(Loop& loop, std::unique_ptr<TlsSession> session) : loop_(loop), session_(std::move(session)), flushed_(loop), flushing_(loop) {}

  Task<Result<std::size_t>> read(MutableBytes into) override;
  std::optional<Result<std::size_t>> try_read(MutableBytes into) override;
  Task<void> readable() override;
  Task<Result<void>> write(Bytes bytes) override;
  Result<std::size_t> try_write(Bytes bytes) override;
  Task<void> writable() override;
  Result<void> shut() override;
  void end_was_told() override;
  void reset() override;
  std::size_t undelivered() const override;
  const SocketAddress& peer() const override { return transport().peer(); }
  const SocketAddress& local() const override { return transport().local(); }

 private:
  Stream& transport() const { return session_->transport(); }
  bool must_yield();
  // Whether try_read() would tell something.
  bool has_news();
  Result<void> may_write() const;
  Result<void> seal(Bytes bytes);
  // Sends what is queued as far as the transport takes it, and the rest as soon as it does; shuts the transport behind a close_notify.
  Result<void> flush();
  Result<void> flush_now();
  Task<void> flush_rest();

  Loop& loop_;
  std::unique_ptr<TlsSession> session_;
  std::optional<Error> failure_;
  bool was_reset_ = false;  // by us
  bool got_end_ = false;
  bool sent_end_ = false;  // close_notify is queued or sent
  bool transport_shut_ = false;
  bool rest_is_flushed_ = false;  // by flush_rest(), the only one who waits for the transport to be writable
  int calls_without_wait_ = 0;
  WaitQueue flushed_;
  Scope flushing_;
};

// `subject`: of messages, see tls_error.h. When it fails the peer has been told by an alert, as far as it listens.
Task<Result<void>> shake_hands(Loop& loop, TlsSession& session, std::string subject);
// Tells the peer of a failure and waits a little until it has heard: a reset could overtake the alert.
Task<void> say_farewell(Loop& loop, TlsSession& session, int code);

}  // namespace fairlead::net
