// probe_line.h: the edge's side of `fairlead-probe/1`: one connection to the cloud, on a socket of its own, and what is measured over it.
//
// Nothing is sent but what a measurement needs. Everything belongs to one loop; one call at a time. Destroying it closes the connection.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "doctor/probe_message.h"
#include "doctor/rate.h"
#include "h2/endpoint.h"
#include "net/network.h"
#include "pki/identity.h"
#include "quic/endpoint.h"
#include "runtime/task.h"

namespace fairlead::doctor {

struct ProbeAsk {
  net::HostPort cloud;  // as it was dialled: its certificate must be for this host
  std::shared_ptr<const pki::Credentials> credentials;
  Duration patience = 10s;  // for the handshake, and for each answer
};

// Why there is no line.
struct ProbeFailure {
  Error error;
  std::optional<pki::Refusal> ours = std::nullopt;    // we found the cloud to be another than it should be,
  std::optional<pki::Refusal> theirs = std::nullopt;  // or it us
};

struct Echoes {
  std::uint64_t sent = 0;
  std::uint64_t there = 0;  // of those that the cloud had
  std::uint64_t back = 0;
  std::vector<Duration> rtts;  // in the order in which they came
};

struct Transferred {
  std::uint64_t bytes = 0;
  Rate::Part steady;
};

class ProbeLine {
 public:
  // The cloud's identity is checked; a certificate that only this machine's clock makes wrong is told in `wrong_time`, so that the clock
  // can be asked for.
  static Task<std::expected<std::unique_ptr<ProbeLine>, ProbeFailure>> dial(net::Network& network, net::SocketAddress to, ProbeAsk ask);
  // The same over TLS over TCP, where the cloud takes that: for down() and up(), beside those over UDP.
  static Task<std::expected<std::unique_ptr<ProbeLine>, ProbeFailure>> dial_tcp(net::Network& network, net::SocketAddress to, ProbeAsk ask);
  ~ProbeLine();

  Task<std::expected<ProbeAnswer, ProbeFailure>> where();
  // Datagrams to and fro, one each `step`.
  Task<Result<Echoes>> echoes(std::uint32_t count, Duration step);
  // At most `bytes`, for at most `time`.
  Task<Result<Transferred>> down(std::uint64_t bytes, Duration time);
  Task<Result<Transferred>> up(std::uint64_t bytes, Duration time);
  // Is silent, and tells whether what the cloud sends after that still comes.
  Task<Result<bool>> hears_after(Duration silence);

  const std::optional<pki::Refusal>& wrong_time() const { return wrong_time_; }
  net::MuxStats stats() const { return connection_->stats(); }
  // UDP payload that the way to the cloud is known to carry. Not over TCP, as local_port().
  std::size_t udp_payload() const;
  std::uint16_t local_port() const { return endpoint_->local().port; }

 private:
  using Dialled = std::expected<std::unique_ptr<ProbeLine>, ProbeFailure>;
  ProbeLine(Loop& loop, ProbeAsk ask);
  static Task<Dialled> greet(std::unique_ptr<ProbeLine> line);
  std::string server_name() const;
  Task<Result<std::unique_ptr<net::MuxStream>>> ask_for(ProbeRequest request, ProbeAnswer& answer);
  Task<void> listen(Echoes& into);
  Task<void> pour(net::MuxStream& stream, std::uint64_t bytes);
  Task<Result<bool>> until_woken();

  Loop& loop_;
  const ProbeAsk ask_;
  net::MemoryBudget memory_;
  std::unique_ptr<quic::Endpoint> endpoint_;  // null over TCP
  std::unique_ptr<h2::Endpoint> tcp_;         // null over UDP
  std::unique_ptr<net::MuxConnection> connection_;
  std::optional<pki::Refusal> wrong_time_;
  std::uint32_t next_ = 0;  // number of the next echo
};

}  // namespace fairlead::doctor
