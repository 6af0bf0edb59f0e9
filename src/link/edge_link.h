// edge_link.h: the edge's side of the link: dials the cloud, says hello, holds the session, dials again when it is over.
//
// Invariant: connected means that the cloud's HelloReply has come (a client's handshake is done before the server has looked at its
// certificate). Between tries it waits a random time up to a bound that doubles to `retry_cap` (full jitter), so that a thousand
// edges do not come back in one instant; after a session that held for `retry_cap` it begins anew.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "link/edge_paths.h"
#include "link/fallback.h"
#include "link/peers.h"
#include "link/session.h"
#include "link/totals.h"
#include "link/trust.h"
#include "net/network.h"
#include "quic/endpoint.h"

namespace fairlead::link {

enum class EdgeState : std::uint8_t { dialling, connected, suspect, waiting, stopped };
std::string_view name(EdgeState state);

struct EdgeStatus {
  EdgeState state = EdgeState::dialling;
  WallTime since{};
  std::optional<WallTime> silent_since;  // while suspect
  std::string cloud;                     // "host:port" as configured
  net::SocketAddress address;            // where it was found
  std::uint64_t attempts = 0;            // since the last session
  std::string last_error;                // why the last try or session ended
  std::optional<net::MuxStats> carrier;
  std::optional<FlowTally> flows;
  std::string transport;            // that new flows take; empty while not connected
  std::string last_fallback_error;  // why the last try over TCP failed
  PathsStatus paths;
};

class EdgeLink final : public Peers {
 public:
  struct Options {
    SessionOptions session;
    net::HostPort cloud;
    NodeName node;
    wire::Labels labels;
    BootId boot;
    std::string software;
    Duration connect_timeout = 10s;
    Duration retry_first = 100ms;  // bound of the first wait; doubles
    Duration retry_cap = 5s;
    EdgePaths::Options paths;
    std::function<void()> on_trust_changed;  // the cloud's certificate or CAs have changed: ask for them
  };
  // Makes the endpoint for one try: the socket's family depends on the cloud's address.
  using MakeEndpoint = std::function<Result<std::unique_ptr<quic::Endpoint>>(const net::SocketAddress& cloud)>;

  EdgeLink(Loop& loop, net::Network& network, MakeEndpoint make_endpoint, const Trust& trust, const EgressTable& egresses, Options options);
  ~EdgeLink() override;

  // Before run(): what to do where UDP does not get through. `endpoint` outlives this.
  void set_fallback(h2::Endpoint& endpoint, FallbackOptions options);
  // Keeps a session up until destroyed or drained.
  Task<void> run();
  // Ends the session in good order and stays away.
  Task<void> drain(Duration limit, std::string reason);

  // The one that new flows take: over QUIC, unless that is missing or silent. Null while not connected.
  std::shared_ptr<Session> session() const;
  // Returns when a session has come up, or at once if there is one.
  Task<void> connected();
  EdgeStatus status() const;
  LinkTotals totals() const;
  // The cloud has shown this chain (DER, leaf first) over the session; checked as at a handshake, which it then stands for.
  Result<void> cloud_has_renewed(pki::PeerCertificateChain chain);
  void check_session();  // as CloudLink::check_sessions

  // Peers
  std::optional<LoopIndex> home(const Destination& to) const override;
  Task<FlowResult<std::unique_ptr<Flow>>> open(Destination to, wire::FlowOpen open) override;
  LoopIndex loop_index() const override { return LoopIndex(0); }

 private:
  // One try: from the name's look-up to the end of the session. Returns why it ended.
  Task<Error> attempt();
  Task<Result<std::shared_ptr<Session>>> greet(std::unique_ptr<net::MuxConnection> carrier);
  void set_state(EdgeState state);
  Duration connect_timeout() const;

  Loop& loop_;
  net::Network& network_;
  MakeEndpoint make_endpoint_;
  const Trust& trust_;
  const EgressTable& egresses_;
  Options options_;
  EdgeStatus status_;
  LinkTotals ended_;  // of sessions that are over
  bool stopped_ = false;
  int greeting_ = 0;            // carriers for which there is no session yet
  bool was_connected_ = false;  // by this try,
  Duration lasted_{};           // and for how long
  std::optional<quic::Resumption> resumption_;
  std::shared_ptr<const pki::Credentials> resumed_as_;  // what was shown when it was got: another certificate needs a handshake of its own
  std::unique_ptr<quic::Endpoint> endpoint_;
  std::shared_ptr<Session> session_;  // over QUIC
  WaitQueue changed_;
  EdgePaths paths_;  // by which the endpoint talks
  std::unique_ptr<Fallback> fallback_;
  Scope tasks_{loop_};
};

}  // namespace fairlead::link
