#include "plugins/udp/association.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugins/udp/batch_sender.h"
#include "plugins/udp/udp_egress.h"
#include "wire/udp_message.h"

namespace fairlead::udp {
namespace {

// Whether the endpoint is to blame, rather than the client, this side, or a limit.
bool is_of_endpoint(link::FlowCode code) {
  using enum link::FlowCode;
  return code == unreachable || code == refused || code == deadline || code == reset || code == internal;
}

bool same_place(const route::Backend& a, const route::Backend& b) {
  if (a.meta.key != b.meta.key || a.location.index() != b.location.index()) return false;
  const auto* x = std::get_if<route::NodeChoice>(&a.location);
  return x == nullptr || x->by == std::get<route::NodeChoice>(b.location).by;
}

}  // namespace

Association::Association(Ground& ground, std::shared_ptr<Rules> rules, const route::UdpListener& rule,
                         std::shared_ptr<net::DatagramSocket> socket, const net::SocketAddress& client, const net::IpAddress& local)
    : ground_(ground),
      rules_(std::move(rules)),
      rule_(rule),
      socket_(std::move(socket)),
      client_(client),
      local_(local),
      begun_(ground.loop.wall_now()),
      start_(ground.loop.now()),
      idle_(rule.policy.idle),
      last_(start_),
      changed_(ground.loop),
      idle_timer_(ground.loop, [this] { look_if_idle(); }),
      serving_(ground.loop) {
  ground_.counters.associations++;
  line_ = {.side = "ingress",
           .begun = begun_,
           .listener = fmt::format("{}/{}", rule.gateway.to_text(), rule.name),
           .route = rule.route.value(),
           .open = &open_,
           .tries = 0};
  open_.plugin = std::string(UdpEgress::kPlugin);
  open_.traffic_class = rule.policy.traffic_class;
  open_.remaining = kOpenTimeout;
  open_.traceparent = observe::TraceContext::begin(ground.loop.random(), false).to_text();
  open_.head = wire::encode(wire::UdpOpen{.idle = rule.policy.idle, .large_in_stream = rule.policy.large_in_stream});
  open_.source = client.to_text();
  open_.datagrams = true;
}

Association::~Association() { forget_kept(); }

void Association::take(Bytes datagram) {
  last_ = ground_.loop.now();
  ground_.counters.datagrams_in++;
  ground_.counters.bytes_in += datagram.size();
  line_.datagrams_in++;
  line_.bytes_in += datagram.size();
  if (end_) {
    ground_.counters.unserved++;
    return;
  }
  if (!accepted_) keep(datagram);
  if (!channel_) return;
  channel_->send(datagram);
  count_drops();
}

void Association::keep(Bytes datagram) {
  if (first_.size() >= kMaxFirst || ground_.kept + datagram.size() > kMaxKept) {
    if (!channel_) ground_.counters.unserved++;
    return;
  }
  first_.emplace_back(datagram.begin(), datagram.end());
  first_bytes_ += datagram.size();
  ground_.kept += datagram.size();
}

void Association::forget_kept() {
  ground_.kept -= std::exchange(first_bytes_, 0);
  first_.clear();
}

void Association::finish(End end) {
  if (!end_) end_ = std::move(end);
  changed_.wake_all();
}

void Association::end(std::string why) { finish({.message = std::move(why)}); }

void Association::end_soon(Duration idle, Duration limit, std::string why) {
  idle_ = std::min(idle_, idle);
  limit_ = std::min(limit_.value_or(TimePoint::max()), ground_.loop.now() + limit);
  why_idle_ = std::move(why);
  look_if_idle();
}

void Association::look_if_idle() {
  const TimePoint end = std::min(last_ + idle_, limit_.value_or(TimePoint::max()));
  if (end > ground_.loop.now()) return idle_timer_.arm(end);
  finish({.message = why_idle_});
}

bool Association::agrees_with(const route::UdpListener& rule, const route::Snapshot& snapshot) const {
  if (endpoint_.backend == nullptr) return rule.route == rule_.route;
  return std::ranges::any_of(rule.backends, [&](const route::WeightedBackend& share) {
    if (share.weight == 0 || !share.backend) return false;
    const route::Backend& backend = snapshot.backend(*share.backend);
    return same_place(backend, *endpoint_.backend) && std::ranges::any_of(share.targets, [&](std::uint32_t i) {
             return backend.targets[i].port == endpoint_.target->port && backend.targets[i].host == endpoint_.target->host;
           });
  });
}

Task<void> Association::run() {
  idle_timer_.arm(last_ + idle_);
  serving_.spawn(serve());
  while (!end_) co_await changed_.wait();
  serving_.cancel_now();
  const bool good = end_->code == link::FlowCode::ok;
  if (flow_) {
    if (good)
      static_cast<void>(flow_->shut());
    else if (!end_->by_flow)
      flow_->abort(end_->code);
    lease_.report(good && accepted_            ? route::Outcome::success
                  : is_of_endpoint(end_->code) ? route::Outcome::failure
                                               : route::Outcome::cancelled);
  }
  end_channel();
  if (end_->refused) ground_.counters.unserved += first_.size();
  forget_kept();
  tell();
  if (!end_->refused) co_return;
  ground_.counters.refused++;
  co_await ground_.loop.sleep(kSulk);
}

Task<void> Association::serve() {
  std::optional<link::Refusal> last;
  for (;;) {
    auto pick =
        rules_->balancer.pick(route::PickForClient{.route = rule_.route, .backends = rule_.backends, .client = client_, .tried = tried_},
                              ground_.loop.now(), ground_.loop.random());
    if (!pick && last) break;
    if (!pick) {
      const link::FlowCode code = pick.error().code() == Code::not_found    ? link::FlowCode::no_route
                                  : pick.error().code() == Code::overloaded ? link::FlowCode::overloaded
                                                                            : link::FlowCode::link_down;
      finish({.code = code, .refused = true, .message = pick.error().describe()});
      co_return;
    }
    endpoint_ = pick->endpoint;
    lease_ = std::move(pick->lease);
    line_.node = endpoint_.node ? endpoint_.node->value() : "cloud";
    line_.tries++;
    if (last) ground_.counters.retries++;
    open_.backend = endpoint_.backend->meta.key.to_text();
    open_.target = endpoint_.target->to_text();

    auto trying = attempt();
    auto refusal = co_await trying;
    if (!refusal) co_return;
    lease_.report(is_of_endpoint(refusal->code) ? route::Outcome::failure : route::Outcome::cancelled);
    tried_.push_back(endpoint_);
    last = std::move(refusal);
    if (last->delivered != link::Delivered::no || tried_.size() >= kTries) break;
  }
  finish({.code = last->code, .by_flow = true, .refused = true, .message = std::move(last->message)});
}

// One try, to its end: nothing, or why it was refused.
Task<std::optional<link::Refusal>> Association::attempt() {
  const link::Destination to{endpoint_.node};
  auto flow = co_await ground_.peers.open(to, open_);
  if (!flow) co_return flow.error();
  flow_ = *std::move(flow);
  line_.flow = flow_->id();
  channel_ = std::make_unique<link::DatagramChannel>(*flow_, rule_.policy.large_in_stream);
  for (const std::vector<std::byte>& datagram : first_) channel_->send(datagram);

  // Answers need not wait for the reply, which may come behind them.
  Scope answering(ground_.loop);
  answering.spawn(answers());
  auto reply = co_await flow_->reply();
  if (!reply) {
    answering.cancel_now();
    end_channel();
    co_return reply.error();
  }
  accepted_ = true;
  forget_kept();
  channel_->read_stream();
  co_await answering.done();
  finish({.code = link::FlowCode::link_down, .by_flow = true, .message = "the session is over"});  // unless they have said why
  co_return std::nullopt;
}

Task<void> Association::answers() {
  const std::uint32_t wanted = rule_.policy.answers;
  for (;;) {
    auto arrived = co_await channel_->arrived();
    if (!arrived) break;
    BatchSender out(*socket_, client_, local_);
    while (std::optional<link::ReceivedDatagram> datagram = channel_->take()) {
      ground_.counters.datagrams_out++;
      ground_.counters.bytes_out += datagram->payload().size();
      out.add(datagram->payload());
    }
    out.flush();
    line_.dropped += out.dropped();
    ground_.counters.pushed_out += out.dropped();
    count_drops();
    last_ = ground_.loop.now();
    if (wanted > 0 && line_.datagrams_out + channel_->counters().received >= line_.datagrams_in * wanted) {
      finish({.message = "answered"});
      co_return;
    }
  }
  if (!accepted_) co_return;  // the reply tells
  if (channel_->shut_by_peer())
    finish({.by_flow = true, .message = "ended by the other side"});
  else
    finish({.code = flow_->peer_code(), .by_flow = true, .message = "the flow was broken off"});
}

void Association::count_drops() {
  const link::DatagramChannel::Counters now = channel_->counters();
  ground_.counters.too_large += now.too_large - std::exchange(too_large_, now.too_large);
  ground_.counters.pushed_out += now.pushed_out - std::exchange(pushed_out_, now.pushed_out);
}

void Association::end_channel() {
  if (!channel_) return;
  count_drops();
  const link::DatagramChannel::Counters counted = channel_->counters();
  line_.datagrams_out += counted.received;
  line_.bytes_out += counted.bytes_received;
  line_.dropped += counted.too_large + counted.pushed_out;
  too_large_ = pushed_out_ = 0;
  channel_.reset();
  flow_.reset();
}

void Association::tell() {
  line_.end = *end_;
  line_.took = ground_.loop.now() - start_;
  write(ground_.access_log, line_);
}

}  // namespace fairlead::udp
