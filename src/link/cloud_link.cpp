#include "link/cloud_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "base/log.h"
#include "h2/endpoint.h"
#include "link/remote_flow.h"

namespace fairlead::link {
namespace {

std::int64_t unix_ms(WallTime at) { return std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count(); }

// How far the two clocks may differ before it is worth a word.
constexpr std::int64_t kClockSkewMs = 60'000;

}  // namespace

CloudLink::CloudLink(Loop& loop, LoopIndex index, quic::Endpoint& endpoint, Nodes& nodes, const Trust& trust, const EgressTable& egresses,
                     Options options)
    : loop_(loop),
      index_(index),
      endpoint_(endpoint),
      nodes_(nodes),
      trust_(trust),
      egresses_(egresses),
      options_(std::move(options)),
      greeted_(loop),
      tasks_(loop) {}

CloudLink::~CloudLink() { tasks_.cancel_now(); }

Task<void> CloudLink::run() {
  for (;;) {
    while (greeting_ >= options_.greeting) co_await greeted_.wait();
    auto carrier = co_await endpoint_.accept();
    if (!carrier) co_return;
    if (options_.divert && options_.divert(*carrier)) continue;
    greeting_++;
    tasks_.spawn(greet(*std::move(carrier)));
  }
}

Task<void> CloudLink::run_fallback(h2::Endpoint& endpoint) {
  fallback_ = &endpoint;
  for (;;) {
    while (greeting_ >= options_.greeting) co_await greeted_.wait();
    auto carrier = co_await endpoint.accept();
    if (!carrier) co_return;
    if (options_.divert && options_.divert(*carrier)) continue;
    greeting_++;
    tasks_.spawn(greet(*std::move(carrier)));
  }
}

namespace {
struct Greeting {
  std::size_t& count;
  WaitQueue& done;
  bool over = false;
  void end() {
    if (std::exchange(over, true)) return;
    count--;
    done.wake_one();
  }
  ~Greeting() { end(); }
};

Task<Result<wire::Hello>> read_hello(net::MuxConnection& carrier, std::unique_ptr<net::MuxStream>& control) {
  auto stream = co_await carrier.accept();
  if (!stream) co_return std::unexpected(stream.error());
  control = *std::move(stream);
  control->set_priority(net::Priority::control);
  auto body = co_await read_frame(*control);
  if (!body) co_return std::unexpected(body.error());
  co_return wire::decode_hello(*body);
}
}  // namespace

Task<void> CloudLink::greet(std::unique_ptr<net::MuxConnection> carrier) {
  Greeting greeting{greeting_, greeted_};
  const std::string from = carrier->peer().to_text();

  const std::vector<std::vector<std::byte>> chain = carrier->peer_chain();
  const std::vector<Bytes> views(chain.begin(), chain.end());
  auto peer = pki::check_peer(views, trust_.credentials()->trust(), pki::ExpectEdge{}, *trust_.revoked(), loop_.wall_now());
  if (!peer) {
    refuse_identity(*carrier, peer.error());
    co_return;
  }

  std::unique_ptr<net::MuxStream> control;
  auto hello =
      co_await with_deadline<wire::Hello>(loop_, loop_.now() + options_.session.hello_timeout, "read Hello", read_hello(*carrier, control));
  if (!hello) {
    if (carrier->close_state()) {
      log::info("link", "{} at {} closed before its hello: {}", *peer, from, carrier->close_state()->to_error());
      co_return;
    }
    counters_.refused_hello++;
    log::warn("link", "refused {} at {}: {}", *peer, from, hello.error());
    carrier->close(static_cast<std::uint64_t>(wire::SessionCode::protocol), hello.error().describe());
    co_return;
  }

  // It may have taken its time, and the revocation list has changed.
  if (auto refusal = pki::refuse_if_ended(*peer, *trust_.revoked(), loop_.wall_now())) {
    refuse_identity(*carrier, *refusal);
    co_return;
  }
  if (hello->version_min > wire::kVersionMax || hello->version_max < wire::kVersionMin) {
    std::string message =
        fmt::format("the edge speaks versions {} to {} of the link's protocol, this cloud {} to {}: upgrade the older one",
                    hello->version_min, hello->version_max, wire::kVersionMin, wire::kVersionMax);
    auto refusing = refuse_hello(*carrier, *control, wire::SessionCode::version, std::move(message));
    co_await refusing;
    co_return;
  }
  if (hello->node != peer->node->value()) {
    std::string message = fmt::format("the edge says that it is node \"{}\", its certificate says \"{}\"", hello->node, *peer->node);
    auto refusing = refuse_hello(*carrier, *control, wire::SessionCode::identity, std::move(message));
    co_await refusing;
    co_return;
  }
  if (draining_) {
    auto refusing = refuse_hello(*carrier, *control, wire::SessionCode::draining, "this replica is going away: dial again");
    co_await refusing;
    co_return;
  }
  const std::int64_t skew = hello->unix_ms - unix_ms(loop_.wall_now());
  if (std::abs(skew) > kClockSkewMs)
    log::warn("link", "the clock of {} is {} {}: its certificate checks will be wrong", *peer,
              to_text(std::chrono::milliseconds(std::abs(skew))), skew > 0 ? "fast" : "slow");
  greeting.end();
  auto serving = serve(std::move(carrier), std::move(control), *std::move(peer), *std::move(hello));
  co_await serving;
}

void CloudLink::refuse_identity(net::MuxConnection& carrier, const pki::Refusal& refusal) {
  counters_.refused_identity++;
  log::warn("link", "refused {}: {}", carrier.peer(), refusal.message);
  carrier.refuse(refusal.alert(), refusal.close_text());
}

Task<void> CloudLink::refuse_hello(net::MuxConnection& carrier, net::MuxStream& control, wire::SessionCode code, std::string message) {
  counters_.refused_hello++;
  log::warn("link", "refused {}: {}", carrier.peer(), message);
  const std::vector<std::byte> frame = wire::encode(wire::HelloReply{.software = options_.software, .code = code, .message = message});
  auto written = co_await control.write(frame);
  static_cast<void>(written);
  // The close carries the same, for it may overtake the reply.
  carrier.close(static_cast<std::uint64_t>(code), std::move(message));
}

Task<void> CloudLink::serve(std::unique_ptr<net::MuxConnection> carrier, std::unique_ptr<net::MuxStream> control, pki::Identity peer,
                            wire::Hello hello) {
  const NodeName node = *peer.node;
  static std::atomic<std::uint64_t> next{1};
  const SessionId id(next.fetch_add(1, std::memory_order_relaxed));
  const Nodes::Place place{index_, id, hello.boot_id};
  const std::string address = carrier->peer().to_text();

  const std::vector<std::byte> reply = wire::encode(wire::HelloReply{.version = std::min(hello.version_max, wire::kVersionMax),
                                                                     .features = features_of(egresses_),
                                                                     .software = options_.software,
                                                                     .unix_ms = unix_ms(loop_.wall_now())});
  auto written = co_await control->write(reply);
  if (!written) co_return;

  auto session = std::make_shared<Session>(loop_, std::move(carrier), std::move(control), std::move(peer), hello, hello.features, egresses_,
                                           options_.session);
  session->on_labels = [this, node, place](const wire::Labels& labels) { nodes_.set_labels(node, place, labels); };
  session->on_drain = [this, node, place] {
    if (std::optional<Nodes::Place> next = nodes_.step_back(node, place)) {
      step(node, place.session, false);
      step_at(*next, node, true);
    }
  };
  counters_.accepted++;
  const bool over_tcp = session->carrier().transport() != "quic";
  if (over_tcp) ended_.fallbacks++;
  sessions_.emplace(id, session);
  const bool beside = std::ranges::find(hello.features, kBesideFeature) != hello.features.end();
  Nodes::Before before = nodes_.claim(node, place, hello.labels, hello.software, address, loop_.wall_now(), beside);
  if (before.stepped_back) step_at(*before.stepped_back, node, false);
  current_.insert_or_assign(node, id);
  for (const Nodes::Place& over : before.over) {
    counters_.superseded++;
    std::string why = over.boot == hello.boot_id ? "the same edge has connected again" : "the node has started again, or runs twice";
    log::info("link", "node {}: a new session from {} takes over: {}", node, address, why);
    end_at(over.loop, over.session, wire::SessionCode::superseded, std::move(why));
  }
  log::info("link", "node {} is connected from {} ({}){}{}", node, address, hello.software, over_tcp ? " over TCP" : "",
            before.stepped_back ? ", beside a carrier that goes on" : "");
  if (options_.connected) options_.connected(session->peer(), session->carrier().peer());

  net::MuxClose how = co_await session->run();

  ended_.add(session->tally(), session->carrier().stats());
  ended_.flows_open = 0;
  sessions_.erase(id);
  if (auto it = current_.find(node); it != current_.end() && it->second == id) current_.erase(it);
  if (auto it = beside_.find(node); it != beside_.end() && it->second == id) beside_.erase(it);
  if (std::optional<Nodes::Place> other = nodes_.release(node, place, how.to_error().describe(), loop_.wall_now()))
    step_at(*other, node, true);
  if (const std::optional<Nodes::Place> other = nodes_.find(node); other && other->boot == place.boot)
    log::info("link", "node {}: its carrier over {} is gone: {}", node, over_tcp ? "TCP" : "QUIC", how.to_error());
  else
    log::info("link", "node {} is gone: {}", node, how.to_error());
}

void CloudLink::step(const NodeName& node, SessionId session, bool forward) {
  if (!sessions_.contains(session)) return;  // it is over, and says so itself
  auto& from = forward ? beside_ : current_;
  if (auto it = from.find(node); it != from.end() && it->second == session) from.erase(it);
  (forward ? current_ : beside_).insert_or_assign(node, session);
}

void CloudLink::step_at(const Nodes::Place& place, const NodeName& node, bool forward) {
  if (place.loop == index_) {
    step(node, place.session, forward);
  } else if (place.loop.value() < siblings_.size()) {
    const Sibling& other = siblings_[place.loop.value()];
    other.loop->post([link = other.link, node, session = place.session, forward] { link->step(node, session, forward); });
  }
}

void CloudLink::end(SessionId session, wire::SessionCode code, std::string reason) {
  auto it = sessions_.find(session);
  if (it != sessions_.end()) it->second->end(code, std::move(reason));
}

void CloudLink::end_at(LoopIndex loop, SessionId session, wire::SessionCode code, std::string reason) {
  if (loop == index_) {
    end(session, code, std::move(reason));
  } else if (loop.value() < siblings_.size()) {
    const Sibling& other = siblings_[loop.value()];
    other.loop->post([link = other.link, session, code, why = std::move(reason)]() mutable { link->end(session, code, std::move(why)); });
  }
}

std::shared_ptr<Session> CloudLink::find(const NodeName& node) const {
  const auto held = [&](const std::unordered_map<NodeName, SessionId>& by_node) -> std::shared_ptr<Session> {
    const auto id = by_node.find(node);
    if (id == by_node.end()) return nullptr;
    const auto session = sessions_.find(id->second);
    return session == sessions_.end() ? nullptr : session->second;
  };
  // Who asks for one that has stepped back did so before it had, or there is no other; or the other has fallen silent since.
  std::shared_ptr<Session> current = held(current_);
  if (current && current->state() != SessionState::suspect) return current;
  std::shared_ptr<Session> beside = held(beside_);
  return beside && (!current || beside->state() == SessionState::live) ? beside : current;
}

std::optional<LoopIndex> CloudLink::home(const Destination& to) const {
  if (!to.node) return std::nullopt;
  if (current_.contains(*to.node)) return index_;
  const std::optional<Nodes::Place> place = nodes_.find(*to.node);
  return place ? std::optional(place->loop) : std::nullopt;
}

Task<FlowResult<std::unique_ptr<Flow>>> CloudLink::open(Destination to, wire::FlowOpen open) {
  if (!to.node) co_return refuse(FlowCode::no_route, "this is the cloud: a flow to it does not cross the link");
  const std::optional<Nodes::Place> place = current_.contains(*to.node) ? std::nullopt : nodes_.find(*to.node);
  if (std::shared_ptr<Session> session = place && place->loop != index_ ? nullptr : find(*to.node)) {
    auto flow = co_await session->open(std::move(open));
    co_return flow;
  }
  if (!place || place->loop == index_ || place->loop.value() >= siblings_.size())
    co_return refuse(FlowCode::link_down, fmt::format("node {} is not connected", *to.node));
  auto flow = co_await open_remote(place->loop, *std::move(to.node), std::move(open));
  co_return flow;
}

namespace {

// Between the loops: what the session's loop answered to open().
struct RemoteOpen {
  explicit RemoteOpen(Loop& loop) : user(loop), answered(loop) {}
  Loop& user;
  WaitQueue answered;
  std::optional<FlowResult<wire::FlowOpen>> answer;
};

// Answers once, whatever becomes of the task that is to.
class Answer {
 public:
  explicit Answer(std::shared_ptr<RemoteOpen> asked) : asked_(std::move(asked)) {}
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  ~Answer() {
    if (asked_) give(refuse(FlowCode::link_down, "the node's session is over"));
  }
  void give(FlowResult<wire::FlowOpen> result) {
    Loop& user = asked_->user;
    user.post([asked = std::exchange(asked_, nullptr), answer = std::move(result)]() mutable {
      asked->answer = std::move(answer);
      asked->answered.wake_all();
    });
  }

