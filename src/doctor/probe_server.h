// probe_server.h: the cloud's side of `fairlead-probe/1` on one loop: answers edges that measure their way to it.
//
// Invariant: only an edge with a good certificate is served, as at a session; each within ProbeQuota, for at most `age`. Nothing that a
// session has is touched: a node may measure while it is connected.
#pragma once
#include <memory>
#include <string>

#include "doctor/probe_message.h"
#include "doctor/probe_quota.h"
#include "link/trust.h"
#include "net/mux.h"
#include "runtime/scope.h"

namespace fairlead::doctor {

class ProbeServer {
 public:
  struct Options {
    std::string software;
    Duration age = 5min;      // of a connection
    std::size_t streams = 8;  // of a connection at once
  };
  ProbeServer(Loop& loop, const link::Trust& trust, ProbeQuota& quota, Options options);

  // For CloudLink::Options::divert: true if the connection was one for us.
  bool take(std::unique_ptr<net::MuxConnection>& connection);

  struct Counters {
    std::uint64_t served = 0;   // connections
    std::uint64_t refused = 0;  // by certificate
    std::uint64_t limited = 0;
    std::uint64_t bytes = 0;  // of transfers
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Guest;
  Task<void> serve(std::unique_ptr<net::MuxConnection> connection, NodeName node);
  Task<void> echo(Guest& guest);
  Task<void> answer(Guest& guest, std::unique_ptr<net::MuxStream> stream);
  Task<void> source(Guest& guest, net::MuxStream& stream, ProbeRequest request);
  Task<void> sink(Guest& guest, net::MuxStream& stream, ProbeRequest request);
  Task<void> wake(Guest& guest, net::MuxStream& stream, Duration after);
  Task<Result<void>> say(Guest& guest, net::MuxStream& stream, ProbeAnswer answer);

  Loop& loop_;
  const link::Trust& trust_;
  ProbeQuota& quota_;
  const Options options_;
  Counters counters_;
  Scope tasks_;
};

}  // namespace fairlead::doctor
