#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>

#include "quic/engine_impl.h"
#include "quic/ngtcp2_path.h"

namespace fairlead::quic {
namespace {

// ngtcp2 does not tell whether what it was given held a genuine packet. Its decrypt callback has no user_data, hence a count per thread.
thread_local std::uint64_t decrypted = 0;

// Everything below runs inside C code that exceptions must not cross: noexcept.
EngineImpl& self(void* user_data) { return *static_cast<EngineImpl*>(user_data); }
StreamImpl* stream_of(void* stream_user_data) { return static_cast<StreamImpl*>(stream_user_data); }

int decrypt(std::uint8_t* into, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context, const std::uint8_t* from,
            std::size_t size, const std::uint8_t* nonce, std::size_t nonce_size, const std::uint8_t* aad, std::size_t aad_size) noexcept {
  const int rv = ngtcp2_crypto_decrypt_cb(into, aead, context, from, size, nonce, nonce_size, aad, aad_size);
  if (rv == 0) decrypted++;
  return rv;
}

int update_key(ngtcp2_conn* conn, std::uint8_t* rx_secret, std::uint8_t* tx_secret, ngtcp2_crypto_aead_ctx* rx, std::uint8_t* rx_iv,
               ngtcp2_crypto_aead_ctx* tx, std::uint8_t* tx_iv, const std::uint8_t* old_rx_secret, const std::uint8_t* old_tx_secret,
               std::size_t size, void* user) noexcept {
  self(user).counters.keys_made++;
  return ngtcp2_crypto_update_key_cb(conn, rx_secret, tx_secret, rx, rx_iv, tx, tx_iv, old_rx_secret, old_tx_secret, size, user);
}

int handshake_completed(ngtcp2_conn*, void* user) noexcept {
  self(user).handshake_completed();
  return 0;
}

int handshake_confirmed(ngtcp2_conn*, void* user) noexcept {
  self(user).confirmed = true;
  return 0;
}

int recv_crypto_data(ngtcp2_conn* conn, ngtcp2_encryption_level level, std::uint64_t offset, const std::uint8_t* data, std::size_t size,
                     void* user) noexcept {
  EngineImpl& e = self(user);
  if (e.tls != nullptr) return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, size, user);
  if (!e.server) return 0;  // another ticket: one is enough
  constexpr std::uint8_t kUnexpectedMessage = 10;
  ngtcp2_conn_set_tls_alert(conn, kUnexpectedMessage);  // RFC 9001 4.4: a client has nothing to say after the handshake
  return NGTCP2_ERR_CRYPTO;
}

int recv_stream_data(ngtcp2_conn* conn, std::uint32_t flags, std::int64_t, std::uint64_t offset, const std::uint8_t* data, std::size_t size,
                     void* user, void* stream_user) noexcept {
  // On receipt, not on reading: readers that stall hold up their own streams only.
  ngtcp2_conn_extend_max_offset(conn, size);
  const bool end = (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0;
  self(user).silence.received(!end);
  if (StreamImpl* s = stream_of(stream_user)) {
    s->delivered = offset + size;
    self(user).received(*s, offset, from_u8(data, size), end);
  }
  return 0;
}

int acked_stream_data(ngtcp2_conn*, std::int64_t, std::uint64_t offset, std::uint64_t size, void* user, void* stream_user) noexcept {
  EngineImpl& e = self(user);
  e.black_hole.progress(e.now);
  if (StreamImpl* s = stream_of(stream_user)) s->send.acknowledged(offset + size, e.memory);
  return 0;
}

int stream_open(ngtcp2_conn* conn, std::int64_t id, void* user) noexcept {
  self(user).seen.see(static_cast<std::uint64_t>(id >> 2));
  if (self(user).begin_early(id)) return 0;
  StreamImpl& s = self(user).adopt_stream(id);
  ngtcp2_conn_set_stream_user_data(conn, id, &s);
  s.tell_opened = true;
  self(user).tell(s, false, false);
  return 0;
}

int stream_close(ngtcp2_conn* conn, std::uint32_t flags, std::int64_t id, std::uint64_t code, void* user, void* stream_user) noexcept {
  EngineImpl& e = self(user);
  e.stats.packets_lost += ngtcp2_conn_get_stream_loss_count(conn, id);
  if (StreamImpl* s = stream_of(stream_user)) {
    const bool has_code = (flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) != 0;
    e.closed_by_quic(*s, has_code ? std::optional(code) : std::nullopt);
  }
  return 0;
}

int stream_reset(ngtcp2_conn*, std::int64_t, std::uint64_t, std::uint64_t code, void* user, void* stream_user) noexcept {
  EngineImpl& e = self(user);
  if (StreamImpl* s = stream_of(stream_user)) {
    s->peer_reset = code;  // what was not read stays (RFC 9000 3.2 allows both): the peer waited until we had it
    // A peer that breaks off stops both halves, and ngtcp2 1.11 does not tell of STOP_SENDING. But a reset may only answer our own.
    if (!s->stop_reading && !(s->fin_sent && s->send.all_acknowledged())) {
      s->peer_stopped = code;
      e.shut(*s, code, false, true);
    }
    e.tell(*s, true, true);
  }
  return 0;
}

int extend_max_stream_data(ngtcp2_conn*, std::int64_t, std::uint64_t, void* user, void* stream_user) noexcept {
  if (StreamImpl* s = stream_of(stream_user)) {
    s->blocked = false;
    self(user).update_ready(*s);
  }
  return 0;
}

int extend_max_streams(ngtcp2_conn*, std::uint64_t, void* user) noexcept {
  self(user).tell_streams_allowed = true;
  return 0;
}

int recv_datagram(ngtcp2_conn*, std::uint32_t, const std::uint8_t* data, std::size_t size, void* user) noexcept {
  if (size == 0) return 0;  // a ping
  if (StreamCopy::is_copy(from_u8(data, size))) {
    self(user).receive_copy(from_u8(data, size));
    return 0;
  }
  self(user).silence.received(true);
  self(user).events.on_datagram(from_u8(data, size));
  return 0;
}

// Of no use to an attacker: the library asks for it outside of cryptography only.
void random(std::uint8_t* into, std::size_t size, const ngtcp2_rand_ctx* context) noexcept {
  Random& chance = self(context->native_handle).chance;
  std::generate_n(into, size, [&] { return static_cast<std::uint8_t>(chance.next()); });
}

int get_new_connection_id(ngtcp2_conn*, ngtcp2_cid* cid, std::uint8_t* token, std::size_t size, void* user) noexcept {
  EngineImpl& e = self(user);
  const ConnectionId id = e.cids.next();
  if (id.size != size) return NGTCP2_ERR_CALLBACK_FAILURE;
  ngtcp2_cid_init(cid, id.bytes.data(), id.size);
  const StatelessResetToken reset = e.cids.reset_token(id);
  std::copy(reset.begin(), reset.end(), token);
  e.events.on_cid_added(id);
  return 0;
}

int remove_connection_id(ngtcp2_conn*, const ngtcp2_cid* cid, void* user) noexcept {
  self(user).events.on_cid_removed(ConnectionId::from(cid->data, cid->datalen));
  return 0;
}

int dcid_status(ngtcp2_conn*, ngtcp2_connection_id_status_type type, std::uint64_t, const ngtcp2_cid*, const std::uint8_t* token,
                void* user) noexcept {
  if (token == nullptr) return 0;
  StatelessResetToken reset;
  std::copy_n(token, reset.size(), reset.begin());
  self(user).events.on_reset_token(reset, type == NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE);
  return 0;
}

int path_validation(ngtcp2_conn*, std::uint32_t flags, const ngtcp2_path* path, const ngtcp2_path*, ngtcp2_path_validation_result result,
                    void* user) noexcept {
  EngineImpl& e = self(user);
  e.path_may_have_changed = true;
  if (result != NGTCP2_PATH_VALIDATION_RESULT_ABORTED) e.validating = false;
  if (result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS) e.unproved.proved(from_ngtcp2(path->remote));
  if (e.server && (flags & NGTCP2_PATH_VALIDATION_FLAG_NEW_TOKEN) != 0 && result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS)
    e.submit_address_token(path->remote);
  return 0;
}

int recv_new_token(ngtcp2_conn*, const std::uint8_t* token, std::size_t size, void* user) noexcept {
  EngineImpl& e = self(user);
  const Bytes bytes = from_u8(token, size);
  e.resumption.address_token.assign(bytes.begin(), bytes.end());
  if (!e.resumption.ticket.empty()) e.tell_resumption = true;
  return 0;
}

int recv_stateless_reset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user) noexcept {
  self(user).reset_received = true;
  return 0;
}

}  // namespace

