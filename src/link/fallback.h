// fallback.h: the edge's other way to the cloud: a session over TLS over TCP, for as long as UDP does not get through.
//
// It looks at the QUIC session of the same EdgeLink, which goes on dialling and listening as if this were not there. While that is missing,
// or silent, a session over TCP is dialled and kept; once QUIC has been heard for a while it retires: new flows take QUIC, its own run to
// their end. So no flow is moved and none is cut, and the QUIC session finds out by itself that the path is back.
// Invariant: session() is one that may take new flows, or null. Everything belongs to the edge's loop.
#pragma once
#include <functional>
#include <memory>
#include <optional>

#include "link/proxy.h"
#include "link/session.h"
#include "link/totals.h"
#include "link/trust.h"
#include "net/network.h"

namespace fairlead::h2 {
class Endpoint;
}

namespace fairlead::link {

enum class FallbackMode : std::uint8_t { automatic, off, only };

struct FallbackOptions {
  FallbackMode mode = FallbackMode::automatic;
  std::optional<Proxy> proxy;  // dialled instead of the cloud; it is given the cloud's name
  Duration head_start = 1s;    // of QUIC, when there is no session at all; four times that if there was one: the cloud may be starting anew
  Duration quiet = 500ms;      // of QUIC in a link that is in use, until it is asked for a sign of life
  Duration silence = 1s;       // of QUIC after a question, or three round trips
  Duration steady = 2s;        // QUIC must have been heard for so long before this one retires
  Duration connect_timeout = 10s;  // for each address
  Duration retry_first = 100ms;    // bound of the wait after a failure; doubles, until a session holds for `retry_cap` or QUIC is steady
  Duration retry_cap = 10s;
  Duration active = 1min;  // after a flow the link is in use for so long; later a keep-alive is what asks
};

class Fallback {
 public:
  using Greet = std::function<Task<Result<std::shared_ptr<Session>>>(std::unique_ptr<net::MuxConnection>)>;
  struct Ground {
    Loop& loop;
    net::Network& network;
    h2::Endpoint& endpoint;
    const Trust& trust;
    net::HostPort cloud;
    std::string alpn;
    Greet greet;                                     // checks the cloud and says hello
    std::function<std::shared_ptr<Session>()> quic;  // null while there is none
    std::function<void()> changed;                   // session() is another
  };

  Fallback(Ground ground, FallbackOptions options);
  ~Fallback();

  // Until destroyed.
  Task<void> run();
  Task<void> drain(Duration limit, std::string reason);

  const std::shared_ptr<Session>& session() const { return session_; }
  bool any() const { return !held_.empty(); }
  bool only() const { return options_.mode == FallbackMode::only; }
  // The QUIC session has not answered: new flows had better take another.
  bool quic_is_silent() const { return silent_; }
  const std::string& last_error() const { return last_error_; }
  LinkTotals totals() const;
  void check_sessions();
  void renewed(const pki::Identity& peer);  // the cloud has shown a later certificate

 private:
  Task<void> watch();
  void look();
  bool is_needed() const;
  bool is_steady() const;
  Task<Result<std::shared_ptr<Session>>> dial();
  Task<void> hold(std::shared_ptr<Session> session);
  Task<void> retire(std::shared_ptr<Session> session);

  Ground ground_;
  FallbackOptions options_;
  std::shared_ptr<Session> session_;
  std::vector<std::shared_ptr<Session>> held_;  // session_ and those that retire
  std::string last_error_;
  Duration bound_;          // of the wait before the next try
  bool must_wait_ = false;  // a try failed, or a session ended
  TimePoint without_quic_since_;
  std::optional<TimePoint> asked_;        // the QUIC session, and nothing was heard since
  std::optional<TimePoint> heard_since_;  // the QUIC session, without a silence
  bool quic_was_there_ = false;           // since TCP was needed last
  std::uint64_t flows_seen_ = 0;          // that were opened when
  TimePoint used_;                        // the last one was
  bool silent_ = false;
  bool draining_ = false;
  LinkTotals ended_;
  Scope tasks_;  // last
};

}  // namespace fairlead::link
