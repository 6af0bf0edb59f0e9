#include "doctor/examination.h"

#include <fmt/format.h>

#include <algorithm>

#include "doctor/knock.h"
#include "runtime/scope.h"

namespace fairlead::doctor {
namespace {

// A longer search for the MTU is of no use where round trips are this long.
constexpr Duration kLeastPause = 150ms, kMostPause = 2s;
// A transfer takes five to find the rate of a path; only what comes after its first third counts.
constexpr int kRoundTripsOfTransfer = 15;

class Examination {
 public:
  Examination(net::Network& network, Order order) : network_(network), loop_(network.loop()), order_(std::move(order)) {}

  Task<Report> run();

 private:
  bool wants(std::string_view check) const { return order_.only.empty() || order_.only.contains(std::string(check)); }
  bool wants_any(std::initializer_list<std::string_view> checks) const {
    return std::ranges::any_of(checks, [this](std::string_view c) { return wants(c); });
  }
  void put(Finding finding) {
    if (wants(finding.check)) report_.findings.push_back(std::move(finding));
  }
  void not_possible(std::initializer_list<std::string_view> checks, std::string_view why) {
    for (std::string_view check : checks) put({.check = std::string(check), .status = Status::unknown, .summary = std::string(why)});
  }
  ProbeAsk ask() const { return {.cloud = order_.cloud, .credentials = order_.credentials}; }

  Task<void> outside();
  Task<void> measure(net::SocketAddress to, Duration rtt, ProbeLine& line);

