#include "doctor/doctor_egress.h"

#include <fmt/format.h>

#include "base/log.h"
#include "pki/printable.h"
#include "runtime/scope.h"

namespace fairlead::doctor {
namespace {

constexpr std::size_t kMaxTarget = 512;

// Ends when the asking side has gone away.
Task<void> examine_into(net::Network& network, Order order, std::optional<Report>& into, WaitQueue& done) {
  into = co_await examine(network, std::move(order));
  done.wake_all();
}
Task<void> until_broken(link::Flow& flow, bool& gone, WaitQueue& done) {
  Error why = co_await flow.broken();
  log::debug("doctor", "whoever asked for an examination is gone: {}", why);
  gone = true;
  done.wake_all();
}

}  // namespace

std::string target_text(bool thorough, const std::set<std::string>& only) {
  std::string text = thorough ? "thorough" : "quick";
  for (const std::string& check : only) text += "," + check;
  return text;
}

Result<Target> parse_target(std::string_view text) {
  if (text.size() > kMaxTarget) return fail(Code::too_large, "an examination named with {} bytes", text.size());
  Target target;
  bool first = true;
  for (std::size_t at = 0; at <= text.size(); first = false) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    at = end + 1;
    if (first) {
      if (word != "quick" && word != "thorough")
        return fail(Code::invalid, "an examination is quick or thorough, not \"{}\"", pki::printable(word));
      target.thorough = word == "thorough";
    } else if (is_check(word)) {
      target.only.emplace(word);
    } else {
      return fail(Code::invalid, "there is no check \"{}\" here", pki::printable(word));
    }
  }
  return target;
}

Target parse_query(std::string_view query) {
  constexpr std::string_view kCheck = "check=";
  Target target;
  for (std::size_t at = 0; at < query.size();) {
    const std::size_t end = std::min(query.find('&', at), query.size());
    const std::string_view word = query.substr(at, end - at);
    at = end + 1;
    if (word == "thorough=1") target.thorough = true;
    if (word.starts_with(kCheck) && is_check(word.substr(kCheck.size()))) target.only.emplace(word.substr(kCheck.size()));
  }
  return target;
}

Task<void> DoctorEgress::serve(std::unique_ptr<link::Flow> flow) {
  auto target = parse_target(flow->head().target);
  std::optional<link::Refusal> no;
  if (!target) no = link::Refusal{link::FlowCode::unsupported, link::Delivered::no, target.error().describe()};
  if (busy_) no = link::Refusal{link::FlowCode::overloaded, link::Delivered::no, "the node is examining itself already"};
  if (no) {
    auto refusing = flow->refuse(*std::move(no));
    co_await refusing;
    co_return;
  }
  struct Busy {
    explicit Busy(bool& b) : busy(b) { busy = true; }
    ~Busy() { busy = false; }
    bool& busy;
  } busy(busy_);
  auto accepted = co_await flow->accept();
  if (!accepted) co_return;
  Order order = make_order_();
  if (target->thorough) order.effort = Effort::thorough();
  order.only = std::move(target->only);
  log::info("doctor", "the cloud asks this node to examine itself ({})", flow->head().target);
  std::optional<Report> report;
  bool gone = false;
  WaitQueue done(flow->loop());
  {
    Scope work(flow->loop());
    work.spawn(examine_into(network_, std::move(order), report, done));
    work.spawn(until_broken(*flow, gone, done));
    while (!report && !gone) co_await done.wait();
  }
  if (!report) co_return;
  const std::string text = report_json(*report);
  auto written = co_await flow->write(as_bytes(text));
  if (written) static_cast<void>(flow->shut());
}

}  // namespace fairlead::doctor