 private:
  std::shared_ptr<RemoteOpen> asked_;
};

Task<void> open_and_carry(CloudLink& link, NodeName node, wire::FlowOpen open, std::shared_ptr<RemoteFlow> remote,
                          std::shared_ptr<RemoteOpen> asked) {
  Answer answer(std::move(asked));
  wire::FlowOpen head = open;
  std::shared_ptr<Session> session = link.find(node);
  FlowResult<std::unique_ptr<Flow>> flow = refuse(FlowCode::link_down, fmt::format("node {} is not connected", node));
  if (session) flow = co_await session->open(std::move(open));
  if (!flow) {
    answer.give(std::unexpected(flow.error()));
    co_return;
  }
  remote->learn(**flow);
  answer.give(std::move(head));
  auto carrying = RemoteFlow::carry(std::move(remote), *std::move(flow));
  co_await carrying;
}

}  // namespace

Task<FlowResult<std::unique_ptr<Flow>>> CloudLink::open_remote(LoopIndex home, NodeName node, wire::FlowOpen open) {
  const Sibling& other = siblings_[home.value()];
  auto remote = std::make_shared<RemoteFlow>(loop_, *other.loop);
  auto asked = std::make_shared<RemoteOpen>(loop_);
  auto tally = std::make_shared<FlowTally>();  // of this handle only: the session's loop counts the flow
  tally->peer = node.value();
  // If this task is destroyed while it waits, so is the handle, and the carrying side ends the flow.
  std::unique_ptr<net::MuxStream> handle = remote->handle();
  other.loop->post([link = other.link, to = std::move(node), head = std::move(open), remote, asked]() mutable {
    link->tasks_.spawn(open_and_carry(*link, std::move(to), std::move(head), std::move(remote), std::move(asked)));
  });
  while (!asked->answer) co_await asked->answered.wait();
  if (!*asked->answer) co_return std::unexpected(asked->answer->error());
  static std::atomic<std::uint64_t> next{1ULL << 48};  // apart from the ids of flows that live where their session does
  auto flow = std::make_unique<Flow>(loop_, std::move(handle), *std::move(*asked->answer), FlowId(next.fetch_add(1)), std::move(tally));
  if (flow->head().datagrams) flow->carry_datagrams(remote->datagram_port());
  co_return flow;
}

std::vector<SessionStatus> CloudLink::status() const {
  std::vector<SessionStatus> all;
  for (const auto& [node, id] : current_) {
    auto it = sessions_.find(id);
    if (it == sessions_.end()) continue;
    const Session& session = *it->second;
    all.push_back(SessionStatus{.node = node,
                                .state = session.state(),
                                .since = session.since(),
                                .silent_since = session.silent_since(),
                                .address = session.carrier().peer(),
                                .transport = std::string(session.carrier().transport()),
                                .carrier = session.carrier().stats(),
                                .flows = session.tally(),
                                .labels = session.labels(),
                                .software = session.hello().software,
                                .loop = index_});
  }
  return all;
}

LinkTotals CloudLink::totals() const {
  LinkTotals all = ended_;
  for (const auto& [id, session] : sessions_) {
    all.add(session->tally(), session->carrier().stats());
    all.sessions++;
    if (session->state() == SessionState::suspect) all.suspect++;
    if (session->carrier().transport() != "quic") all.over_tcp++;
  }
  return all;
}

void CloudLink::check_sessions() {
  const std::shared_ptr<const pki::RevocationList> revoked = trust_.revoked();
  const WallTime now = loop_.wall_now();
  for (auto& [id, session] : sessions_)
    if (std::optional<pki::Refusal> refusal = pki::refuse_if_ended(session->peer(), *revoked, now)) {
      log::warn("link", "ended the session of {}: {}", session->peer(), refusal->message);
      session->carrier().refuse(refusal->alert(), refusal->close_text());
    }
}

void CloudLink::tell_trust_changed() {
  for (auto& [id, session] : sessions_) session->tell_trust_changed();
}

void CloudLink::renewed(const NodeName& node, const pki::Certificate& certificate) {
  lengthen(node, certificate);
  for (const Sibling& other : siblings_)
    if (other.link != this) other.loop->post([link = other.link, node, certificate] { link->lengthen(node, certificate); });
}

void CloudLink::lengthen(const NodeName& node, const pki::Certificate& certificate) {
  for (auto& [id, session] : sessions_) {
    if (session->peer().node != node || session->peer().fingerprint != certificate.fingerprint()) continue;
    pki::Identity identity = session->peer();
    identity.serial = certificate.serial();
    identity.not_after = certificate.not_after();
    session->renewed(std::move(identity));
  }
}

Task<void> CloudLink::drain(Duration limit, std::string reason) {
  draining_ = true;
  endpoint_.stop_serving();
  if (fallback_ != nullptr) fallback_->stop_serving();
  Scope drains(loop_);
  std::vector<std::shared_ptr<Session>> held;
  for (auto& [id, session] : sessions_) held.push_back(session);
  for (auto& session : held) drains.spawn(session->drain(limit, reason));
  co_await drains.done();
}

}  // namespace fairlead::link
