// tls_session.h: GnuTLS over a Stream without waiting: it reads what the transport has and queues what is to be sent. For tls_*.cpp only.
//
// Invariant: a call into GnuTLS never leaves a record half sent: all it says is in the queue, in order, and flush() gives it to the
// transport as that takes it. So reading, writing and cancelling at any point cannot tear a record. A buffer exists only while it holds
// something.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/stream.h"

struct gnutls_session_int;
struct mbuffer_st;

namespace fairlead::net {

class TlsSession {
 public:
  enum class Side : std::uint8_t { server, client };
  // `keep` is what the session refers to (credentials, keys); it goes with the session. A callback of GnuTLS finds both by of().
  TlsSession(Side side, std::unique_ptr<Stream> transport, std::shared_ptr<const void> keep);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession();

  static TlsSession& of(gnutls_session_int* native);
  template <class Keep>
  const Keep& kept() const {
    return *static_cast<const Keep*>(keep_.get());
  }
  gnutls_session_int* native() const { return native_; }
  Stream& transport() const { return *transport_; }
  Side side() const { return side_; }

  // Of gnutls_certificate_status_t: what is wrong with the peer's certificate; set by who verifies it.
  void set_distrust(unsigned status) { distrust_ = status; }
  unsigned distrust() const { return distrust_; }

  // None: the transport has nothing more at the moment. Otherwise GnuTLS's code: 0 when done.
  std::optional<int> handshake();

  enum class Got : std::uint8_t { bytes, nothing, end, failure };
  // Sees to it that plain() has something, if the transport has a whole record.
  Got receive();
  Bytes plain() const { return plain_; }
  void consume(std::size_t n);
  // After Got::failure.
  int failure() const { return failure_; }

  // Encrypts all of it into the queue. GnuTLS's code.
  int seal(Bytes bytes);
  void seal_end();            // close_notify
  void seal_alert(int code);  // the alert that tells of GnuTLS's failure `code`
  Result<void> flush();
  bool flushed() const { return unflushed() == 0; }
  std::size_t unflushed() const { return out_.size() - out_at_; }

  const std::optional<Error>& transport_failure() const { return transport_failure_; }
  // The first bytes that came.
  std::string_view greeting() const { return {greeting_.data(), greeting_size_}; }

 private:
  static ssize_t pull(void* self, void* into, std::size_t size);
  static ssize_t push(void* self, const void* from, std::size_t size);
  std::optional<Result<std::size_t>> take(MutableBytes into);
  // An end within a record is an end, whatever GnuTLS makes of the piece.
  int fault(int code) const;
  void release_input();

  Side side_;
  std::unique_ptr<Stream> transport_;
  std::shared_ptr<const void> keep_;
  gnutls_session_int* native_ = nullptr;
  mbuffer_st* record_ = nullptr;  // decrypted, holds plain_
  Bytes plain_;
  std::unique_ptr<std::byte[]> in_;  // read ahead of what GnuTLS asked for
  std::uint16_t in_at_ = 0, in_end_ = 0;
  std::uint16_t idle_records_ = 0;  // in a row, without data
  bool starved_ = false;            // the transport had nothing when GnuTLS asked last
  bool ended_ = false;              // the transport's end was read
  std::uint8_t greeting_size_ = 0;
  std::array<char, 8> greeting_{};
  std::vector<std::byte> out_;
  std::size_t out_at_ = 0;
  int failure_ = 0;
  unsigned distrust_ = 0;
  std::optional<Error> transport_failure_;
};

}  // namespace fairlead::net
