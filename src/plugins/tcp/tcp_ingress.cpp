#include "plugins/tcp/tcp_ingress.h"

#include <fmt/format.h>

#include "base/log.h"
#include "plugins/tcp/flow_line.h"
#include "plugins/tcp/tcp_egress.h"

namespace fairlead::tcp {
namespace {

// For the far side to connect in. Users of TCP have nothing to say how long they would wait.
constexpr Duration kConnectTimeout = 10s;
// Out of descriptors: others need some time to end.
constexpr Duration kAcceptPause = 50ms;

}  // namespace

struct TcpIngress::Rules {
  Rules(std::shared_ptr<const route::Snapshot> s, const route::NodeDirectory& nodes) : snapshot(std::move(s)), picker(snapshot, nodes) {}
  std::shared_ptr<const route::Snapshot> snapshot;
  route::Picker picker;
};

struct TcpIngress::Listening {
  explicit Listening(Loop& loop) : accepting(loop) {}
  const route::TcpListener* rule = nullptr;  // of the current rules
  std::unique_ptr<net::Listener> listener;
  Scope accepting;
};

// A connection on its way to the loop that will serve it. It owns all it needs: the rules may change meanwhile.
struct TcpIngress::Job {
  std::unique_ptr<net::Incoming> incoming;
  link::Destination to;
  wire::FlowOpen open;
  std::string listener, route;
  WallTime begun;
  TimePoint start;
};

TcpIngress::TcpIngress(net::Network& network, link::Peers& peers, const route::NodeDirectory& nodes, observe::AccessLog* access_log)
    : network_(network), peers_(peers), nodes_(nodes), access_log_(access_log), connections_(network.loop()) {}

TcpIngress::~TcpIngress() = default;

void TcpIngress::stop_listening() { listening_.clear(); }

std::vector<TcpIngress::Failure> TcpIngress::apply(std::shared_ptr<const route::Snapshot> snapshot) {
  std::vector<Failure> failed;
  rules_ = std::make_shared<Rules>(std::move(snapshot), nodes_);
  std::map<net::SocketAddress, std::unique_ptr<Listening>> before = std::exchange(listening_, {});
  // What is gone is closed first: its port may be asked for by another address of the new rules.
  for (const route::TcpListener& rule : rules_->snapshot->tcp_listeners())
    if (auto same = before.find(rule.bind); same != before.end()) {
      same->second->rule = &rule;
      listening_.insert(before.extract(same));
    }
  before.clear();
  for (const route::TcpListener& rule : rules_->snapshot->tcp_listeners()) {
    if (listening_.contains(rule.bind)) continue;
    auto listener = network_.listen(rule.bind, {.reuse_port = siblings_.size() > 1});
    if (!listener) {
      failed.push_back(
          {rule.bind, Error::wrap(fmt::format("Gateway {} listener {}: listen at {}", rule.gateway.to_text(), rule.name, rule.bind),
                                  listener.error())});
      continue;
    }
    auto at = std::make_unique<Listening>(network_.loop());
    at->rule = &rule;
    at->listener = *std::move(listener);
    at->accepting.spawn(accept_on(*at));
    listening_.emplace(rule.bind, std::move(at));
  }
  return failed;
}

Task<void> TcpIngress::accept_on(Listening& at) {
  for (;;) {
    auto incoming = co_await at.listener->accept();
    if (!incoming) {
      log::warn("tcp", "accept at {}: {}", at.listener->local(), incoming.error());
      co_await network_.loop().sleep(kAcceptPause);
      continue;
    }
    counters_.accepted++;
    place(*std::move(incoming), at);
  }
}

// Decides where the connection goes and hands it to the loop of that session. Dropping `incoming` resets it.
void TcpIngress::place(std::unique_ptr<net::Incoming> incoming, const Listening& at) {
  Loop& loop = network_.loop();
  auto job = std::make_unique<Job>();
  job->begun = loop.wall_now();
  job->start = loop.now();
  job->listener = fmt::format("{}/{}", at.rule->gateway.to_text(), at.rule->name);
  job->route = at.rule->route.value();
  job->open.plugin = std::string(TcpEgress::kPlugin);
  job->open.remaining = kConnectTimeout;
  job->open.source = incoming->peer().to_text();
  job->open.traceparent = observe::TraceContext::begin(loop.random(), false).to_text();

  auto choice = rules_->picker.pick(*at.rule, loop.random());
  if (!choice) {
    counters_.refused++;
    write(access_log_,
          FlowLine{.side = "ingress",
                   .begun = job->begun,
                   .listener = job->listener,
                   .route = job->route,
                   .open = &job->open,
                   .end = {.code = choice.error().code() == Code::not_found ? link::FlowCode::no_route : link::FlowCode::link_down,
                           .refused = true,
                           .message = choice.error().describe()}});
    return;
  }
  job->incoming = std::move(incoming);
  job->to = link::Destination{choice->node};
  job->open.backend = choice->backend->meta.key.to_text();
  job->open.target = choice->target->to_text();

  const std::optional<LoopIndex> home = peers_.home(job->to);
  if (home && *home != peers_.loop_index() && home->value() < siblings_.size()) {
    const Sibling& other = siblings_[home->value()];
    other.loop->post(
        [ingress = other.ingress, moved = std::move(job)]() mutable { ingress->connections_.spawn(ingress->serve(std::move(moved))); });
  } else {
    connections_.spawn(serve(std::move(job)));
  }
}

Task<void> TcpIngress::serve(std::unique_ptr<Job> job) {
  Loop& loop = network_.loop();
  std::unique_ptr<net::Stream> socket = network_.adopt(std::move(job->incoming));
  FlowLine line{.side = "ingress", .begun = job->begun, .listener = job->listener, .route = job->route, .open = &job->open};
  line.node = job->to.node ? job->to.node->value() : "cloud";

  auto flow = co_await peers_.open(job->to, job->open);
  if (!flow) {
    socket->reset();
    line.end = {.code = flow.error().code, .by_flow = true, .refused = true, .message = flow.error().message};
  } else {
    line.flow = (*flow)->id();
    line.end = co_await link::splice_opened(**flow, *socket);
    line.bytes_in = (*flow)->bytes_out();
    line.bytes_out = (*flow)->bytes_in();
  }
  if (line.end.refused) counters_.refused++;
  line.took = loop.now() - job->start;
  write(access_log_, line);
}

}  // namespace fairlead::tcp
