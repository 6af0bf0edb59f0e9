#include "plugins/http/exchange.h"

#include <fmt/format.h>

#include <algorithm>

#include "http/encode.h"
#include "link/splice.h"
#include "plugins/http/access_line.h"
#include "plugins/http/filters.h"
#include "plugins/http/forwarding.h"
#include "plugins/http/mirror.h"
#include "plugins/http/persistence.h"

namespace fairlead::http_plugin {
namespace {

// More tries of what no service has seen: an endpoint that is gone and another one that went with it.
constexpr unsigned kUndeliveredTries = 2;
// How long a request waits for a node, if its rule wants that and has no limit of its own.
constexpr Duration kWaitForLink = 10s;
// How often it looks whether one came.
constexpr Duration kLookForNodes = 50ms;
constexpr Duration kMaxBackoff = 5s;
constexpr std::string_view kCloud = "cloud";

}  // namespace

Exchange::Exchange(Ingress& ingress, Client& client, const Origin& origin, const route::ListenerPolicy& policy, Scope& work)
    : ingress_(ingress),
      client_(client),
      policy_(policy),
      work_(work),
      desk_(*client.desk),
      head_(desk_.parser.head()),
      begun_(client.loop().wall_now()),
      start_(client.loop().now()),
      context_(ingress, desk_, origin),
      answer_(client, head_.minor) {
  desk_.replay.clear();
  desk_.tried.clear();
}

Exchange::~Exchange() {
  work_.cancel_now();
  for (const Client::Limit limit : {Client::Limit::request, Client::Limit::attempt, Client::Limit::body}) client_.clear(limit);
  // The process ends, or the client went away while no try was under way.
  if (!raw_done_ && !answer_.whole() && outcome_ == "OK") outcome_ = "CANCELLED";
  count();
}

Task<Exchange::After> Exchange::run() {
  co_await serve();
  co_return after();
}

Task<void> Exchange::serve() {
  std::optional<OwnAnswer> refused = context_.find_rule();
  const std::optional<std::uint64_t> max = refused ? std::nullopt : context_.rule().policy.max_body;
  body_.emplace(client_, head_, max, policy_.body_timeout, head_.request.expect_continue);
  if (!refused && body_->failure()) refused = answer_of(*body_->failure());
  if (!refused) refused = context_.filter(client_.loop().random());
  if (refused) {
    own_ = *std::move(refused);
    co_await give_own();
    co_return;
  }
  if (context_.answered_here != 0) {
    answer_from_rule();
    const http::Fields no_trailers;
    auto flushed = co_await answer_.end(no_trailers);
    client_lost_ = !flushed;
    co_return;
  }
  if (context_.rule().request_timeout) {
    deadline_ = start_ + *context_.rule().request_timeout;
    client_.set(Client::Limit::request, deadline_);
  }
  send_mirrors();
  for (;;) {
    std::optional<route::Pick> pick;
    Step step = co_await find_endpoint(pick);
    if (step == Step::try_again) step = co_await try_at(*pick);
    if (step == Step::give_own) co_await give_own();
    if (step != Step::try_again) break;
  }
  send_mirrors();
}

Task<Exchange::Step> Exchange::find_endpoint(std::optional<route::Pick>& found) {
  const route::HttpRule& rule = context_.rule();
  if (backoff_ > 0ns) {
    co_await pause(backoff_);
    backoff_ = 0ns;
  }
  const TimePoint give_up = std::min(deadline_, start_ + kWaitForLink);
  for (;;) {
    const Cut cut = look_around();
    if (cut == Cut::client_gone) {
      client_lost_ = true;
      co_return Step::over;
    }
    if (cut == Cut::deadline) {
      own_ = answer_of(link::Refusal{link::FlowCode::deadline, link::Delivered::no, "the request's time is over"});
      co_return Step::give_own;
    }
    const std::string_view told = rule.persistence ? brought(head_.request.fields, *rule.persistence) : std::string_view();
    const route::RequestToMatch request = context_.to_match();
    auto pick = context_.rules->balancer.pick({rule, request, context_.origin.client, told, desk_.tried}, client_.loop().now(),
                                              client_.loop().random());
    if (pick) {
      // No other is left than those that have failed; own_ says how.
      const bool same = std::ranges::find(desk_.tried, pick->endpoint) != desk_.tried.end();
      if (same && !same_again_) co_return Step::give_own;
      found.emplace(*std::move(pick));
      co_return Step::try_again;
    }
    if (!rule.policy.wait_for_link || pick.error().code() != Code::unreachable || client_.loop().now() >= give_up) {
      own_ = answer_of_pick(pick.error());
      co_return Step::give_own;
    }
    co_await pause(kLookForNodes);
  }
}

// Ends early when the client is gone or the time of the request is over.
Task<void> Exchange::pause(Duration d) {
  const TimePoint until = client_.loop().now() + d;
  client_.set(Client::Limit::attempt, until);
  while (!client_.passed(Client::Limit::attempt) && !client_.passed(Client::Limit::request) && client_.gone() == Client::Gone::no) {
    look_ahead();
    co_await client_.changed.wait();
  }
  client_.clear(Client::Limit::attempt);
}

Task<Exchange::Step> Exchange::try_at(route::Pick& pick) {
  const route::HttpRule& rule = context_.rule();
  endpoint_ = pick.endpoint;
  share_ = pick.share;
  node_ = endpoint_.node ? endpoint_.node->value() : std::string(kCloud);
  backend_ = endpoint_.backend->meta.key.to_text();
  target_ = endpoint_.target->to_text();
  persistence_ = rule.persistence ? pick.persistence : std::string();
  tries_++;
  wire::FlowOpen open = make_open(pick);
  if (open.head.empty()) co_return Step::give_own;

  Attempt attempt(ingress_.peers, client_, *body_, answer_, *this, work_);
  if (rule.backend_timeout) client_.set(Client::Limit::attempt, client_.loop().now() + *rule.backend_timeout);
  link::Destination to{endpoint_.node};
  if (ingress_.hand_over) home_ = ingress_.peers.home(to);
  attempt.start(std::move(to), std::move(open), *sent_);
  const Cut cut = co_await watch(attempt);
  client_.clear(Client::Limit::attempt);
  client_.clear(Client::Limit::body);
  flow_ = attempt.flow_id();
  if (cut == Cut::no && attempt.state() == Attempt::State::upgraded) {
    pick.lease.report(route::Outcome::success);
    co_await carry_raw(attempt);
    co_return Step::over;
  }
  co_return conclude(attempt, cut, pick);
}

Task<Exchange::Cut> Exchange::watch(const Attempt& attempt) {
  for (;;) {
    if (attempt.state() != Attempt::State::running) co_return Cut::no;
    const Cut cut = look_around();
    if (cut != Cut::no) co_return cut;
    co_await client_.changed.wait();
  }
}

Exchange::Cut Exchange::look_around() {
  look_ahead();
  if (client_.gone() != Client::Gone::no) return Cut::client_gone;
  if (client_.passed(Client::Limit::request) || client_.passed(Client::Limit::attempt)) return Cut::deadline;
  if (body_->failure()) return Cut::bad_body;
  if (!body_->finished() && client_.passed(Client::Limit::body)) return Cut::slow_body;
  return Cut::no;
}

// What the client sends after its request is kept, as far as there is room: the next request, or its end.
void Exchange::look_ahead() {
  while (body_->finished() && client_.readable() && client_.gone() == Client::Gone::no) {
    const MutableBytes room = desk_.in.room();
    if (room.empty()) return;
    desk_.in.filled(client_.read(room));
  }
}

Exchange::Step Exchange::conclude(Attempt& attempt, Cut cut, route::Pick& pick) {
  switch (cut) {
    case Cut::client_gone:
      client_lost_ = true;
      outcome_ = "CANCELLED";
      message_ = "the client is gone";
      pick.lease.report(route::Outcome::cancelled);
      return Step::over;
    case Cut::bad_body:
      ingress_.counters.malformed++;
      own_ = answer_of(*body_->failure());
      pick.lease.report(route::Outcome::cancelled);
      return Step::give_own;
    case Cut::slow_body:
      own_ = {408, "body-timeout", "http_request_error", "the content of the request did not come in time", false};
      pick.lease.report(route::Outcome::cancelled);
      return Step::give_own;
    case Cut::deadline: {
      pick.lease.report(route::Outcome::failure);
      return after_failure({link::FlowCode::deadline, link::Delivered::maybe, "no answer in time"}, pick);
    }
    case Cut::no: break;
  }
  switch (attempt.state()) {
    case Attempt::State::answered:
      pick.lease.report(answer_.status() >= 500 ? route::Outcome::failure : route::Outcome::success);
      return Step::over;
    case Attempt::State::client_lost:
      client_lost_ = true;
      outcome_ = "CANCELLED";
      message_ = "the client is gone";
      pick.lease.report(route::Outcome::cancelled);
      return Step::over;
    case Attempt::State::unwanted:
      pick.lease.report(route::Outcome::failure);
      desk_.tried.push_back(endpoint_);
      return Step::try_again;
    case Attempt::State::refused:
    case Attempt::State::broken: pick.lease.report(route::Outcome::failure); return after_failure(attempt.refusal(), pick);
    case Attempt::State::running:
    case Attempt::State::upgraded: break;
  }
  return Step::over;
}

Exchange::Step Exchange::after_failure(link::Refusal why, const route::Pick& pick) {
  if (answer_.begun()) {
    outcome_ = name(why.code);
    message_ = std::move(why.message);
    broken_ = true;
    return Step::over;
  }
  const route::HttpRule& rule = context_.rule();
  const TimePoint now = client_.loop().now();
  own_ = answer_of(why);
  if (rule.policy.wait_for_link && why.code == link::FlowCode::link_down && why.delivered == link::Delivered::no &&
      body_->replay() != nullptr && now < std::min(deadline_, start_ + kWaitForLink)) {
    desk_.tried.clear();
    backoff_ = kLookForNodes;
    return Step::try_again;
  }
  desk_.tried.push_back(endpoint_);
  // What no service has seen costs no service anything: the budget is for the rest.
  const bool within_budget = why.delivered == link::Delivered::no || context_.rules->balancer.may_retry(*pick.endpoint.backend);
  if (!may_try_again(why.delivered) || !within_budget) return Step::give_own;
  // What no service has seen goes to another endpoint, at once. The same one is asked again only if the rule wants that.
  same_again_ = rule.retry.attempts > 0 || (rule.policy.repeatable && why.delivered == link::Delivered::maybe);
  if (same_again_) backoff_ = backoff();
  ingress_.counters.retries++;
  return Step::try_again;
}

Duration Exchange::backoff() const {
  const Duration longest = std::min(kMaxBackoff, context_.rule().retry.backoff * (1u << std::min(tries_ - 1, 10u)));
  return Duration(static_cast<Duration::rep>(static_cast<double>(longest.count()) * (0.5 + client_.loop().random().unit() / 2)));
}

bool Exchange::may_try_again(link::Delivered delivered) const {
  const route::HttpRule& rule = context_.rule();
  if (body_->replay() == nullptr || client_.write_failed() || client_.loop().now() >= deadline_) return false;
  unsigned more = rule.retry.attempts;
  if (delivered == link::Delivered::no || rule.policy.repeatable) more = std::max(more, kUndeliveredTries);
  return tries_ <= more;
}

bool Exchange::is_to_be_tried_again(const http::Response& response) {
  const route::RetryRule& retry = context_.rule().retry;
  if (std::ranges::find(retry.codes, response.status) == retry.codes.end() || tries_ > retry.attempts) return false;
  if (!may_try_again(link::Delivered::maybe) || !context_.rules->balancer.may_retry(*endpoint_.backend)) return false;
  ingress_.counters.retries++;
  same_again_ = true;
  backoff_ = backoff();
  return true;
}

Duration Exchange::time_left(TimePoint deadline) const {
  return deadline == TimePoint::max() ? Duration::zero() : std::max<Duration>(1ms, deadline - client_.loop().now());
}

wire::FlowOpen Exchange::make_open(const route::Pick& pick) {
  const route::HttpRule& rule = context_.rule();
  const route::Backend& backend = *pick.endpoint.backend;
  sent_ = &desk_.request;
  const std::string_view stripped = stripped_target(desk_.request.target, backend, desk_.texts);
  const bool edited = pick.share != nullptr && !pick.share->filters.empty();
  if (edited || stripped.data() != desk_.request.target.data()) {
    desk_.sent = desk_.request;
    desk_.sent.target = stripped;
    if (edited)
      for (const route::HttpFilter& any : pick.share->filters)
        if (const auto* headers = std::get_if<route::RequestHeaderFilter>(&any)) edit(desk_.sent, headers->edit);
    sent_ = &desk_.sent;
  }
  TimePoint deadline = deadline_;
  if (rule.backend_timeout) deadline = std::min(deadline, client_.loop().now() + *rule.backend_timeout);
  wire::FlowOpen open = flow_open(context_, pick.endpoint, time_left(deadline));
  auto head = wire::encode_http_request(*sent_, service_of(backend));
  if (head)
    open.head = *std::move(head);
  else
    own_ = {431, "head-too-large", "http_request_error", head.error().describe(), false};
  return open;
}

Task<void> Exchange::carry_raw(Attempt& attempt) {
  upgrade_ = std::string(sent_->upgrade);
  ingress_.counters.upgrades++;
  std::unique_ptr<link::Flow> flow = attempt.take_flow();
  work_.cancel_now();
  client_.stop_watching();
  client_.clear(Client::Limit::request);
  const Bytes early = as_bytes(desk_.in.rest());
  link::SpliceEnd end;
  auto sent = co_await flow->write(early);
  if (sent)
    end = co_await link::splice(*flow, client_.stream());
  else
    end = {.code = flow->peer_code(), .by_flow = true, .message = sent.error().describe()};
  outcome_ = name(end.code);
  message_ = end.message;
  broken_ = end.code != link::FlowCode::ok;
  raw_in_ = flow->bytes_out();
  raw_out_ = flow->bytes_in();
  raw_done_ = true;
}

}  // namespace fairlead::http_plugin
