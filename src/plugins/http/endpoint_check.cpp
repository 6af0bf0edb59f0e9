#include "plugins/http/endpoint_check.h"

#include <fmt/format.h>

#include <chrono>

#include "base/log.h"
#include "plugins/http/forwarding.h"
#include "plugins/http/payload.h"
#include "runtime/timer.h"
#include "wire/http_message.h"

namespace fairlead::http_plugin {
namespace {

// Of an interval, more or less: so that checks which began together do not stay together.
constexpr double kJitter = 0.1;
// Of an answer that is read, so that the connection can be used again; a longer one is left.
constexpr std::size_t kMaxAnswer = 64_KiB;

// One of those that may be under way.
class Turn {
 public:
  explicit Turn(Checking& shared) : shared_(shared) { shared_.under_way++; }
  ~Turn() {
    shared_.under_way--;
    shared_.turn.wake_one();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Checking& shared_;
};

}  // namespace

Result<CheckPlan> make_check_plan(const route::Backend& backend, const route::Target& target) {
  const route::ActiveCheck& check = *backend.health.active;
  const std::string host = check.host.empty() ? target.to_text() : check.host;
  http::Request request{
      .method = "GET", .scheme = "http", .authority = host, .target = check.path, .fields = {}, .body = {}, .upgrade = {}};
  request.fields.add("User-Agent", "fairlead-health-check");
  request.fields.add("Accept", "*/*");
  TRY_ASSIGN(std::string head, wire::encode_http_request(request, service_of(backend)));
  return CheckPlan{std::move(head),     check.interval,     check.timeout,    check.unhealthy_after,
                   check.healthy_after, check.status_first, check.status_last};
}

EndpointCheck::EndpointCheck(Checking& shared, std::string backend, std::shared_ptr<route::EndpointState> state, CheckPlan plan)
    : shared_(shared), backend_(std::move(backend)), state_(std::move(state)), plan_(std::move(plan)), task_(shared.loop) {
  task_.spawn(run());
}

EndpointCheck::~EndpointCheck() {
  task_.cancel_now();
  state_->set_health(true, "");
}

void EndpointCheck::set_plan(CheckPlan plan) {
  plan_ = std::move(plan);
  good_ = bad_ = 0;
  task_.cancel_now();
  task_.spawn(run());
}

Task<void> EndpointCheck::run() {
  for (;;) {
    while (shared_.under_way >= kMaxChecksAtOnce) co_await shared_.turn.wait();
    // Without a session there is nothing to find out.
    if (shared_.peers.home(link::Destination{state_->name.node})) {
      const Turn turn(shared_);
      const TimePoint deadline = shared_.loop.now() + plan_.timeout;
      auto status = co_await with_deadline<unsigned>(shared_.loop, deadline, "health check", ask());
      judge(status);
    }
    const double jitter = 1 + kJitter * (2 * shared_.loop.random().unit() - 1);
    co_await shared_.loop.sleep(std::chrono::duration_cast<Duration>(plan_.interval * jitter));
  }
}

Task<Result<unsigned>> EndpointCheck::ask() {
  wire::FlowOpen open{.plugin = std::string(kPlugin),
                      .backend = backend_,
                      .target = state_->name.target,
                      .traffic_class = wire::TrafficClass::background,
                      .remaining = plan_.timeout,
                      .traceparent = {},
                      .head = plan_.head,
                      .source = {}};
  link::Destination to{state_->name.node};
  auto flow = co_await shared_.peers.open(std::move(to), std::move(open));
  if (!flow) co_return std::unexpected(link::to_error(flow.error()));
  RecordWriter writer(**flow);
  const http::Fields no_trailers;
  auto ended = co_await writer.finish(no_trailers);
  if (!ended) co_return std::unexpected(ended.error());
  auto reply = co_await (*flow)->reply();
  if (!reply) co_return std::unexpected(link::to_error(reply.error()));
  RecordReader reader(**flow);
  unsigned status = 0;
  for (std::size_t read = 0; read <= kMaxAnswer;) {
    auto event = co_await reader.next();
    if (!event) co_return std::unexpected(event.error());
    if (event->type == RecordType::head) status = reader.response().status;
    if (event->type == RecordType::end) break;
    if (event->type != RecordType::data) continue;
    read += event->data.size();
    reader.consume(event->data.size());
  }
  co_return status;
}

void EndpointCheck::judge(const Result<unsigned>& status) {
  shared_.counters.checks++;
  const bool good = status && *status >= plan_.status_first && *status <= plan_.status_last;
  shared_.counters.failed += !good;
  good_ = good ? good_ + 1 : 0;
  bad_ = good ? 0 : bad_ + 1;
  const bool healthy = state_->healthy.load(std::memory_order_relaxed);
  const bool now = healthy ? bad_ < plan_.unhealthy_after : good_ >= plan_.healthy_after;
  const std::string why = good ? "" : status ? fmt::format("status {}", *status) : status.error().describe();
  // While it is out, why stays to be seen.
  if (!good || now) state_->set_health(now, why);
  if (now == healthy) return;
  const std::string node = state_->name.node ? state_->name.node->value() : "cloud";
  if (now)
    log::info("http", "Backend {}: {} at {} is well again", backend_, state_->name.target, node);
  else
    log::warn("http", "Backend {}: {} at {} is not well: {}", backend_, state_->name.target, node, why);
}

}  // namespace fairlead::http_plugin
