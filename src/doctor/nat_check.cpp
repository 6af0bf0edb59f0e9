// How long the NATs and firewalls on the way remember a silent socket, and whether they change its address.
#include <fmt/format.h>

#include <algorithm>

#include "doctor/checks.h"
#include "runtime/scope.h"

namespace fairlead::doctor {
namespace {

struct Watched {
  Duration silence{};
  std::optional<bool> heard = std::nullopt;
  std::string before, after, failed;
  bool same_port = false;
};

std::string port_of(const std::string& address) { return address.substr(address.rfind(':') + 1); }

// One socket is silent for one time: all times are tried at once, each with a socket of its own.
Task<void> watch_one(net::Network& network, net::SocketAddress to, ProbeAsk ask, Watched& into) {
  auto line = co_await ProbeLine::dial(network, to, std::move(ask));
  if (!line) {
    into.failed = line.error().error.describe();
    co_return;
  }
  auto before = co_await (*line)->where();
  if (!before) {
    into.failed = before.error().error.describe();
    co_return;
  }
  into.before = before->address;
  into.same_port = port_of(before->address) == std::to_string((*line)->local_port());
  auto heard = co_await (*line)->hears_after(into.silence);
  if (!heard) {
    into.failed = heard.error().describe();
    co_return;
  }
  into.heard = *heard;
  auto after = co_await (*line)->where();
  if (after) into.after = after->address;
}

}  // namespace

Task<NatSeen> watch_nat(net::Network& network, net::SocketAddress to, ProbeAsk ask, std::vector<Duration> silences) {
  std::vector<Watched> all;
  for (Duration each : silences) all.push_back({.silence = each});
  {
    Scope at_once(network.loop());
    for (Watched& each : all) at_once.spawn(watch_one(network, to, ask, each));
    co_await at_once.done();
  }
  NatSeen seen;
  if (auto own = network.source_for(to.ip)) seen.own = *own;
  for (const Watched& each : all) {
    if (!each.failed.empty()) seen.failed.push_back(each.failed);
    if (each.heard) seen.silences.push_back({each.silence, *each.heard});
    if (each.before.empty()) continue;
    seen.outside.push_back(each.before);
    seen.same_port.push_back(each.same_port);
    if (!each.after.empty() && each.after != each.before) seen.moved_to.push_back(each.after);
  }
  co_return seen;
}

Finding judge_nat(const NatSeen& seen, Duration keep_alive) {
  Finding f{.check = "nat"};
  // What was heard after a long silence shows that the shorter ones were only lost.
  Duration held{}, forgotten = Duration::max();
  for (const Silence& each : seen.silences)
    if (each.heard) held = std::max(held, each.time);
  for (const Silence& each : seen.silences)
    if (!each.heard && each.time > held) forgotten = std::min(forgotten, each.time);
  std::vector<std::string> hosts;
  for (const std::string& each : seen.outside) {
    const std::string host = each.substr(0, each.rfind(':'));
    if (std::ranges::find(hosts, host) == hosts.end()) hosts.push_back(host);
  }
  const std::string own = seen.own.is_v4() ? seen.own.to_text() : "[" + seen.own.to_text() + "]";
  const bool translated = std::ranges::any_of(hosts, [&](const std::string& h) { return h != own; });
  const bool keeps_ports = std::ranges::all_of(seen.same_port, [](bool same) { return same; });
  f.add("own_address", seen.own.to_text()).add("seen_addresses", seen.outside).add("translated", translated);
  if (!seen.outside.empty()) f.add("keeps_ports", keeps_ports);
  f.add("rebound", !seen.moved_to.empty());
  if (!seen.moved_to.empty()) f.add("rebound_to", seen.moved_to);
  if (held > 0ns) f.add("remembers_s", static_cast<std::int64_t>(held / 1s));
  if (forgotten != Duration::max()) f.add("forgets_after_s", static_cast<std::int64_t>(forgotten / 1s));
  f.add("keep_alive_ms", milliseconds(keep_alive));
  if (seen.silences.empty()) {
    f.summary = seen.failed.empty() ? "no silence was tried" : "could not be tried: " + seen.failed.front();
    return f;
  }
  f.status = Status::ok;
  f.summary = translated ? fmt::format("{} is seen as {}", own, fmt::join(hosts, ", ")) : "no translation of addresses";
  if (forgotten == Duration::max()) {
    f.summary += fmt::format("; silence of {} s is remembered", held / 1s);
  } else {
    f.summary += held > 0ns ? fmt::format("; silence is forgotten after {} to {} s", held / 1s, forgotten / 1s)
                            : fmt::format("; silence of {} s is forgotten already", forgotten / 1s);
    if (forgotten <= keep_alive) {
      f.status = Status::problem;
      f.meaning = fmt::format("The link gives a sign of life each {} s, which is too seldom: the cloud loses the edge in between.",
                              std::chrono::duration<double>(keep_alive).count());
      f.advice = "set link.keepAlive of the edge, and of the cloud, below half of what is remembered; or have the timeout for UDP raised";
    } else if (held < 2 * keep_alive) {
      f.status = Status::warning;
      f.meaning = fmt::format("The link gives a sign of life each {} s: when one is lost the mapping is lost with it.",
                              std::chrono::duration<double>(keep_alive).count());
      f.advice = "set link.keepAlive lower; or have the timeout for UDP raised in the NAT or firewall";
    }
  }
  if (!seen.moved_to.empty()) {
    f.summary += "; then comes from another port or address";
    if (f.meaning.empty())
      f.meaning = "After a longer silence the way out has another address: the link follows that by itself as soon as the edge sends.";
  }
  if (hosts.size() > 1) {
    f.summary += "; sockets get different addresses";
    if (f.status == Status::ok) f.status = Status::warning;
    f.meaning += std::string(f.meaning.empty() ? "" : " ") +
                 "A provider's NAT with many addresses: an allow-list in front of the cloud must hold all of them.";
  }
  return f;
}

}  // namespace fairlead::doctor
