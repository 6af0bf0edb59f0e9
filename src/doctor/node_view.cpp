#include "doctor/node_view.h"

#include <fmt/format.h>

#include "doctor/doctor_egress.h"
#include "runtime/timer.h"

namespace fairlead::doctor {
namespace {

constexpr Duration kQuickPatience = 3min, kThoroughPatience = 5min;  // twice what an examination takes
constexpr std::size_t kMaxReport = 256_KiB;                          // some 10 KiB
constexpr Duration kCertificateEndsSoon = 24h * 30;

Finding judge_session(const NodeView& view) {
  Finding f{.check = "session"};
  f.add("connected", view.connected).add("state", view.connected ? view.state : "gone").add("address", view.address);
  if (view.since != WallTime()) f.add("since", to_rfc3339(view.since));
  if (!view.software.empty()) f.add("software", view.software);
  if (!view.known) {
    f.status = Status::problem;
    f.summary = fmt::format("node {} has never connected to this cloud", view.node);
    f.meaning = "It has no certificate here, or another name, or has not reached this cloud since it was started.";
    f.advice = "see `fairlead node list`; run `fairlead doctor` on the edge";
  } else if (!view.connected) {
    f.status = Status::problem;
    f.summary = view.since == WallTime() ? fmt::format("node {} has not connected since this cloud was started", view.node)
                                         : fmt::format("node {} is gone since {}: {}", view.node, to_rfc3339(view.since), view.reason);
    f.add("reason", view.reason);
    f.meaning = "From here nothing more can be found out.";
    f.advice = "see that the machine is on; run `fairlead doctor` on the edge, and look at its log";
  } else {
    f.add("transport", view.transport).add("silent_ms", milliseconds(view.silent));
    f.add("bytes_in", static_cast<std::int64_t>(view.carrier->bytes_received))
        .add("bytes_out", static_cast<std::int64_t>(view.carrier->bytes_sent));
    f.status = view.state == "suspect" ? Status::problem : Status::ok;
    f.summary = fmt::format("{}, connected since {} from {} over {}, {}; heard {:.1f} s ago", view.state, to_rfc3339(view.since),
                            view.address, view.transport, view.software, milliseconds(view.silent) / 1000);
    if (view.state == "suspect") {
      f.meaning = "What was sent to the node is not answered: its link is down at this moment, or the machine is off.";
      f.advice = "wait for its return; if that lasts, look at the node's uplink";
    }
  }
  return f;
}

Finding judge_carrier(const net::MuxStats& carrier) {
  const double loss = carrier.packets_sent == 0 ? 0 : static_cast<double>(carrier.packets_lost) / static_cast<double>(carrier.packets_sent);
  Finding f{.check = "session-path"};
  f.add("rtt_ms", milliseconds(carrier.rtt)).add("min_rtt_ms", milliseconds(carrier.min_rtt)).add("loss", loss);
  f.add("packets_sent", static_cast<std::int64_t>(carrier.packets_sent));
  f.status = loss >= 0.1 ? Status::problem : loss >= 0.01 ? Status::warning : Status::ok;
  f.summary = fmt::format("round trip {:.1f} ms (least {:.1f}), {:.2f} % of what was sent to the node was lost", milliseconds(carrier.rtt),
                          milliseconds(carrier.min_rtt), loss * 100);
  if (f.status != Status::ok) {
    f.meaning = "The session's own count since it began; a full queue at the narrowest place loses packets, too, while much is sent.";
    f.advice = "see the finding `loss` of the node, which is measured with little traffic";
  }
  return f;
}

Task<Result<std::string>> read_all(link::Flow& flow) {
  auto reply = co_await flow.reply();
  if (!reply) co_return std::unexpected(link::to_error(reply.error()));
  std::string text;
  for (;;) {
    auto bytes = co_await flow.peek();
    if (!bytes) co_return std::unexpected(bytes.error());
    if (bytes->empty()) co_return text;
    if (text.size() + bytes->size() > kMaxReport) co_return fail(Code::too_large, "the node's report is larger than {} bytes", kMaxReport);
    text += as_text(*bytes);
    flow.consume(bytes->size());
  }
}

std::vector<Finding> not_examined(const Error& error) {
  Finding f{.check = "examination"};
  f.summary = fmt::format("the node has not examined itself: {}", error);
  if (error.code() == Code::unsupported) {
    f.meaning = "It is older than this cloud and cannot.";
    f.advice = "upgrade the node; or run its own means on it";
  } else {
    f.advice = "try again; or run `fairlead doctor` on the edge";
  }
  return {std::move(f)};
}

}  // namespace

std::vector<Finding> judge_node(const NodeView& view, WallTime now) {
  std::vector<Finding> all;
  all.push_back(judge_session(view));
  if (!view.connected) return all;
  all.push_back(judge_carrier(*view.carrier));
  if (view.udp_payload > 0) {
    Finding mtu{.check = "session-mtu", .status = Status::ok};
    mtu.add("payload_down", static_cast<std::int64_t>(view.udp_payload));
    mtu.summary = fmt::format("UDP payloads of {} bytes get to the node", view.udp_payload);
    all.push_back(std::move(mtu));
  }
  if (view.certificate_ends) {
    Finding f{.check = "session-certificate", .status = Status::ok};
    const Duration left = std::chrono::duration_cast<Duration>(*view.certificate_ends - now);
    f.add("not_after", to_rfc3339(*view.certificate_ends)).add("days_left", std::chrono::duration<double>(left).count() / 86'400);
    f.summary = fmt::format("the node's certificate is good until {}", to_rfc3339(*view.certificate_ends));
    if (left < kCertificateEndsSoon) {
      f.status = Status::warning;
      f.meaning = "When it expires the session ends. A node renews long before, unless its lifetime is short by choice.";
      f.advice = "see the node's log for what it says of the renewal";
    }
    all.push_back(std::move(f));
  }
  return all;
}

Task<std::vector<Finding>> ask_node(link::Peers& peers, Loop& loop, NodeName node, bool thorough, std::set<std::string> only) {
  const Duration patience = thorough ? kThoroughPatience : kQuickPatience;
  wire::FlowOpen open{.plugin = std::string(kDoctorPlugin),
                      .target = target_text(thorough, only),
                      .traffic_class = wire::TrafficClass::management,
                      .remaining = patience};
  auto flow = co_await peers.open(link::Destination::to(std::move(node)), std::move(open));
  if (!flow) co_return not_examined(link::to_error(flow.error()));
  static_cast<void>((*flow)->shut());
  auto text = co_await with_deadline<std::string>(loop, loop.now() + patience, "wait for the node's report", read_all(**flow));
  if (!text) co_return not_examined(text.error());
  auto report = report_from_json(*text);
  if (!report) co_return not_examined(report.error());
  co_return std::move(report->findings);
}

}  // namespace fairlead::doctor
