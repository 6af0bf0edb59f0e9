// tls.h: TLS (1.2 and 1.3, GnuTLS) over any Stream: at listeners and towards services. Not the link's TLS, which is QUIC's.
//
// A TlsStream is a Stream: closing it in order sends close_notify, and an end of the transport without the peer's close_notify is
// Code::reset, so that a cut answer is never taken for a whole one. What is shared (TlsServer, TlsClient) is immutable and may be used
// from any thread; a TlsStream belongs to its loop.
//
// An idle connection holds 13 KiB, nearly all of it GnuTLS's; buffers exist only while there is something in them. A write that waits
// holds what it has encrypted, up to 32 KiB. A full handshake costs 0.4 ms of CPU a side (P-256), the rest is in tls_bench.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/stream.h"
#include "runtime/loop.h"

namespace fairlead::net {

// PEM texts, as read from files; the file names are for messages.
struct TlsCertificate {
  std::string chain_pem, key_pem;
  std::string chain_file, key_file;
  // SNI names that this one is for: "shop.example", "*.example" (one label or more, Gateway API). Empty: the default.
  std::vector<std::string> hosts;
};

struct TlsServerOptions {
  std::vector<TlsCertificate> certificates;  // at least one; the most specific host wins, then the default, else unrecognized_name
  enum class ClientAuth : std::uint8_t { none, optional, required } client_auth = ClientAuth::none;
  std::string client_ca_pem, client_ca_file;
  std::vector<std::string> alpn = {"http/1.1"};
};

struct TlsPeer {
  std::string server_name;  // SNI, lower case; empty: none
  std::string alpn;
  bool resumed = false;  // of an earlier session, without a signature
  // Of the client's certificate, if it gave one (it was verified): RFC 4514 subject, and SHA-256 of the DER.
  std::string subject;
  std::string fingerprint;
};

class TlsServer {
 public:
  // Code::invalid with the file and what is wrong with it: no certificate, a key that is another's, expired.
  static Result<std::shared_ptr<const TlsServer>> make(TlsServerOptions options);
  virtual ~TlsServer() = default;
  // The handshake, as server. Cancelled by destruction; the caller sets a deadline.
  virtual Task<Result<std::unique_ptr<Stream>>> accept(Loop& loop, std::unique_ptr<Stream> transport, TlsPeer& peer) const = 0;
};

class TlsClient {
 public:
  struct Options {
    std::string ca_pem;                             // empty: the system's trusted CAs
    std::string ca_file = "the Backend's CA file";  // for messages
    std::vector<std::string> alpn = {"http/1.1"};
    std::optional<TlsCertificate> certificate;  // shown to servers that ask for one
  };
  static Result<std::shared_ptr<const TlsClient>> make(Options options);
  virtual ~TlsClient() = default;
  // The handshake; the certificate must be valid for `server_name` (a DNS name or an IP address). Code::unauthenticated with the
  // reason when it is not. Sessions are resumed per server_name where the server allows it.
  virtual Task<Result<std::unique_ptr<Stream>>> connect(Loop& loop, std::unique_ptr<Stream> transport, std::string server_name) const = 0;
};

}  // namespace fairlead::net
