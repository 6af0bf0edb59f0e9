// cloud_link.h: the cloud's side of the link on one loop: takes connections, checks who dials, holds their sessions.
//
// Invariant: nothing is taken from a connection before its certificate was checked (resumed ones too) and its Hello was valid and
// named the certificate's node. Sessions of other loops are reached through `siblings`, by posting to their loop.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "link/nodes.h"
#include "link/peers.h"
#include "link/session.h"
#include "link/totals.h"
#include "link/trust.h"
#include "quic/endpoint.h"

namespace fairlead::h2 {
class Endpoint;
}

namespace fairlead::link {

// One connected session, for people.
struct SessionStatus {
  NodeName node;
  SessionState state;
  WallTime since;
  std::optional<WallTime> silent_since;  // while suspect
  net::SocketAddress address;
  std::string transport;
  net::MuxStats carrier;
  FlowTally flows;
  wire::Labels labels;
  std::string software;
  LoopIndex loop;
};

struct CloudCounters {
  std::uint64_t accepted = 0;          // sessions
  std::uint64_t refused_identity = 0;  // by certificate
  std::uint64_t refused_hello = 0;
  std::uint64_t superseded = 0;
};

class CloudLink final : public Peers {
 public:
  static constexpr std::string_view kAlpn = "fairlead/1";

  struct Options {
    SessionOptions session;
    std::string software;
    std::size_t greeting = 1024;  // connections between handshake and Hello; the next ones wait in the endpoint's backlog
    // Takes a connection that is not for sessions, if it is one (by its ALPN); nothing was checked about its peer. Null: all are.
    std::function<bool(std::unique_ptr<net::MuxConnection>&)> divert;
    // Told of each session that begins. Null: nobody.
    std::function<void(const pki::Identity& peer, const net::SocketAddress& from)> connected;
  };

  CloudLink(Loop& loop, LoopIndex index, quic::Endpoint& endpoint, Nodes& nodes, const Trust& trust, const EgressTable& egresses,
            Options options);
  ~CloudLink() override;

  // All CloudLinks of the process with their loops, by loop index; set before run(), outlives this.
  struct Sibling {
    Loop* loop;
    CloudLink* link;
  };
  void set_siblings(std::span<const Sibling> siblings) { siblings_ = siblings; }

  // Takes connections until destroyed.
  Task<void> run();
  // The same of those over TCP. `endpoint` outlives this.
  Task<void> run_fallback(h2::Endpoint& endpoint);
  // No new sessions; tells every edge and gives flows `limit` to end.
  Task<void> drain(Duration limit, std::string reason);

  std::shared_ptr<Session> find(const NodeName& node) const;  // on this loop only
  std::vector<SessionStatus> status() const;
  const CloudCounters& counters() const { return counters_; }
  LinkTotals totals() const;
  // After the revocation list or the clock has changed: ends the sessions that are no longer to be here.
  void check_sessions();
  // After the own certificate or the CAs have changed: the edges are to ask for them.
  void tell_trust_changed();
  // The node has a later certificate of the same key: its sessions, wherever they are, live as long as that one.
  void renewed(const NodeName& node, const pki::Certificate& certificate);
  void end(SessionId session, wire::SessionCode code, std::string reason);

  // Peers
  std::optional<LoopIndex> home(const Destination& to) const override;
  Task<FlowResult<std::unique_ptr<Flow>>> open(Destination to, wire::FlowOpen open) override;
  LoopIndex loop_index() const override { return index_; }

 private:
  Task<void> greet(std::unique_ptr<net::MuxConnection> carrier);
  Task<void> serve(std::unique_ptr<net::MuxConnection> carrier, std::unique_ptr<net::MuxStream> control, pki::Identity peer,
                   wire::Hello hello);
  void refuse_identity(net::MuxConnection& carrier, const pki::Refusal& refusal);
  Task<void> refuse_hello(net::MuxConnection& carrier, net::MuxStream& control, wire::SessionCode code, std::string message);
  // Whether a session is the one of its node that takes new flows.
  void step(const NodeName& node, SessionId session, bool forward);
  void step_at(const Nodes::Place& place, const NodeName& node, bool forward);
  void lengthen(const NodeName& node, const pki::Certificate& certificate);
  void end_at(LoopIndex loop, SessionId session, wire::SessionCode code, std::string reason);
  Task<FlowResult<std::unique_ptr<Flow>>> open_remote(LoopIndex home, NodeName node, wire::FlowOpen open);

  Loop& loop_;
  LoopIndex index_;
  quic::Endpoint& endpoint_;
  h2::Endpoint* fallback_ = nullptr;
  Nodes& nodes_;
  const Trust& trust_;
  const EgressTable& egresses_;
  Options options_;
  std::span<const Sibling> siblings_;
  std::unordered_map<SessionId, std::shared_ptr<Session>> sessions_;  // all that run, those that were superseded and are ending too
  std::unordered_map<NodeName, SessionId> current_;
  std::unordered_map<NodeName, SessionId> beside_;  // the latest one that has stepped back
  CloudCounters counters_;
  LinkTotals ended_;  // of sessions that are over
  bool draining_ = false;
  std::size_t greeting_ = 0;
  WaitQueue greeted_;
  Scope tasks_;
};

}  // namespace fairlead::link
