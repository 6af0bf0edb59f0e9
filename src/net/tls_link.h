// tls_link.h: TLS 1.3 of the link over a stream: both sides may show a certificate, and nothing here judges them.
//
// As with QUIC the peer's chain is handed up after the handshake, and pki::check_peer() decides. Sessions are not resumed: a carrier of the
// fallback is made once and lives long.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "net/stream.h"
#include "pki/credentials.h"
#include "runtime/loop.h"

namespace fairlead::net {

struct TlsLink {
  std::unique_ptr<Stream> stream;
  std::vector<std::vector<std::byte>> peer_chain;  // DER, leaf first; empty: none was shown
  std::string alpn;
};

// The handshakes. Cancelled by destruction; the caller sets a deadline.
Task<Result<TlsLink>> accept_tls_link(Loop& loop, std::unique_ptr<Stream> transport, std::shared_ptr<const pki::Credentials> credentials,
                                      std::vector<std::string> alpns);
// `server_name` is sent as SNI; empty for an address.
Task<Result<TlsLink>> connect_tls_link(Loop& loop, std::unique_ptr<Stream> transport, std::shared_ptr<const pki::Credentials> credentials,
                                       std::string alpn, std::string server_name);

}  // namespace fairlead::net
