// endpoint.h: where connections of HTTP/2 over TLS over TCP come from on one loop: those accepted at a port, and those dialled.
//
// It owns them until they are over and the peer was told. An Endpoint belongs to one loop. Destroying it closes its connections with code 0;
// their handles may outlive it, and tell so. Nobody may be waiting in accept() or connect() then.
#pragma once
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "h2/connection.h"
#include "net/network.h"

namespace fairlead::h2 {

struct EndpointSettings {
  EngineSettings engine;
  std::size_t half_open = 256;        // handshakes at a time; more connections are closed at once
  std::size_t accept_backlog = 1024;  // handshaken and not yet accepted by the owner; more are closed
  Duration handshake_timeout = 10s;
};

class Endpoint {
 public:
  struct Server {
    std::shared_ptr<const pki::Credentials> credentials;
    std::vector<std::string> alpns;  // QUIC's names
  };
  struct ClientOptions {
    std::shared_ptr<const pki::Credentials> credentials;
    std::string alpn;         // QUIC's name
    std::string server_name;  // SNI; empty for an address
  };

  Endpoint(Loop& loop, net::Network& network, EndpointSettings settings, net::MemoryBudget& process, std::size_t session_memory);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // From now on strangers may connect there. Called again to change the credentials of new connections; the listener is the first one's.
  void serve(Server server, std::unique_ptr<net::Listener> listener = nullptr);
  // As quic::Endpoint's: the next connection whose handshake is done. The peer's certificate has NOT been checked.
  Task<Result<std::unique_ptr<net::MuxConnection>>> accept();
  // The handshake over `transport`, which has been connected. The peer's certificate has NOT been checked.
  Task<Result<std::unique_ptr<net::MuxConnection>>> connect(std::unique_ptr<net::Stream> transport, ClientOptions options);
  // No new connections; existing ones go on.
  void stop_serving();
  std::size_t connections() const { return live_.size(); }

 private:
  Task<void> take_connections();
  Task<void> shake_hands(std::unique_ptr<net::Incoming> incoming);
  Task<void> keep(std::shared_ptr<LiveConnection> live);
  std::shared_ptr<LiveConnection> start(Role role, net::TlsLink link);

  Loop& loop_;
  net::Network& network_;
  EndpointSettings settings_;
  net::MemoryBudget& process_;
  std::size_t session_memory_;
  Server server_;
  std::unique_ptr<net::Listener> listener_;
  std::size_t shaking_ = 0;
  bool stopped_ = false;
  std::deque<std::unique_ptr<net::MuxConnection>> accepted_;
  WaitQueue accepted_queue_;
  std::set<std::shared_ptr<LiveConnection>> live_;
  Scope serving_;  // stop_serving() ends it
  Scope tasks_;
};

}  // namespace fairlead::h2
