// session.h: one edge's standing with the cloud, seen from either side. It owns its carrier, its control stream and the flows that
// the peer opened.
//
// Invariant: a Session exists only after the hello was exchanged and the peer's identity checked. It lives on one loop. After run()
// has returned every flow has failed, and open() refuses with LINK_DOWN. It is held by shared_ptr: an ingress that waits for open()
// may outlive the link's interest in it.
#pragma once
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "link/egress.h"
#include "net/mux.h"
#include "pki/identity.h"
#include "runtime/scope.h"
#include "runtime/timer.h"
#include "wire/message.h"

namespace fairlead::link {

struct SessionOptions {
  Duration hello_timeout = 10s;  // from the handshake to a valid Hello or HelloReply
  Duration open_timeout = 10s;   // for a flow without a deadline: how long open() waits for a stream, and the egress for its service
  Duration head_timeout = 10s;   // from a stream's opening to its whole FlowOpen
  Duration suspect_after = 2s;   // of silence while something is in flight
  Duration survive = 2min;       // of silence until the session is given up
  std::size_t flows = 100'000;   // of the peer at once; more are refused with OVERLOADED
};

enum class SessionState : std::uint8_t { live, suspect, draining, over };
std::string_view name(SessionState state);

// Small pieces of streams may come once more, as datagrams, ahead of the streams' own (quic/copies.h).
inline constexpr std::string_view kCopyFeature = "stream/copy";
// In an edge's Hello: the carriers that it has already go on, and this one is beside them. Without it an earlier session is ended.
inline constexpr std::string_view kBesideFeature = "session/beside";

// What this side says in its hello: what sessions can do, and the plug-ins.
std::vector<std::string> features_of(const EgressTable& egresses);

class Session {
 public:
  // `peer` is who was found at the other end; `hello` what the edge said.
  Session(Loop& loop, std::unique_ptr<net::MuxConnection> carrier, std::unique_ptr<net::MuxStream> control, pki::Identity peer,
          wire::Hello hello, std::vector<std::string> peer_features, const EgressTable& egresses, SessionOptions options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Serves until the session is over and tells how it ended. Called once.
  Task<net::MuxClose> run();

  // Opens a flow. Does not wait for the far egress: write payload at once and await Flow::reply().
  Task<FlowResult<std::unique_ptr<Flow>>> open(wire::FlowOpen open);

  // Tells the peer that no new flows are welcome, waits until the flows are over or `limit` has passed, then ends with DRAINING.
  Task<void> drain(Duration limit, std::string reason);
  // Another carrier has taken over: no new flows are opened on this one, those that are open run to their end, and then it ends.
  Task<void> retire(std::string reason);
  // Ends at once; the peer sees code and sentence.
  void end(wire::SessionCode code, std::string reason);

  // Tells an edge to ask for certificates and CAs anew.
  void tell_trust_changed();
  // The same peer has shown a later certificate over this session: checked by the caller.
  void renewed(pki::Identity peer) { peer_ = std::move(peer); }

  SessionState state() const;
  // While suspect.
  std::optional<WallTime> silent_since() const { return state() == SessionState::suspect ? silent_since_ : std::nullopt; }
  const pki::Identity& peer() const { return peer_; }
  const wire::Hello& hello() const { return hello_; }
  const wire::Labels& labels() const { return hello_.labels; }
  bool peer_has(std::string_view feature) const { return features_.contains(std::string(feature)); }
  const FlowTally& tally() const { return *tally_; }
  const FlowDatagrams::Counters& datagrams() const { return datagrams_->counters(); }
  net::MuxConnection& carrier() { return *carrier_; }
  const net::MuxConnection& carrier() const { return *carrier_; }
  WallTime since() const { return since_; }
  Loop& loop() const { return loop_; }
  // Called when the peer has changed its labels.
  std::move_only_function<void(const wire::Labels&)> on_labels;
  // Called when the peer has said that no new flows are welcome.
  std::move_only_function<void()> on_drain;
  // Called when the cloud says that its certificates or CAs have changed.
  std::move_only_function<void()> on_trust_changed;

 private:
  Task<void> read_control();
  Task<void> accept_flows();
  Task<void> serve(std::unique_ptr<net::MuxStream> stream);
  Task<void> turn_away(std::unique_ptr<net::MuxStream> stream, Refusal refusal);
  Task<void> refuse_stream(net::MuxStream& stream, Refusal refusal);
  Task<void> take_datagrams();
  Task<void> watch_silence();
  Task<void> send(std::vector<std::byte> control_frame);
  FlowId next_flow_id();

  Loop& loop_;
  std::unique_ptr<net::MuxConnection> carrier_;
  std::unique_ptr<net::MuxStream> control_;
  pki::Identity peer_;
  wire::Hello hello_;
  std::set<std::string> features_;
  const EgressTable& egresses_;
  SessionOptions options_;
  WallTime since_;
  std::shared_ptr<FlowTally> tally_ = std::make_shared<FlowTally>();
  std::shared_ptr<FlowDatagrams> datagrams_;  // shared with the flows that have some
  std::size_t serving_ = 0;                   // flows of the peer
  bool suspect_ = false;
  std::optional<WallTime> silent_since_;
  bool we_drain_ = false, peer_drains_ = false, retires_ = false;
  std::string drain_reason_;
  Scope tasks_;  // last: its tasks use everything above
};

}  // namespace fairlead::link
