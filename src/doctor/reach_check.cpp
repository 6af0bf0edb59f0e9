// Whether the cloud's address answers over UDP and over TCP, and if not, which kind of no it was.
#include <fmt/format.h>

#include <algorithm>

#include "doctor/checks.h"
#include "doctor/knock.h"
#include "runtime/timer.h"

namespace fairlead::doctor {
namespace {

using Heard = Knocker::Heard;

constexpr int kTries = 4;  // at 20 % loss both ways all four are lost once in sixty times
constexpr Duration kPause = 1s;
constexpr Duration kTcpPatience = 4s;
// A name with more addresses than this is a mistake, or somebody else's.
constexpr std::size_t kMaxAddresses = 16;

struct Way {
  net::SocketAddress to;
  Knocker::Outcome udp;
  bool only_small = false;
  std::optional<Error> tcp = std::nullopt;  // none: connected
  Duration tcp_took{};
};

Task<void> knock_at(net::Network& network, Way& way) {
  auto knocker = Knocker::make(network, way.to);
  if (!knocker) {
    way.udp = {.heard = Heard::unreachable, .error = knocker.error()};
    co_return;
  }
  way.udp = co_await (*knocker)->knock(Knocker::kLeast, kTries, kPause);
  if (way.udp.heard != Heard::silence && way.udp.heard != Heard::not_sent) co_return;
  const Knocker::Outcome small = co_await (*knocker)->tap(2, kPause);
  way.only_small = small.heard == Heard::answer;
}

Task<void> connect_to(net::Network& network, Way& way) {
  const TimePoint begun = network.loop().now();
  auto stream =
      co_await with_deadline<std::unique_ptr<net::Stream>>(network.loop(), begun + kTcpPatience, "connect", network.connect(way.to));
  way.tcp_took = network.loop().now() - begun;
  if (!stream) way.tcp = stream.error();
}

std::string_view word(const Knocker::Outcome& outcome) {
  switch (outcome.heard) {
    case Heard::answer: return "answers";
    case Heard::refused: return "refused (ICMP: port unreachable)";
    case Heard::unreachable: return "unreachable";
    case Heard::not_sent: return "not sent: this machine refuses to";
    case Heard::silence: return "silence";
  }
  return "silence";
}
std::string_view key(const Knocker::Outcome& outcome) {
  switch (outcome.heard) {
    case Heard::answer: return "answer";
    case Heard::refused: return "refused";
    case Heard::unreachable: return "unreachable";
    case Heard::not_sent: return "not-sent";
    case Heard::silence: return "silence";
  }
  return "silence";
}

// Somebody is there: a connection, or a reset.
bool host_is_there(const Way& way) { return !way.tcp || way.tcp->code() == Code::refused; }

void explain(Finding& f, const Way& way, std::uint16_t port) {
  if (way.only_small) {
    f.summary = fmt::format("{}: small packets are answered, those of {} bytes are not", way.to, Knocker::kLeast);
    f.meaning = "The path is too narrow for QUIC, which needs 1200 bytes of UDP payload: the edge cannot connect.";
    f.advice = "see the MTU of each interface, tunnel and VPN on the way (`ip link`, `tracepath`); have it raised to 1280 or more";
    return;
  }
  switch (way.udp.heard) {
    case Heard::answer: return;
    case Heard::refused:
      f.meaning = "The machine is reached, and says that nothing listens at this UDP port.";
      f.advice = fmt::format(
          "see that the cloud runs and listens at UDP {} (`fairlead status` there), and that link.cloud has the right port; "
          "a firewall that rejects says the same",
          port);
      return;
    case Heard::unreachable:
      f.meaning = "A router, or this machine, has no way to the address.";
      f.advice = "see this machine's routes (`ip route get ADDRESS`), and that the interface is up";
      return;
    case Heard::not_sent:
      f.meaning = "The packets do not leave this machine: its own firewall, or a sandbox of this process, drops them.";
      f.advice = fmt::format("allow outgoing UDP to port {} (`nft list ruleset`)", port);
      return;
    case Heard::silence:
      if (host_is_there(way)) {
        f.meaning = "The machine is there, for TCP reaches it, and UDP is dropped on the way: a firewall or a provider blocks it.";
        f.advice = fmt::format("have UDP {} opened from here to the cloud, both ways", port);
        if (!way.tcp) f.advice += "; until then only a link over TCP can work";
      } else {
        f.meaning = "Neither UDP nor TCP gets an answer: the address is wrong, the cloud is off, or a firewall drops everything.";
        f.advice = fmt::format("see whether the cloud's address is right and the cloud runs; then have UDP {} opened, both ways", port);
      }
      return;
  }
}

}  // namespace

Task<Reach> check_reach(net::Network& network, std::vector<net::IpAddress> addresses, std::uint16_t port) {
  std::vector<Way> ways;
  for (const net::IpAddress& ip : addresses)
    if (ways.size() < kMaxAddresses) ways.push_back({.to = {ip, port}, .udp = {}});
  {
    Scope at_once(network.loop());
    for (Way& way : ways) {
      at_once.spawn(knock_at(network, way));
      at_once.spawn(connect_to(network, way));
    }
    co_await at_once.done();
  }
  Reach out{.udp = {.check = "udp"}, .tcp = {.check = "tcp"}};
  std::vector<std::string> udp_texts, tcp_texts, answered;
  bool connected = false, refused = false;
  for (const Way& way : ways) {
    udp_texts.push_back(fmt::format("{} {}", way.to, way.only_small ? "only-small" : key(way.udp)));
    tcp_texts.push_back(fmt::format("{} {}", way.to, way.tcp ? name(way.tcp->code()) : "connected"));
    if (way.udp.heard == Heard::answer) {
      answered.push_back(way.to.to_text());
      if (!out.best) {
        out.best = way.to;
        out.rtt = way.udp.rtt;
      }
    }
    connected = connected || !way.tcp;
    refused = refused || (way.tcp && way.tcp->code() == Code::refused);
  }
  Finding& udp = out.udp;
  udp.add("addresses", udp_texts).add("reachable", out.best.has_value());
  if (out.best) udp.add("rtt_ms", milliseconds(out.rtt)).add("used", out.best->to_text());
  if (answered.size() == ways.size() && out.best) {
    udp.status = Status::ok;
    udp.summary = fmt::format("{} answers after {:.1f} ms", fmt::join(answered, ", "), milliseconds(out.rtt));
  } else if (!ways.empty()) {
    const auto bad = std::ranges::find_if(ways, [](const Way& w) { return w.udp.heard != Heard::answer; });
    udp.status = out.best ? Status::warning : Status::problem;
    udp.summary = fmt::format("{}: {}", bad->to, word(bad->udp));
    if (bad->udp.error) udp.summary += fmt::format(" ({})", *bad->udp.error);
    explain(udp, *bad, port);
    if (out.best) {
      udp.summary += fmt::format("; {} answers", *out.best);
      udp.meaning = "The edge tries the addresses one after the other: it connects, later than it could. " + udp.meaning;
    }
  } else {
    udp.summary = "there is no address to try";
  }

  Finding& tcp = out.tcp;
  tcp.add("addresses", tcp_texts).add("connects", connected);
  if (connected) {
    const auto way = std::ranges::find_if(ways, [](const Way& w) { return !w.tcp; });
    tcp.status = Status::ok;
    tcp.add("connect_ms", milliseconds(way->tcp_took));
    tcp.summary = fmt::format("{} connects after {:.1f} ms", way->to, milliseconds(way->tcp_took));
  } else if (!ways.empty()) {
    tcp.status = out.best ? Status::ok : Status::warning;
    tcp.summary = fmt::format("{}: {}", ways.front().to, refused ? "refused: nothing listens there" : "no connection");
    tcp.meaning = out.best ? "UDP works, so nothing is missing; if it is blocked one day there is no other way."
                           : "There is no other way to the cloud than UDP.";
    if (!out.best) tcp.advice = "see the finding `udp`";
  } else {
    tcp.summary = "there is no address to try";
  }
  co_return out;
}

Finding check_identity(const std::expected<ProbeAnswer, ProbeFailure>& first, const ProbeLine* line) {
  Finding f{.check = "identity"};
  if (first) {
    f.status = Status::ok;
    f.summary = fmt::format("the cloud is the right one ({}), and knows this edge", first->software);
    f.add("cloud_software", first->software).add("seen_address", first->address);
    if (line != nullptr && line->wrong_time()) {
      f.status = Status::problem;
      f.summary = line->wrong_time()->message;
      f.meaning = "By this machine's clock the cloud's certificate is not good now: the edge does not connect.";
      f.advice = "see the finding `clock`; if that is right, renew the cloud's certificate: fairlead cert renew";
    }
    return f;
  }
  const ProbeFailure& why = first.error();
  f.status = Status::problem;
  if (why.ours) {
    f.add("refused_by", std::string("edge")).add("reason", std::string(pki::name(why.ours->reason)));
    f.summary = "this edge refuses the cloud: " + why.ours->message;
    f.meaning = "Who answers at the address is not the cloud that this edge belongs to, or has another name: the edge does not connect.";
    f.advice =
        "see that link.cloud is right, and a name of the cloud's certificate (`fairlead cert show --dir DIR` on the cloud, `fairlead "
        "cert renew --name` to add one)";
  } else if (why.theirs) {
    f.add("refused_by", std::string("cloud")).add("reason", std::string(pki::name(why.theirs->reason)));
    f.summary = "the cloud refuses this edge: " + why.theirs->message;
    f.meaning = "The cloud is reached, and does not let this edge in.";
    f.advice = "see the finding `certificate`, and on the cloud: fairlead node show, fairlead audit";
  } else if (why.error.code() == Code::refused || why.error.code() == Code::closed) {
    f.status = Status::unknown;
    f.summary = why.error.describe();
    f.meaning =
        "The cloud is reached, and offers no measurements to this edge: it is older than this edge, or has too many at this moment.";
    f.advice = "upgrade the cloud first, then the edges; or try again in some minutes";
  } else {
    f.summary = why.error.describe();
    f.meaning = "Small packets get an answer and a handshake does not: something on the way lets only a few, or only small ones, through.";
    f.advice = "see the findings `path-mtu` and `loss`; a firewall that inspects QUIC must be told to let it pass";
  }
  return f;
}

Finding check_clock(const ProbeAnswer& answer, WallTime asked, WallTime answered) {
  // The link works with clocks that differ by up to the hour by which certificates are dated back; joining warns from a minute on.
  constexpr Duration kWorthAWord = 60s;
  constexpr Duration kTooMuch = 30min;
  constexpr Duration kLoud = 10s;
  const Duration uncertain = std::chrono::duration_cast<Duration>(answered - asked) / 2;
  const Duration skew = std::chrono::duration_cast<Duration>(asked + uncertain - answer.clock);
  const Duration size = skew < 0ns ? -skew : skew;
  Finding f{.check = "clock"};
  f.add("skew_ms", milliseconds(skew)).add("uncertain_ms", milliseconds(uncertain)).add("cloud_time", to_rfc3339(answer.clock));
  f.status = size >= kTooMuch ? Status::problem : size >= kWorthAWord ? Status::warning : Status::ok;
  if (size <= uncertain + 1ms)
    f.summary = fmt::format("the same as the cloud's, to {:.1f} ms", milliseconds(uncertain) + 1);
  else if (size < kLoud)
    f.summary = fmt::format("{:.0f} ms {} the cloud's (give or take {:.1f} ms)", milliseconds(size), skew > 0ns ? "ahead of" : "behind",
                            milliseconds(uncertain));
  else
    f.summary = fmt::format("{} {} the cloud's, which says {}", fairlead::to_text(std::chrono::duration_cast<std::chrono::seconds>(size)),
                            skew > 0ns ? "ahead of" : "behind", to_rfc3339(answer.clock));
  if (f.status != Status::ok) {
    f.meaning = "Certificates are checked by the clock: with a wrong one good certificates are refused, and log lines mislead.";
    f.advice = "set the clock of the machine that is wrong, and keep it so (NTP); an edge without a battery clock needs that at each start";
  }
  return f;
}

}  // namespace fairlead::doctor
