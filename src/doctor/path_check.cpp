// Round trip, jitter, loss and size of packets: what echoes and knocking have shown.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "doctor/checks.h"
#include "doctor/knock.h"

namespace fairlead::doctor {
namespace {

// TCP through such a path gets a few Mbit/s; the link holds its rate, and interactive use begins to suffer.
constexpr double kSomeLoss = 0.01;
// Nearly each page has a packet that comes a round trip later.
constexpr double kMuchLoss = 0.10;
constexpr Duration kSlow = 300ms;  // satellites
constexpr Duration kUneven = 30ms;
// What is left of Ethernet in the tunnels that are common (IPv6 in WireGuard): less is worth a look.
constexpr std::size_t kUsualPayload = 1372;

Duration at_share(const std::vector<Duration>& sorted, double share) {
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

double share_lost(std::uint64_t sent, std::uint64_t come) {
  return sent == 0 ? 0 : 1 - static_cast<double>(come) / static_cast<double>(sent);
}

// Of so few packets only a difference that chance does not make (three standard deviations) says which way is the worse one.
bool clearly_more(std::uint64_t lost, std::uint64_t other) {
  const double a = static_cast<double>(lost), b = static_cast<double>(other);
  return a - b > 3 * std::sqrt(a + b);
}

}  // namespace

PathFindings judge_echoes(const Result<Echoes>& echoes, Duration min_rtt) {
  PathFindings out{.rtt = {.check = "rtt"}, .loss = {.check = "loss"}};
  if (!echoes || echoes->sent == 0) {
    out.rtt.summary = out.loss.summary = echoes ? "no echo was sent" : fmt::format("broke off: {}", echoes.error());
    return out;
  }
  Finding& loss = out.loss;
  const double up = share_lost(echoes->sent, echoes->there), down = share_lost(echoes->there, echoes->back);
  loss.add("sent", static_cast<std::int64_t>(echoes->sent))
      .add("came_there", static_cast<std::int64_t>(echoes->there))
      .add("came_back", static_cast<std::int64_t>(echoes->back))
      .add("loss_up", up)
      .add("loss_down", down);
  const double worst = std::max(up, down);
  loss.status = worst >= kMuchLoss ? Status::problem : worst >= kSomeLoss ? Status::warning : Status::ok;
  loss.summary = fmt::format("{:.1f} % to the cloud, {:.1f} % back, of {} packets", up * 100, down * 100, echoes->sent);
  if (loss.status != Status::ok) {
    const std::uint64_t lost_up = echoes->sent - echoes->there, lost_down = echoes->there - echoes->back;
    loss.meaning = "The link sends what is lost again, and holds its rate; what waits for a lost packet comes a round trip later.";
    loss.advice = std::string("find where it is lost: ") +
                  (clearly_more(lost_up, lost_down)   ? "on the way to the cloud, so the uplink first; "
                   : clearly_more(lost_down, lost_up) ? "on the way from the cloud, so the downlink first; "
                                                      : "") +
                  "signal and load of the radio, a full queue (does it go away without traffic?), a bad cable; `mtr -u` shows the hop";
  }

  Finding& rtt = out.rtt;
  if (echoes->rtts.empty()) {
    rtt.status = Status::problem;
    rtt.summary = "no echo came back";
    rtt.meaning = "Small packets are lost altogether on one of the ways.";
    return out;
  }
  std::vector<Duration> sorted = echoes->rtts;
  std::ranges::sort(sorted);
  Duration changes{};
  for (std::size_t i = 1; i < echoes->rtts.size(); i++) changes += std::chrono::abs(echoes->rtts[i] - echoes->rtts[i - 1]);
  const Duration jitter = echoes->rtts.size() < 2 ? Duration{} : changes / static_cast<Duration::rep>(echoes->rtts.size() - 1);
  const Duration least = min_rtt > 0ns ? std::min(min_rtt, sorted.front()) : sorted.front();
  rtt.add("min_ms", milliseconds(least))
      .add("median_ms", milliseconds(at_share(sorted, 0.5)))
      .add("p99_ms", milliseconds(at_share(sorted, 0.99)))
      .add("max_ms", milliseconds(sorted.back()))
      .add("jitter_ms", milliseconds(jitter));
  rtt.summary = fmt::format("{:.1f} ms (least {:.1f}, 99 % under {:.1f}), jitter {:.1f} ms", milliseconds(at_share(sorted, 0.5)),
                            milliseconds(least), milliseconds(at_share(sorted, 0.99)), milliseconds(jitter));
  rtt.status = Status::ok;
  if (at_share(sorted, 0.5) >= kSlow) {
    rtt.status = Status::warning;
    rtt.meaning = "Each question costs such a round trip; a new TLS connection through the link three of them.";
    rtt.advice = "a satellite has this by nature; else look for a queue (is something else using the uplink?) or a detour";
  } else if (jitter >= kUneven) {
    rtt.status = Status::warning;
    rtt.meaning = "Packets come unevenly: calls and terminals feel it, downloads do not.";
    rtt.advice = "see whether the radio is busy, or something else fills the uplink's queue";
  }
  return out;
}

Finding judge_path_mtu(const net::SocketAddress& to, std::optional<std::size_t> knocked, std::size_t ours, std::size_t theirs) {
  Finding f{.check = "path-mtu"};
  const std::size_t heads = to.ip.is_v4() ? 28 : 48;  // IP and UDP
  const auto mtu = [heads](std::size_t payload) { return static_cast<std::int64_t>(payload + heads); };
  const std::size_t up = std::max(knocked.value_or(0), ours);
  if (knocked) f.add("mtu_up", mtu(*knocked)).add("payload_up", static_cast<std::int64_t>(*knocked));
  if (ours > 0) f.add("quic_payload_up", static_cast<std::int64_t>(ours));
  if (theirs > 0) f.add("mtu_down", mtu(theirs)).add("payload_down", static_cast<std::int64_t>(theirs));
  if (!knocked && ours == 0) {
    f.status = Status::problem;
    f.summary = fmt::format("packets of {} bytes do not get through", mtu(Knocker::kLeast));
    f.meaning = "QUIC needs 1200 bytes of UDP payload: the edge cannot connect.";
    f.advice = "see the MTU of each interface, tunnel and VPN on the way (`ip link`, `tracepath`); have it raised";
    return f;
  }
  const std::size_t least = theirs > 0 ? std::min(up, theirs) : up;
  f.status = least < kUsualPayload ? Status::warning : Status::ok;
  f.summary = fmt::format("{} bytes to the cloud", mtu(up));
  f.summary += theirs > 0 ? fmt::format(", {} back", mtu(theirs)) : ", not known back";
  if (f.status != Status::ok) {
    f.meaning =
        "The link finds this by itself and uses smaller packets: it works, with more overhead. Datagrams of an application that "
        "are larger go in a stream, if its rule allows that.";
    f.advice = "see which tunnel or device makes the path so narrow (`tracepath`), if that was not intended";
  }
  return f;
}

}  // namespace fairlead::doctor