std::uint64_t packets_decrypted() { return decrypted; }

ngtcp2_callbacks engine_callbacks(bool server) {
  ngtcp2_callbacks t{};
  if (server) {
    t.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  } else {
    t.client_initial = ngtcp2_crypto_client_initial_cb;
    t.recv_retry = ngtcp2_crypto_recv_retry_cb;
    t.recv_new_token = recv_new_token;
  }
  t.recv_crypto_data = recv_crypto_data;
  t.encrypt = ngtcp2_crypto_encrypt_cb;
  t.decrypt = decrypt;
  t.hp_mask = ngtcp2_crypto_hp_mask_cb;
  t.update_key = update_key;
  t.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  t.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  t.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  t.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  t.handshake_completed = handshake_completed;
  t.handshake_confirmed = handshake_confirmed;
  t.recv_stream_data = recv_stream_data;
  t.acked_stream_data_offset = acked_stream_data;
  t.stream_open = stream_open;
  t.stream_close = stream_close;
  t.stream_reset = stream_reset;
  t.extend_max_stream_data = extend_max_stream_data;
  t.extend_max_local_streams_bidi = extend_max_streams;
  t.recv_datagram = recv_datagram;
  t.rand = random;
  t.get_new_connection_id = get_new_connection_id;
  t.remove_connection_id = remove_connection_id;
  t.dcid_status = dcid_status;
  t.path_validation = path_validation;
  t.recv_stateless_reset = recv_stateless_reset;
  return t;
}

}  // namespace fairlead::quic
