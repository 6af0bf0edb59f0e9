// connection.h: a QUIC connection as those above see it (net::MuxConnection).
//
// A handle: what it does is in LiveConnection. Destroying it while the connection is open closes that with application code 0,
// without waiting; streams that were taken from it then end with an error.
#pragma once
#include "net/mux.h"

namespace fairlead::quic {

class LiveConnection;

class Connection final : public net::MuxConnection {
 public:
  explicit Connection(std::shared_ptr<LiveConnection> live) : live_(std::move(live)) {}
  ~Connection() override;

  Task<Result<std::unique_ptr<net::MuxStream>>> open(net::Priority priority, TimePoint deadline) override;
  Task<Result<std::unique_ptr<net::MuxStream>>> accept() override;

  bool send_datagram(Bytes payload, net::Priority priority, std::uint64_t sender) override;
  std::size_t max_datagram() const override;
  Task<Result<std::vector<std::byte>>> receive_datagram() override;
  void peer_knows_copies() override;

  std::vector<std::vector<std::byte>> peer_chain() const override;
  bool resumed() const override;
  std::string_view alpn() const override;
  net::MuxStats stats() const override;
  net::SocketAddress peer() const override;
  net::SocketAddress local() const override;
  std::string_view transport() const override { return "quic"; }
  TimePoint last_heard() const override;
  void ping() override;

  void close(std::uint64_t code, std::string reason) override;
  void refuse(std::uint8_t tls_alert, std::string reason) override;
  Task<net::MuxClose> closed() override;
  const std::optional<net::MuxClose>& close_state() const override;

 private:
  std::shared_ptr<LiveConnection> live_;  // shared with the endpoint, which still answers the peer when we are gone
};

}  // namespace fairlead::quic
