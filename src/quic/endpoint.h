// endpoint.h: one UDP socket of one loop and the connections on it: datagrams in and out, ids to connections, Retry, version
// negotiation, stateless reset, limits on handshakes, strays.
//
// Invariant: packets are read in bursts, fed at once, and written once at the end of the turn; what a turn reads and writes is bounded, so
// that timers and other sockets are served, too. An Endpoint belongs to one loop. Destroying it closes its connections with code 0;
// their handles may outlive it, and tell so. Nobody may be waiting in accept() or connect() then.
//
// A stateless reset has no id that could steer it, so an endpoint that dials should have a socket of its own (`loops` is 1).
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/mux.h"
#include "net/network.h"
#include "pki/credentials.h"
#include "quic/cid_source.h"
#include "quic/engine.h"
#include "runtime/task.h"

namespace fairlead::quic {

// Named limits of what strangers can make us do.
struct EndpointLimits {
  std::size_t half_open_before_retry = 64;  // a handshake costs 1 ms of CPU: above this an address must first be proved by Retry
  std::size_t half_open = 1024;             // above this new Initials are dropped; the client tries again
  std::size_t accept_backlog = 1024;        // handshaken and not yet accepted by the owner
  std::size_t resets_per_second = 2000;     // stateless resets sent: some 10 us each, and a herd's edges each wait for one
};

struct EndpointSettings {
  EngineSettings engine;
  EndpointLimits limits;
  LoopIndex loop{0};
  std::uint16_t loops = 1;
};

// Hands a stray datagram to the loop that owns its connection id (kernel GRO can merge a burst onto one socket). From any thread.
class StrayRouter {
 public:
  virtual ~StrayRouter() = default;
  virtual void pass_on(LoopIndex to, const net::Datagram& datagram) = 0;  // copies the payload
};

class Endpoint {
 public:
  struct Server {
    std::shared_ptr<const pki::Credentials> credentials;
    std::vector<std::string> alpns;
  };
  struct ClientOptions {
    TlsOptions tls;
    const Resumption* resumption = nullptr;  // read when connect() starts
    // Called between tasks, perhaps several times: keep the last. It must not call the endpoint.
    std::function<void(const Resumption&)> on_resumption;
  };

  // `process` is the parent of each connection's memory budget; `session_memory` is the limit of one.
  Endpoint(Loop& loop, std::unique_ptr<net::DatagramSocket> socket, EndpointSettings settings, EndpointSecrets secrets,
           net::MemoryBudget& process, std::size_t session_memory, StrayRouter* strays = nullptr);
  ~Endpoint();

  // From now on strangers may connect. Called again to change the credentials of new connections.
  void serve(Server server);
  // The next connection whose handshake is done. The peer's certificate has NOT been checked: that is the owner's next step.
  // Code::closed after stop_serving(), when no more wait.
  Task<Result<std::unique_ptr<net::MuxConnection>>> accept();
  // Dials and shakes hands. The peer's certificate has NOT been checked. Code::timeout without an answer, refused when the peer takes
  // no connections, or none of this protocol or these certificates.
  Task<Result<std::unique_ptr<net::MuxConnection>>> connect(net::SocketAddress to, ClientOptions options);

  // A datagram that another loop's socket received and that is ours.
  void feed_stray(const net::Datagram& datagram);
  // No new connections, and those dialling are told so; existing ones go on.
  void stop_serving();

  // Uses another socket from now on (a new local address or port); each client connection migrates to it, as soon as its handshake is
  // confirmed. The old socket is read for some seconds more.
  void rebind(std::unique_ptr<net::DatagramSocket> socket);

  // Makes a socket with another local port. May fail: there is nothing to send from just now.
  using MakeSocket = std::function<Result<std::unique_ptr<net::DatagramSocket>>()>;
  // How a client's endpoint comes by another local port: asked when a path is silent and only a new one gets out of that (see silence.h),
  // not more often than each kRenewEvery.
  void renew_sockets_by(MakeSocket make);
  static constexpr Duration kRenewEvery = 5s;
  // The same now, for who knows that the path has changed. An error of the maker's, and nothing has changed; Code::unsupported without one.
  Result<void> renew_socket();

  const net::SocketAddress& local() const;
  std::size_t connections() const;  // dialling, shaking hands and open

  struct Counters {
    std::uint64_t retries = 0;      // addresses asked to prove themselves
    std::uint64_t resets_sent = 0;  // stateless resets
    std::uint64_t version_negotiations = 0;
    std::uint64_t dropped_half_open = 0;  // Initials above `half_open` or `accept_backlog`
    std::uint64_t strays_passed = 0;      // datagrams given to the loop that owns their id
    std::uint64_t unknown = 0;            // datagrams that belong to nobody
    std::uint64_t sockets_renewed = 0;    // because a path was silent
  };
  const Counters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Sockets of one UDP port for `networks.size()` loops, bound in order and steered by connection id (SO_ATTACH_REUSEPORT_CBPF).
// Invariant: all are bound before any is closed, and none is closed alone, for that renumbers the group.
Result<std::vector<std::unique_ptr<net::DatagramSocket>>> bind_group(std::span<net::Network* const> networks, const net::SocketAddress& at);

}  // namespace fairlead::quic
