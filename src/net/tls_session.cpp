#include "net/tls_session.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "pki/gnutls_raii.h"

namespace fairlead::net {
namespace {

// GnuTLS asks for a record's head of 5 bytes and then for its body. This much is read at once: small records cost one system call,
// and of large ones all but this much goes straight to where GnuTLS decrypts it.
constexpr std::size_t kReadAhead = 4_KiB;
constexpr std::size_t kRecord = 16_KiB;         // plain bytes of one record: RFC 8446, 5.1
constexpr std::size_t kRecordOverhead = 64;     // of a record: head, tag, in TLS 1.2 a nonce
constexpr std::uint16_t kMaxIdleRecords = 100;  // tickets, key updates, empty records: a peer that sends only those wants our CPU

gnutls_alert_description_t alert_of(unsigned distrust) {
  if ((distrust & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED)) != 0) return GNUTLS_A_CERTIFICATE_EXPIRED;
  if ((distrust & GNUTLS_CERT_REVOKED) != 0) return GNUTLS_A_CERTIFICATE_REVOKED;
  if ((distrust & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0) return GNUTLS_A_UNKNOWN_CA;
  return GNUTLS_A_BAD_CERTIFICATE;
}

int readable_now(void*, unsigned) { return 1; }  // pull() tells when it is not

}  // namespace

TlsSession::TlsSession(Side side, std::unique_ptr<Stream> transport, std::shared_ptr<const void> keep)
    : side_(side), transport_(std::move(transport)), keep_(std::move(keep)) {
  const unsigned role = side == Side::server ? GNUTLS_SERVER : GNUTLS_CLIENT;
  pki::must(gnutls_init(&native_, role | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), "make a TLS session");
  gnutls_handshake_set_timeout(native_, 0);  // the caller's deadline counts
  gnutls_session_set_ptr(native_, this);
  gnutls_transport_set_ptr(native_, this);
  gnutls_transport_set_pull_function(native_, &pull);
  gnutls_transport_set_push_function(native_, &push);
  gnutls_transport_set_pull_timeout_function(native_, &readable_now);
}

TlsSession& TlsSession::of(gnutls_session_int* native) { return *static_cast<TlsSession*>(gnutls_session_get_ptr(native)); }

TlsSession::~TlsSession() {
  if (record_ != nullptr) gnutls_packet_deinit(record_);
  gnutls_deinit(native_);
}

std::optional<Result<std::size_t>> TlsSession::take(MutableBytes into) {
  if (in_at_ == in_end_ && into.size() >= kReadAhead) return transport_->try_read(into);
  if (in_at_ == in_end_) {
    if (!in_) in_ = std::make_unique_for_overwrite<std::byte[]>(kReadAhead);
    in_at_ = in_end_ = 0;
    auto n = transport_->try_read({in_.get(), kReadAhead});
    if (!n || !*n || **n == 0) return n;
    in_end_ = static_cast<std::uint16_t>(**n);
  }
  const std::size_t n = std::min<std::size_t>(into.size(), in_end_ - in_at_);
  std::memcpy(into.data(), in_.get() + in_at_, n);
  in_at_ = static_cast<std::uint16_t>(in_at_ + n);
  return n;
}

ssize_t TlsSession::pull(void* self, void* into, std::size_t size) {
  TlsSession& session = *static_cast<TlsSession*>(self);
  auto taken = session.take({static_cast<std::byte*>(into), size});
  session.starved_ = !taken;
  if (taken && *taken) {
    session.ended_ = **taken == 0;
    const std::size_t more = std::min(**taken, session.greeting_.size() - session.greeting_size_);
    std::memcpy(session.greeting_.data() + session.greeting_size_, into, more);
    session.greeting_size_ = static_cast<std::uint8_t>(session.greeting_size_ + more);
    return static_cast<ssize_t>(**taken);
  }
  if (taken) session.transport_failure_ = taken->error();
  gnutls_transport_set_errno(session.native_, taken ? EIO : EAGAIN);
  return -1;
}

ssize_t TlsSession::push(void* self, const void* from, std::size_t size) {
  TlsSession& session = *static_cast<TlsSession*>(self);
  const std::byte* bytes = static_cast<const std::byte*>(from);
  session.out_.insert(session.out_.end(), bytes, bytes + size);
  return static_cast<ssize_t>(size);
}

int TlsSession::fault(int code) const {
  return ended_ && code < 0 && code != GNUTLS_E_FATAL_ALERT_RECEIVED ? GNUTLS_E_PREMATURE_TERMINATION : code;
}

void TlsSession::release_input() {
  if (in_at_ == in_end_) in_.reset();
}

std::optional<int> TlsSession::handshake() {
  for (;;) {
    starved_ = false;
    const int rc = gnutls_handshake(native_);
    if (rc == GNUTLS_E_SUCCESS || gnutls_error_is_fatal(rc) != 0) {
      release_input();
      return fault(rc);
    }
    if (starved_) {
      release_input();
      return std::nullopt;
    }
    if (++idle_records_ == kMaxIdleRecords) return GNUTLS_E_TOO_MANY_HANDSHAKE_PACKETS;
  }
}

TlsSession::Got TlsSession::receive() {
  if (!plain_.empty()) return Got::bytes;
  for (;;) {
    starved_ = false;
    const ssize_t rc = gnutls_record_recv_packet(native_, &record_);
    if (rc > 0) {
      gnutls_datum_t bytes;
      gnutls_packet_get(record_, &bytes, nullptr);
      plain_ = from_u8(bytes.data, bytes.size);
      idle_records_ = 0;
    }
    const bool over = rc >= 0 || gnutls_error_is_fatal(static_cast<int>(rc)) != 0;
    if (over || starved_) release_input();
    if (rc > 0) return Got::bytes;
    if (rc == 0) return Got::end;
    if (!over && rc == GNUTLS_E_REHANDSHAKE) {  // TLS 1.2; nobody needs it
      failure_ = GNUTLS_E_UNEXPECTED_HANDSHAKE_PACKET;
      return Got::failure;
    }
    if (!over && starved_) return Got::nothing;
    if (over || ++idle_records_ == kMaxIdleRecords) {
      failure_ = over ? fault(static_cast<int>(rc)) : GNUTLS_E_TOO_MANY_EMPTY_PACKETS;
      return Got::failure;
    }
  }
}

void TlsSession::consume(std::size_t n) {
  plain_ = plain_.subspan(n);
  if (!plain_.empty()) return;
  gnutls_packet_deinit(record_);
  record_ = nullptr;
}

int TlsSession::seal(Bytes bytes) {
  out_.reserve(out_.size() + bytes.size() + (bytes.size() / kRecord + 1) * kRecordOverhead);
  while (!bytes.empty()) {
    const ssize_t n = gnutls_record_send(native_, bytes.data(), bytes.size());
    if (n < 0 && gnutls_error_is_fatal(static_cast<int>(n)) != 0) return static_cast<int>(n);
    if (n > 0) bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

void TlsSession::seal_end() { std::ignore = gnutls_bye(native_, GNUTLS_SHUT_WR); }
void TlsSession::seal_alert(int code) {
  if (code == GNUTLS_E_CERTIFICATE_ERROR)
    std::ignore = gnutls_alert_send(native_, GNUTLS_AL_FATAL, alert_of(distrust_));
  else
    std::ignore = gnutls_alert_send_appropriate(native_, code);
}

Result<void> TlsSession::flush() {
  while (!flushed()) {
    TRY_ASSIGN(const std::size_t n, transport_->try_write(Bytes(out_).subspan(out_at_)));
    if (n == 0) return {};
    out_at_ += n;
  }
  out_ = {};
  out_at_ = 0;
  return {};
}

}  // namespace fairlead::net
