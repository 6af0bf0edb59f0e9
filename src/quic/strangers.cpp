// Datagrams that belong to no connection. What each may cost us is limited by EndpointLimits; see endpoint_impl.h.
#include "quic/endpoint_impl.h"

namespace fairlead::quic {

void Endpoint::Impl::answer(const net::Datagram& datagram, Bytes packet) {
  if (packet.empty()) return;
  outbox_.send({.to = datagram.from, .from = datagram.to.ip, .ecn = net::Ecn::not_ect, .data = packet, .segment = packet.size()});
}

bool Endpoint::Impl::may_send_reset() {
  if (now_ - reset_second_ >= 1s) {
    reset_second_ = now_;
    resets_this_second_ = 0;
  }
  return resets_this_second_++ < settings_.limits.resets_per_second;
}

void Endpoint::Impl::meet(const net::Datagram& datagram, const stateless::Head& head) {
  switch (head.kind) {
    case stateless::Head::Kind::long_header: meet_initial(datagram); return;
    case stateless::Head::Kind::other_version:
      if (!server_) break;
      counters_.version_negotiations++;
      answer(datagram, stateless::version_negotiation(head));
      return;
    case stateless::Head::Kind::short_header: {
      counters_.unknown++;
      const ConnectionId id = ConnectionId::from(as_u8(head.dcid), head.dcid.size());
      const auto packet = stateless::reset(datagram.payload.size(), cids_.reset_token(id));
      if (packet.empty() || !may_send_reset()) return;
      counters_.resets_sent++;
      answer(datagram, packet);
      return;
    }
    case stateless::Head::Kind::version_negotiation: break;
  }
  counters_.unknown++;
}

void Endpoint::Impl::meet_initial(const net::Datagram& datagram) {
  const auto initial = stateless::read_initial(datagram.payload);
  if (!initial || (!server_ && !stopped_)) {
    counters_.unknown++;
    return;
  }
  if (!server_) {
    answer(datagram, stateless::refusal(*initial, stateless::kConnectionRefused));
    return;
  }
  // Each half-open one may come to wait in the accept queue, so both together are what its limit is for.
  if (half_open_ >= settings_.limits.half_open || half_open_ + accept_queue_size_ >= settings_.limits.accept_backlog) {
    counters_.dropped_half_open++;
    return;
  }
  const stateless::Token token = stateless::check_token(*initial, datagram.from, secrets_.token, loop_.wall_now());
  if (token.check == stateless::TokenCheck::bad_retry) {
    answer(datagram, stateless::refusal(*initial, stateless::kInvalidToken));
    return;
  }
  if (token.check == stateless::TokenCheck::none) {
    if (initial->dcid.size < stateless::kMinInitialDcid) {
      counters_.unknown++;
      return;
    }
    if (half_open_ >= settings_.limits.half_open_before_retry) {
      counters_.retries++;
      answer(datagram, stateless::retry(*initial, cids_.next(), datagram.from, secrets_.token, loop_.wall_now()));
      return;
    }
  }
  start_server(datagram, *initial, token);
}

void Endpoint::Impl::start_server(const net::Datagram& datagram, const stateless::Initial& initial, const stateless::Token& token) {
  Engine::ServerStart start{.local = datagram.to,
                            .peer = datagram.from,
                            .credentials = server_->credentials,
                            .alpns = server_->alpns,
                            .version = initial.version,
                            .dcid = initial.dcid,
                            .scid = initial.scid,
                            .original_dcid = std::nullopt,
                            .token = {},
                            .ticket_key = secrets_.ticket};
  if (token.check == stateless::TokenCheck::retried) start.original_dcid = token.original_dcid;
  if (token.check != stateless::TokenCheck::none) start.token = initial.token;
  auto connection = std::make_shared<LiveConnection>(loop_, *this, process_, session_memory_);
  // Counted first: the engine may end already while it is being made.
  half_open_++;
  open_++;
  if (!connection->accept(settings_.engine, start, cids_)) {
    half_open_--;
    open_--;
    return;
  }
  connections_.emplace(connection.get(), connection);
  connection->feed(datagram, now_);
}

}  // namespace fairlead::quic
