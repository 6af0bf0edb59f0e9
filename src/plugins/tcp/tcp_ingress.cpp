#include "plugins/tcp/tcp_ingress.h"

#include <fmt/format.h>

#include <map>

#include "plugins/tcp/flow_line.h"
#include "plugins/tcp/tcp_egress.h"

namespace fairlead::tcp {
namespace {

// For the far side to connect in. Users of TCP have nothing to say how long they would wait.
constexpr Duration kConnectTimeout = 10s;
// How often a connection that waits for a node looks for one.
constexpr Duration kLookForNodes = 100ms;

std::string node_text(const link::Destination& to) { return to.node ? to.node->value() : "cloud"; }

}  // namespace

struct TcpIngress::Rules {
  Rules(std::shared_ptr<const route::Snapshot> s, const route::NodeDirectory& nodes) : snapshot(std::move(s)), picker(snapshot, nodes) {}
  std::shared_ptr<const route::Snapshot> snapshot;
  route::Picker picker;
  std::map<net::SocketAddress, const route::TcpListener*> at;
};

// A connection on its way to the loop that will serve it. It owns all it needs: the rules may change meanwhile.
struct TcpIngress::Job {
  std::unique_ptr<net::Incoming> incoming;
  net::SocketAddress at;   // where it came in
  TimePoint wait_until{};  // for a node; TimePoint{}: not at all
  link::Destination to;
  wire::FlowOpen open;
  std::string listener, route;
  WallTime begun;
  TimePoint start;
};

TcpIngress::TcpIngress(net::Network& network, link::Peers& peers, const route::NodeDirectory& nodes, observe::AccessLog* access_log)
    : network_(network),
      peers_(peers),
      nodes_(nodes),
      access_log_(access_log),
      listeners_(network,
                 [this](std::unique_ptr<net::Incoming> incoming, const net::SocketAddress& at) { place(std::move(incoming), at); }),
      connections_(network.loop()) {}

TcpIngress::~TcpIngress() = default;

std::vector<net::Listeners::Failure> TcpIngress::apply(std::shared_ptr<const route::Snapshot> snapshot) {
  rules_ = std::make_shared<Rules>(std::move(snapshot), nodes_);
  std::vector<net::Listeners::Wanted> wanted;
  for (const route::TcpListener& rule : rules_->snapshot->tcp_listeners()) {
    rules_->at.emplace(rule.bind, &rule);
    wanted.push_back({rule.bind, fmt::format("Gateway {} listener {}", rule.gateway.to_text(), rule.name)});
  }
  return listeners_.listen_at(wanted, siblings_.size() > 1);
}

void TcpIngress::place(std::unique_ptr<net::Incoming> incoming, const net::SocketAddress& at) {
  counters_.accepted++;
  const route::TcpListener& rule = *rules_->at.at(at);
  Loop& loop = network_.loop();
  auto job = std::make_unique<Job>();
  job->at = at;
  job->begun = loop.wall_now();
  job->start = loop.now();
  job->wait_until = rule.policy.wait_for_link ? loop.now() + rule.policy.wait : TimePoint{};
  job->listener = fmt::format("{}/{}", rule.gateway.to_text(), rule.name);
  job->route = rule.route.value();
  job->open.plugin = std::string(TcpEgress::kPlugin);
  job->open.traffic_class = rule.policy.traffic_class;
  job->open.remaining = kConnectTimeout;
  job->open.source = incoming->peer().to_text();
  job->open.traceparent = observe::TraceContext::begin(loop.random(), false).to_text();
  job->incoming = std::move(incoming);
  send_home(std::move(job));
}

// Decides where the connection goes and hands it to the loop of that session. Dropping `incoming` resets it.
void TcpIngress::send_home(std::unique_ptr<Job> job) {
  if (!choose(*job)) {
    if (job->wait_until > network_.loop().now()) connections_.spawn(serve_later(std::move(job)));
    return;
  }
  const std::optional<LoopIndex> home = peers_.home(job->to);
  if (home && *home != peers_.loop_index() && home->value() < siblings_.size()) {
    const Sibling& other = siblings_[home->value()];
    other.loop->post(
        [ingress = other.ingress, moved = std::move(job)]() mutable { ingress->connections_.spawn(ingress->serve(std::move(moved))); });
  } else {
    connections_.spawn(serve(std::move(job)));
  }
}

// False when there is nobody: the job is refused, unless it may wait.
bool TcpIngress::choose(Job& job) {
  const auto rule = rules_->at.find(job.at);
  const auto refused = [&](link::FlowCode code, std::string message) {
    if (may_wait(job, code)) return false;
    job.wait_until = {};
    refuse(job, {.code = code, .refused = true, .message = std::move(message)});
    return false;
  };
  if (rule == rules_->at.end()) return refused(link::FlowCode::no_route, "the listener has gone while the connection waited");
  auto choice = rules_->picker.pick(*rule->second, network_.loop().random());
  if (!choice)
    return refused(choice.error().code() == Code::not_found ? link::FlowCode::no_route : link::FlowCode::link_down,
                   choice.error().describe());
  job.to = link::Destination{choice->node};
  job.open.backend = choice->backend->meta.key.to_text();
  job.open.target = choice->target->to_text();
  return true;
}

bool TcpIngress::may_wait(const Job& job, link::FlowCode why) const {
  return why == link::FlowCode::link_down && network_.loop().now() < job.wait_until;
}

void TcpIngress::refuse(const Job& job, link::SpliceEnd end) {
  counters_.refused++;
  write(access_log_, FlowLine{.side = "ingress",
                              .begun = job.begun,
                              .took = network_.loop().now() - job.start,
                              .node = job.open.target.empty() ? "" : node_text(job.to),
                              .listener = job.listener,
                              .route = job.route,
                              .open = &job.open,
                              .end = std::move(end)});
}

// The node may be another one by then, and its session on another loop.
Task<void> TcpIngress::serve_later(std::unique_ptr<Job> job) {
  co_await network_.loop().sleep(kLookForNodes);
  send_home(std::move(job));
}

Task<void> TcpIngress::serve(std::unique_ptr<Job> job) {
  auto flow = co_await peers_.open(job->to, job->open);
  if (!flow) {
    if (may_wait(*job, flow.error().code) && flow.error().delivered == link::Delivered::no)
      connections_.spawn(serve_later(std::move(job)));
    else
      refuse(*job, {.code = flow.error().code, .by_flow = true, .refused = true, .message = flow.error().message});
    co_return;
  }
  FlowLine line{.side = "ingress", .begun = job->begun, .listener = job->listener, .route = job->route, .open = &job->open};
  line.node = node_text(job->to);
  std::unique_ptr<net::Stream> socket = network_.adopt(std::move(job->incoming));
  line.flow = (*flow)->id();
  line.end = co_await link::splice_opened(**flow, *socket);
  line.bytes_in = (*flow)->bytes_out();
  line.bytes_out = (*flow)->bytes_in();
  if (line.end.refused) counters_.refused++;
  line.took = network_.loop().now() - job->start;
  write(access_log_, line);
}

}  // namespace fairlead::tcp
