// How much the way carries, over UDP as the link does it and over TCP beside it: much less over UDP means that somebody holds UDP back.
#include <fmt/format.h>

#include "doctor/checks.h"
#include "runtime/loop.h"

namespace fairlead::doctor {
namespace {

// UDP gets less than this share of TCP, and TCP gets something worth throttling.
constexpr double kThrottled = 0.5;
constexpr double kWorthThrottling = 2;  // Mbit/s
// An interactive use of several at once is no joy below this.
constexpr double kNarrow = 1;

std::optional<double> mbit(const Result<Transferred>& t) {
  if (!t || t->steady.time <= 0ns) return std::nullopt;
  return t->steady.mbit();
}

std::string text(std::optional<double> rate) { return rate ? fmt::format("{:.1f}", *rate) : "?"; }

bool throttled(std::optional<double> udp, std::optional<double> tcp) {
  return udp && tcp && *tcp >= kWorthThrottling && *udp < kThrottled * *tcp;
}

// The cloud may not have seen yet that the transfer before is over, and serves one of a node at a time.
constexpr int kTries = 5;
constexpr Duration kPause = 500ms;
bool is_busy(const Result<Transferred>& t) { return !t && t.error().code() == Code::overloaded; }

}  // namespace

Task<Speeds> measure_speeds(Loop& loop, ProbeLine& line, Effort effort) {
  Speeds speeds;
  for (int i = 0; i < kTries && is_busy(speeds.down); i++) {
    if (i > 0) co_await loop.sleep(kPause);
    speeds.down = co_await line.down(effort.transfer_bytes, effort.transfer_time);
  }
  for (int i = 0; i < kTries && is_busy(speeds.up); i++) {
    if (i > 0) co_await loop.sleep(kPause);
    speeds.up = co_await line.up(effort.transfer_bytes, effort.transfer_time);
  }
  co_return speeds;
}

Finding judge_throughput(const Speeds& udp, const Speeds& tcp) {
  Finding f{.check = "throughput"};
  const auto udp_up = mbit(udp.up), udp_down = mbit(udp.down), tcp_up = mbit(tcp.up), tcp_down = mbit(tcp.down);
  const std::pair<const char*, std::optional<double>> all[] = {
      {"udp_up_mbit", udp_up}, {"udp_down_mbit", udp_down}, {"tcp_up_mbit", tcp_up}, {"tcp_down_mbit", tcp_down}};
  for (const auto& [key, rate] : all)
    if (rate) f.add(key, *rate);
  if (!udp_up && !udp_down) {
    const Result<Transferred>& why = udp.down ? udp.up : udp.down;
    f.summary = why ? "too little came to tell" : fmt::format("not measured: {}", why.error());
    return f;
  }
  f.summary = fmt::format("UDP {} Mbit/s to the cloud, {} back", text(udp_up), text(udp_down));
  f.status = Status::ok;
  if (!tcp_up && !tcp_down) {
    const Result<Transferred>& why = tcp.down ? tcp.up : tcp.down;
    f.summary += fmt::format("; not compared with TCP: {}", why ? "too little came to tell" : why.error().describe());
    f.meaning = "Whether somebody on the way holds UDP back is not known.";
  } else {
    f.summary += fmt::format("; TCP {} and {}", text(tcp_up), text(tcp_down));
    const bool up = throttled(udp_up, tcp_up), down = throttled(udp_down, tcp_down);
    f.add("udp_throttled", up || down);
    if (up || down) {
      f.status = Status::problem;
      f.meaning = fmt::format("UDP gets much less than TCP{}: a provider or a firewall holds UDP back.", up && down ? ""
                                                                                                         : up       ? " to the cloud"
                                                                                                                    : " from the cloud");
      f.advice =
          "have the limit on UDP lifted for the cloud's address; look for QoS, flood protection or \"UDP rate limit\" in the firewall";
      return f;
    }
  }
  if ((udp_up && *udp_up < kNarrow) || (udp_down && *udp_down < kNarrow)) {
    f.status = Status::warning;
    f.meaning = "Little for a link: images and logs will take their time; what is interactive goes first." +
                std::string(f.meaning.empty() ? "" : " ") + f.meaning;
    f.advice = "see what else uses the line, and what was ordered";
  }
  return f;
}

}  // namespace fairlead::doctor
