#include <fmt/format.h>
#include <gnutls/gnutls.h>

#include <algorithm>

#include "quic/engine_impl.h"
#include "quic/ngtcp2_path.h"

namespace fairlead::quic {
namespace {

constexpr std::size_t kMaxReason = 512;  // the frame must fit a packet of 1200 bytes beside its head
constexpr Duration kConfirmWithin = 1s;  // how long a client that closes waits for the server to be able to read why
constexpr std::uint64_t kCryptoError = 0x100;

}  // namespace

std::string transport_error_text(std::uint64_t code) {
  static constexpr const char* kNames[] = {
      "no error",           "internal error",   "connection refused",   "flow control error",     "stream limit error",
      "stream state error", "final size error", "frame encoding error", "bad parameters",         "too many connection ids",
      "protocol violation", "invalid token",    "application error",    "crypto buffer exceeded", "too frequent key update",
      "AEAD limit reached", "no viable path"};
  if (code < std::size(kNames)) return kNames[code];
  if (code >= kCryptoError && code <= kCryptoError + 0xff) {
    const char* name = gnutls_alert_get_name(static_cast<gnutls_alert_description_t>(code - kCryptoError));
    return fmt::format("TLS alert {}{}{}", code - kCryptoError, name != nullptr ? ": " : "", name != nullptr ? name : "");
  }
  return fmt::format("transport error {:#x}", code);
}

void EngineImpl::end(Phase into, net::MuxClose how) {
  if (!alive()) {
    phase = into;
    return;
  }
  phase = into;
  close_info = std::move(how);
  tell_closed = true;
  tell_handshake = tell_streams_allowed = false;
  datagrams.clear();
  copies.clear();
  for (StreamHook& hook : streams) Scheduler::idle(static_cast<StreamImpl&>(hook));
}

// ngtcp2 and what its frames point to. Received bytes stay for their readers.
void EngineImpl::forget_connection() {
  if (conn == nullptr) return;
  farewell.pto = Duration(static_cast<Duration::rep>(ngtcp2_conn_get_pto(conn)));
  ngtcp2_conn_del(conn);
  conn = nullptr;
  tls.reset();
  for (StreamHook& hook : streams) static_cast<StreamImpl&>(hook).send.fail(memory);
  more_to_write = false;
  ask_memory_at = TimePoint::max();
}

void EngineImpl::close(net::MuxClose how, const ngtcp2_ccerr& frame) {
  if (!alive()) {  // it is being closed, and now that fails, too: no more waiting
    farewell.confirm_by = now;
    return;
  }
  farewell.frame = frame;
  farewell.reason = how.reason.substr(0, kMaxReason);
  farewell.confirm_by = now + kConfirmWithin;
  end(Phase::ending, std::move(how));
}

void EngineImpl::failed(int liberr) {
  switch (liberr) {
    case NGTCP2_ERR_DRAINING: return peer_closed();
    case NGTCP2_ERR_IDLE_CLOSE:
      end(Phase::gone, {.application = false, .reason = fmt::format("nothing was heard for {}", to_text(now - heard))});
      return forget_connection();
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
      end(Phase::gone, {.application = false,
                        .reason = fmt::format("no handshake within {}: {}", to_text(settings.handshake_timeout),
                                              heard != started ? "the peer stopped answering" : "the peer did not answer")});
      return forget_connection();
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
      end(Phase::gone, {.by_peer = true, .application = false, .reason = "the peer does not speak QUIC version 1"});
      return forget_connection();
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:  // RFC 9000 8.1: the endpoint asks for a token when it wants one, before there is an engine
      end(Phase::gone, {.application = false, .reason = "the first packet did not begin a handshake"});
      return forget_connection();
    default: break;
  }
  ngtcp2_ccerr frame;
  if (liberr == NGTCP2_ERR_CRYPTO) {
    ngtcp2_ccerr_set_tls_alert(&frame, ngtcp2_conn_get_tls_alert(conn), nullptr, 0);
  } else {
    ngtcp2_ccerr_set_liberr(&frame, liberr, nullptr, 0);
  }
  std::string reason = transport_error_text(frame.error_code);
  if (liberr != NGTCP2_ERR_CRYPTO) reason += fmt::format(" ({})", ngtcp2_strerror(liberr));
  close({.code = frame.error_code, .application = false, .reason = std::move(reason)}, frame);
}

void EngineImpl::peer_closed() {
  const ngtcp2_ccerr* error = ngtcp2_conn_get_ccerr(conn);
  net::MuxClose how{.by_peer = true};
  if (reset_received) {
    how.application = false;
    how.reason = "the peer does not know this connection any more (stateless reset)";
  } else {
    how.orderly = true;
    how.code = error->error_code;
    how.application = error->type == NGTCP2_CCERR_TYPE_APPLICATION;
    how.reason = std::string(as_text(from_u8(error->reason, error->reasonlen)));
    if (how.reason.empty() && !how.application) how.reason = transport_error_text(how.code);
  }
  end(Phase::draining, std::move(how));
  forget_connection();
  farewell.end = now + 3 * farewell.pto;
}

// A client that ends before its handshake is confirmed keeps up the handshake for a moment: until the server has its Finished it
// cannot read the close, nor say so.
void EngineImpl::write_close(Engine::Emit emit) {
  if (must_wait_for_confirmation()) {
    write_packets(emit, false);
    return;
  }
  std::uint8_t packet[1500];
  PathStorage path;
  ngtcp2_pkt_info info{};
  if (!server && !confirmed && handshake_done) write_packets(emit, false);  // Finished once more, if it is due
  if (conn == nullptr) return;
  farewell.frame.reason = as_u8(as_bytes(farewell.reason));
  farewell.frame.reasonlen = farewell.reason.size();
  const ngtcp2_ssize n =
      ngtcp2_conn_write_connection_close(conn, path.get(), &info, packet, sizeof packet, &farewell.frame, to_ngtcp2(now));
  if (n <= 0) {  // nobody to tell: the peer was never heard
    phase = Phase::gone;
    return forget_connection();
  }
  const Bytes bytes = from_u8(packet, static_cast<std::size_t>(n));
  farewell.packet.assign(bytes.begin(), bytes.end());
  farewell.local = from_ngtcp2(path.get()->local);
  farewell.peer = from_ngtcp2(path.get()->remote);
  phase = Phase::answering;
  forget_connection();
  // Once more without being asked: a peer that is silent would learn of a lost close only when it speaks again.
  farewell.again_at = now + farewell.pto;
  farewell.end = now + 3 * farewell.pto;
  farewell.due = true;
  answer(emit);
}

void EngineImpl::answer(Engine::Emit emit) {
  if (!std::exchange(farewell.due, false)) return;
  stats.bytes_sent += farewell.packet.size();
  stats.packets_sent++;
  emit({.to = farewell.peer, .from = farewell.local.ip, .data = farewell.packet, .segment = farewell.packet.size()});
}

}  // namespace fairlead::quic
