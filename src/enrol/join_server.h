// join_server.h: the cloud's side of `fairlead-join/1` on one loop: takes connections whose handshake is done, challenges, asks the
// registry, answers. It knows no flows, and whoever is at the other end has shown no certificate.
//
// Invariant: at most `concurrent` joins are under way, each with a deadline at every step; when all places are taken, who has waited for
// the edge's next word for longest makes room, so that silent connections keep nobody out. A source that is over its limit is refused
// before anything else happens. Each refusal has a line in the audit log; those of a flood are counted in it.
#pragma once
#include "enrol/admission.h"
#include "enrol/registry_thread.h"
#include "enrol/try_limiter.h"
#include "link/trust.h"
#include "net/mux.h"
#include "runtime/scope.h"

namespace fairlead::enrol {

class JoinServer {
 public:
  struct Options {
    std::size_t concurrent = 256;  // about 30 KiB each
    Duration step = 10s;           // for the edge's request to come: a slow link with 20 % loss needs some seconds
    Duration farewell = 5s;        // for the edge to have read the answer
  };
  using RetireKey = std::function<Result<void>(const NodeName& node, const pki::Fingerprint& key)>;

  // `retire_key` is called on the desk's thread and must outlive it.
  JoinServer(Loop& loop, const Issuer& issuer, RegistryDesk& desk, const link::Trust& trust, TryLimiter& limiter, RetireKey retire_key,
             Options options);
  JoinServer(Loop& loop, const Issuer& issuer, RegistryDesk& desk, const link::Trust& trust, TryLimiter& limiter,
             RetireKey retire_key = nullptr)
      : JoinServer(loop, issuer, desk, trust, limiter, std::move(retire_key), Options()) {}

  // For CloudLink::Options::divert: true if the connection was one for us.
  bool take(std::unique_ptr<net::MuxConnection>& connection);

  struct Counters {
    std::uint64_t joined = 0;
    std::uint64_t refused = 0;  // with an answer
    std::uint64_t limited = 0;  // too many of one source, or at once
    std::uint64_t cut = 0;      // ended by the edge or the network before there was an answer
  };
  const Counters& counters() const { return counters_; }
  std::size_t under_way() const { return tasks_.size(); }

 private:
  // One whose turn it is to speak: it may be sent away for another.
  struct Waiting : ListHook {
    explicit Waiting(net::MuxConnection& c) : connection(c) {}
    net::MuxConnection& connection;
  };
  Task<void> serve(std::unique_ptr<net::MuxConnection> connection);
  Task<Result<JoinRequest>> ask(net::MuxConnection& connection, std::unique_ptr<net::MuxStream>& stream, Nonce nonce);
  bool make_room();
  Task<void> answer(net::MuxConnection& connection, net::MuxStream& stream, JoinAnswer answer);
  void turn_away(net::MuxConnection& connection, JoinCode code, std::string sentence);
  void note_refusal(const std::string& from, const JoinRefusal& refusal);

  Loop& loop_;
  const Issuer& issuer_;
  RegistryDesk& desk_;
  const link::Trust& trust_;
  TryLimiter& limiter_;
  RetireKey retire_key_;
  const Options options_;
  Counters counters_;
  List<Waiting> waiting_;  // the longest first
  Scope tasks_;
};

}  // namespace fairlead::enrol
