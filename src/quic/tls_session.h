// tls_session.h: the GnuTLS side of one QUIC handshake (RFC 9001 4): TLS 1.3, both certificates, ALPN, session tickets.
//
// Nothing here judges the peer's certificate: its chain is handed up after the handshake, resumed ones too (pki/identity.h). The
// session is needed for TLS messages only, so it is dropped when the last of them was sent or received; that saves 10 KiB a connection.
#pragma once
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "pki/credentials.h"

namespace fairlead::quic {

class TlsSession {
 public:
  // `conn` outlives the session.
  static Result<std::unique_ptr<TlsSession>> client(std::shared_ptr<const pki::Credentials> credentials, const std::string& alpn,
                                                    const std::string& server_name, Bytes ticket, ngtcp2_conn* conn);
  static Result<std::unique_ptr<TlsSession>> server(std::shared_ptr<const pki::Credentials> credentials,
                                                    const std::vector<std::string>& alpns, Bytes ticket_key, ngtcp2_conn* conn);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession();

  gnutls_session_t native() const { return session_; }

  // After the handshake.
  std::vector<std::vector<std::byte>> peer_chain() const;  // DER, leaf first
  std::string alpn() const;                                // empty: none was agreed on
  bool resumed() const { return gnutls_session_is_resumed(session_) != 0; }
  bool send_ticket();                     // server; false when tickets are off
  std::vector<std::byte> ticket() const;  // client: what client() takes the next time; empty until the server sent it

 private:
  TlsSession(std::shared_ptr<const pki::Credentials> credentials, ngtcp2_conn* conn);
  Result<void> start(unsigned flags, const std::vector<std::string>& alpns);

  std::shared_ptr<const pki::Credentials> credentials_;  // a rotation must not take them from under the handshake
  ngtcp2_crypto_conn_ref ref_;                           // how ngtcp2's glue finds the connection
  gnutls_session_t session_ = nullptr;
  bool tickets_ = false;
};

}  // namespace fairlead::quic
