#include "quic/connection.h"

#include "quic/live_connection.h"

namespace fairlead::quic {

Connection::~Connection() { live_->close(0, ""); }

Task<Result<std::unique_ptr<net::MuxStream>>> Connection::open(net::Priority priority, TimePoint deadline) {
  return live_->open(live_, priority, deadline);
}
Task<Result<std::unique_ptr<net::MuxStream>>> Connection::accept() { return live_->accept_stream(live_); }

bool Connection::send_datagram(Bytes payload, net::Priority priority, std::uint64_t sender) {
  Engine* engine = live_->engine();
  if (engine == nullptr) return false;
  const bool kept_all = engine->send_datagram(payload, priority, sender);
  live_->touch();
  return kept_all;
}
std::size_t Connection::max_datagram() const { return live_->engine() != nullptr ? live_->engine()->max_datagram() : 0; }
Task<Result<std::vector<std::byte>>> Connection::receive_datagram() { return live_->receive_datagram(); }

std::vector<std::vector<std::byte>> Connection::peer_chain() const { return live_->peer_chain(); }
bool Connection::resumed() const { return live_->resumed(); }
std::string_view Connection::alpn() const { return live_->alpn(); }
net::MuxStats Connection::stats() const { return live_->stats(); }
net::SocketAddress Connection::peer() const { return live_->peer(); }
net::SocketAddress Connection::local() const { return live_->local(); }
TimePoint Connection::last_heard() const { return live_->last_heard(); }

void Connection::peer_knows_copies() {
  if (live_->engine() != nullptr) live_->engine()->peer_knows_copies();
}

void Connection::ping() {
  if (live_->engine() == nullptr) return;
  live_->engine()->ping();
  live_->touch();
}

void Connection::close(std::uint64_t code, std::string reason) { live_->close(code, reason); }
void Connection::refuse(std::uint8_t tls_alert, std::string reason) { live_->refuse(tls_alert, reason); }

Task<net::MuxClose> Connection::closed() {
  co_await live_->ended();
  co_return *live_->over();
}
const std::optional<net::MuxClose>& Connection::close_state() const { return live_->over(); }

}  // namespace fairlead::quic
