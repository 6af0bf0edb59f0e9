#include "h2/connection.h"

namespace fairlead::h2 {

bool Connection::send_datagram(Bytes payload, net::Priority priority, std::uint64_t sender) {
  if (live_->engine() == nullptr) return false;
  const bool kept_all = live_->engine()->send_datagram(payload, priority, sender);
  live_->touch();
  return kept_all;
}

std::string_view Connection::alpn() const {
  std::string_view name = live_->alpn();
  if (name.ends_with(kAlpnSuffix)) name.remove_suffix(kAlpnSuffix.size());
  return name;
}

void Connection::ping() {
  if (live_->engine() == nullptr) return;
  live_->engine()->ping();
  live_->touch();
}

Task<net::MuxClose> Connection::closed() {
  co_await live_->ended();
  co_return *live_->over();
}

}  // namespace fairlead::h2
