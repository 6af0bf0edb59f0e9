// connection.h: an HTTP/2 connection as those above see it (net::MuxConnection).
//
// A handle: what it does is in LiveConnection. Destroying it while the connection is open closes that with application code 0,
// without waiting; streams that were taken from it then end with an error.
#pragma once
#include "h2/live_connection.h"

namespace fairlead::h2 {

// The link's protocol over TLS over TCP, by name: QUIC's with this behind.
inline constexpr std::string_view kAlpnSuffix = "+h2";

class Connection final : public net::MuxConnection {
 public:
  explicit Connection(std::shared_ptr<LiveConnection> live) : live_(std::move(live)) {}
  ~Connection() override { live_->close(0, ""); }

  Task<Result<std::unique_ptr<net::MuxStream>>> open(net::Priority priority, TimePoint deadline) override {
    return live_->open(live_, priority, deadline);
  }
  Task<Result<std::unique_ptr<net::MuxStream>>> accept() override { return live_->accept_stream(live_); }

  bool send_datagram(Bytes payload, net::Priority priority, std::uint64_t sender) override;
  std::size_t max_datagram() const override { return live_->engine() != nullptr ? Engine::kMaxDatagram : 0; }
  Task<Result<std::vector<std::byte>>> receive_datagram() override { return live_->receive_datagram(); }

  std::vector<std::vector<std::byte>> peer_chain() const override { return live_->peer_chain(); }
  bool resumed() const override { return false; }
  std::string_view alpn() const override;
  net::MuxStats stats() const override { return live_->stats(); }
  net::SocketAddress peer() const override { return live_->peer(); }
  net::SocketAddress local() const override { return live_->local(); }
  std::string_view transport() const override { return "h2"; }
  TimePoint last_heard() const override { return live_->last_heard(); }
  void ping() override;

  void close(std::uint64_t code, std::string reason) override { live_->close(code, reason); }
  void refuse(std::uint8_t tls_alert, std::string reason) override { live_->refuse(tls_alert, reason); }
  Task<net::MuxClose> closed() override;
  const std::optional<net::MuxClose>& close_state() const override { return live_->over(); }

 private:
  std::shared_ptr<LiveConnection> live_;  // shared with the endpoint, which says what is left to say
};

}  // namespace fairlead::h2
