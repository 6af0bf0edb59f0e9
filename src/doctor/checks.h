// checks.h: what an examination looks at, one function each. docs/DOCTOR.md has what each finding means and what mends it.
//
// Each takes what it needs and gives one Finding; the ones that measure are tasks of one loop, over net::Network, so that they run in the
// simulator, too. None of them changes anything.
#pragma once
#include <array>
#include <functional>
#include <string_view>
#include <vector>

#include "doctor/finding.h"
#include "doctor/probe_line.h"
#include "net/network.h"
#include "pki/credentials.h"

namespace fairlead::doctor {

// In the order of the report.
inline constexpr std::string_view kChecks[] = {"certificate", "socket-buffers", "name-resolution", "udp", "tcp",       "identity", "clock",
                                               "rtt",         "loss",           "path-mtu",        "nat", "throughput"};

// How long, and how much.
struct Effort {
  std::uint32_t echoes = 250;
  Duration echo_step = 20ms;
  std::vector<Duration> silences = {5s, 10s, 15s, 20s, 25s, 30s};
  std::uint64_t transfer_bytes = 16_MiB;  // each way and carrier
  Duration transfer_time = 3s;

  static Effort thorough();
};

// Of the edge's own certificate (and the CA's it was given with).
Finding check_certificate(const pki::Credentials& credentials, WallTime now);

// What the system gives of what a link asks for.
Finding check_socket_buffers(net::Network& network);

struct Resolved {
  Finding finding;
  std::vector<net::IpAddress> addresses;
};
Task<Resolved> check_name(net::Network& network, std::string host);

struct Reach {
  Finding udp, tcp;
  std::optional<net::SocketAddress> best;  // the first that answered over UDP
  Duration rtt{};                          // of it
};
Task<Reach> check_reach(net::Network& network, std::vector<net::IpAddress> addresses, std::uint16_t port);

// From how dialling went, and the first answer.
Finding check_identity(const std::expected<ProbeAnswer, ProbeFailure>& first, const ProbeLine* line);
// The round trip that brought the answer bounds the error.
Finding check_clock(const ProbeAnswer& answer, WallTime asked, WallTime answered);

struct PathFindings {
  Finding rtt, loss;
};
PathFindings judge_echoes(const Result<Echoes>& echoes, Duration min_rtt);

// What gets there, by knocking, and what both ends of a connection have found.
Finding judge_path_mtu(const net::SocketAddress& to, std::optional<std::size_t> knocked, std::size_t ours, std::size_t theirs);

struct Silence {
  Duration time{};
  bool heard = false;
};
struct NatSeen {
  net::IpAddress own;                 // of this machine, towards the cloud
  std::vector<std::string> outside;   // as the cloud saw this machine's sockets, before
  std::vector<std::string> moved_to;  // and those that had another address after
  std::vector<bool> same_port;        // whether the port outside was the socket's own
  std::vector<Silence> silences;      // those that could be tried
  std::vector<std::string> failed;    // why the others could not
};
Task<NatSeen> watch_nat(net::Network& network, net::SocketAddress to, ProbeAsk ask, std::vector<Duration> silences);
Finding judge_nat(const NatSeen& seen, Duration keep_alive);

struct Speeds {
  Result<Transferred> up = fail(Code::overloaded, "not measured");
  Result<Transferred> down = fail(Code::overloaded, "not measured");
};
Task<Speeds> measure_speeds(Loop& loop, ProbeLine& line, Effort effort);
// TCP's may be missing; why is in their errors, and in the finding.
Finding judge_throughput(const Speeds& udp, const Speeds& tcp);

}  // namespace fairlead::doctor