  net::Network& network_;
  Loop& loop_;
  const Order order_;
  Report report_;
};

Task<Report> Examination::run() {
  const TimePoint begun = loop_.now();
  report_.role = "edge";
  report_.node = order_.node.value();
  report_.cloud = order_.cloud.to_text();
  report_.software = order_.software;
  report_.at = loop_.wall_now();
  if (wants("certificate")) put(check_certificate(*order_.credentials, loop_.wall_now()));
  if (wants("socket-buffers")) put(check_socket_buffers(network_));
  auto going = outside();
  co_await going;
  report_.took = loop_.now() - begun;
  co_return std::move(report_);
}

Task<void> Examination::outside() {
  if (!wants_any({"name-resolution", "udp", "tcp", "identity", "clock", "rtt", "loss", "path-mtu", "nat", "throughput"})) co_return;
  order_.progress("looks up the cloud's name");
  auto resolved = co_await check_name(network_, order_.cloud.host);
  put(resolved.finding);
  if (resolved.addresses.empty()) {
    not_possible({"udp", "tcp", "identity", "clock", "rtt", "loss", "path-mtu", "nat", "throughput"}, "the cloud's address is not known");
    co_return;
  }
  if (!wants_any({"udp", "tcp", "identity", "clock", "rtt", "loss", "path-mtu", "nat", "throughput"})) co_return;
  order_.progress("tries UDP and TCP");
  auto reach = co_await check_reach(network_, resolved.addresses, order_.cloud.port);
  put(reach.udp);
  put(reach.tcp);
  if (!reach.best) {
    not_possible({"identity", "clock", "rtt", "loss", "path-mtu", "nat", "throughput"}, "the cloud is not reached over UDP");
    co_return;
  }
  if (!wants_any({"identity", "clock", "rtt", "loss", "path-mtu", "nat", "throughput"})) co_return;
  const net::SocketAddress to = *reach.best;
  ProbeAsk asking = ask();
  auto line = co_await ProbeLine::dial(network_, to, std::move(asking));
  std::expected<ProbeAnswer, ProbeFailure> first = std::unexpected(line ? ProbeFailure{Error(Code::internal, "")} : line.error());
  const WallTime asked = loop_.wall_now();
  if (line) first = co_await (*line)->where();
  const WallTime answered = loop_.wall_now();
  put(check_identity(first, line ? line->get() : nullptr));
  if (!first) {
    not_possible({"clock", "rtt", "loss"}, "the cloud does not measure with this edge");
    if (wants("path-mtu")) {
      auto knocker = Knocker::make(network_, to);
      std::optional<std::size_t> knocked;
      if (knocker) knocked = co_await (*knocker)->largest(std::clamp<Duration>(3 * reach.rtt, kLeastPause, kMostPause));
      put(judge_path_mtu(to, knocked, 0, 0));
    }
    not_possible({"nat", "throughput"}, "the cloud does not measure with this edge");
    co_return;
  }
  put(check_clock(*first, asked, answered));
  auto measuring = measure(to, reach.rtt, **line);
  co_await measuring;
}

Task<void> keep_nat(net::Network& network, net::SocketAddress to, ProbeAsk ask, std::vector<Duration> silences, NatSeen& into) {
  into = co_await watch_nat(network, to, std::move(ask), std::move(silences));
}

Task<void> Examination::measure(net::SocketAddress to, Duration rtt, ProbeLine& line) {
  // The silences last longest, and are not disturbed by the few packets of the rest; a transfer would disturb them.
  NatSeen nat;
  Scope silent(loop_);
  Duration longest{};
  if (wants("nat")) {
    std::vector<Duration> silences = order_.effort.silences;
    if (const Duration own = order_.keep_alive + 1s; own <= kMaxWake && std::ranges::find(silences, own) == silences.end())
      silences.push_back(own);
    std::ranges::sort(silences);
    longest = silences.back();
    silent.spawn(keep_nat(network_, to, ask(), std::move(silences), nat));
  }
  if (wants_any({"rtt", "loss"})) {
    const Duration takes = order_.effort.echoes * order_.effort.echo_step;
    order_.progress(fmt::format("measures loss and round trip ({} s)", std::chrono::ceil<std::chrono::seconds>(takes).count()));
    auto echoes = co_await line.echoes(order_.effort.echoes, order_.effort.echo_step);
    PathFindings found = judge_echoes(echoes, line.stats().min_rtt);
    put(std::move(found.rtt));
    put(std::move(found.loss));
  }
  if (wants("path-mtu")) {
    order_.progress("tries how large packets may be");
    auto knocker = Knocker::make(network_, to);
    std::optional<std::size_t> knocked;
    if (knocker) knocked = co_await (*knocker)->largest(std::clamp<Duration>(3 * rtt, kLeastPause, kMostPause));
    auto theirs = co_await line.where();
    put(judge_path_mtu(to, knocked, line.udp_payload(), theirs ? theirs->udp_payload : 0));
  }
  if (wants("nat")) {
    order_.progress(fmt::format("is silent, to see how long a NAT remembers (up to {} s)", longest / 1s));
    co_await silent.done();
    put(judge_nat(nat, order_.keep_alive));
  }
  if (wants("throughput")) {
    Effort effort = order_.effort;
    effort.transfer_time = std::min(std::max<Duration>(effort.transfer_time, kRoundTripsOfTransfer * rtt), kMaxTransfer);
    order_.progress(fmt::format("measures throughput over UDP ({} s)", 2 * effort.transfer_time / 1s));
    Speeds udp = co_await measure_speeds(loop_, line, effort);
    Speeds tcp;
    ProbeAsk asking = ask();
    auto over_tcp = co_await ProbeLine::dial_tcp(network_, to, std::move(asking));
    if (over_tcp) {
      order_.progress(fmt::format("measures throughput over TCP ({} s)", 2 * effort.transfer_time / 1s));
      tcp = co_await measure_speeds(loop_, **over_tcp, effort);
    } else {
      const Error& why = over_tcp.error().error;
      tcp.up = tcp.down = fail(why.code() == Code::refused ? Error(why.code(), "the cloud takes no connections over TCP") : why);
    }
    put(judge_throughput(udp, tcp));
  }
}

}  // namespace

bool is_check(std::string_view name) { return std::ranges::find(kChecks, name) != std::end(kChecks); }

Task<Report> examine(net::Network& network, Order order) {
  Examination examination(network, std::move(order));
  auto running = examination.run();
  Report report = co_await running;
  co_return report;
}

}  // namespace fairlead::doctor
