// What an exchange says to the client, and what is left of it: its answer, its mirrors, its line.
#include <algorithm>

#include "http/encode.h"
#include "plugins/http/access_line.h"
#include "plugins/http/exchange.h"
#include "plugins/http/filters.h"
#include "plugins/http/forwarding.h"
#include "plugins/http/mirror.h"
#include "plugins/http/persistence.h"

namespace fairlead::http_plugin {

void Exchange::begin_answer(const http::Response& response) {
  const route::HttpRule& rule = context_.rule();
  http::Response& answer = desk_.answer;
  answer = response;
  send_mirrors();
  if (context_.mirrors.empty()) body_->drop_replay();
  for (const route::HttpFilter& any : rule.filters)
    if (const auto* headers = std::get_if<route::ResponseHeaderFilter>(&any)) edit(answer.fields, headers->edit);
  if (share_ != nullptr)
    for (const route::HttpFilter& any : share_->filters)
      if (const auto* headers = std::get_if<route::ResponseHeaderFilter>(&any)) edit(answer.fields, headers->edit);
  if (context_.cors != nullptr)
    if (const http::Field* origin = head_.request.fields.find("Origin"))
      add_cors(answer.fields, origin->value, *context_.cors, desk_.texts);
  if (rule.persistence && !persistence_.empty() && brought(head_.request.fields, *rule.persistence) != persistence_)
    tell(answer.fields, *rule.persistence, persistence_, context_.origin.tls, desk_.texts);
  if (!rule.policy.node_header.empty()) answer.fields.set(rule.policy.node_header, node_);
  answer.fields.add("Via", "1.1 fairlead");
  const bool unasked_body = head_.request.expect_continue && body_->awaits_continue();
  answer_.begin(answer, head_.keep_alive && !ingress_.draining && !unasked_body, {});
}

Task<void> Exchange::give_own() {
  outcome_ = own_.code;
  message_ = own_.detail;
  if (answer_.begun() || client_.write_failed()) {
    broken_ = true;
    co_return;
  }
  ingress_.counters.own_answers++;
  body_->skip_what_is_there();
  const bool keep = head_.keep_alive && !ingress_.draining && body_->finished() && own_.status != 408;
  auto given = co_await give(answer_, own_, context_.trace.trace_text(), head_.request.method == "HEAD", keep);
  client_lost_ = !given;
}

void Exchange::answer_from_rule() {
  ingress_.counters.own_answers++;
  http::Response& answer = desk_.answer;
  answer = {};
  answer.status = context_.answered_here;
  answer.reason = http::reason_phrase(answer.status);
  if (answer.status == 204)
    answer.body = http::BodyLength::none();
  else if (head_.request.method == "HEAD")
    answer.content_length = "0";
  else
    answer.body = http::BodyLength::exact(0);
  body_->skip_what_is_there();
  answer_.begin(answer, head_.keep_alive && !ingress_.draining && body_->finished(), desk_.answer_fields);
}

// Once the content is whole: what is too long to be kept is not mirrored, and neither is what may become another protocol.
void Exchange::send_mirrors() {
  if (context_.mirrors.empty() || !body_->finished()) return;
  const std::vector<const route::MirrorFilter*> mirrors = std::exchange(context_.mirrors, {});
  const std::string* content = body_->replay();
  if (content == nullptr || !desk_.request.upgrade.empty()) return;
  http::Request request = desk_.request;
  request.expect_continue = false;
  for (const route::MirrorFilter* mirror : mirrors) {
    auto pick = context_.rules->balancer.pick_mirror(*mirror, client_.loop().now(), client_.loop().random());
    if (!pick) continue;
    auto head = wire::encode_http_request(request, service_of(*pick->endpoint.backend));
    if (!head) continue;
    wire::FlowOpen open = flow_open(context_, pick->endpoint, kMirrorTimeout);
    open.head = *std::move(head);
    const bool has_body = request.body.kind != http::BodyLength::Kind::none && !content->empty();
    send_mirror(ingress_, *std::move(pick), std::move(open), has_body, *content);
  }
}

Exchange::After Exchange::after() {
  if (raw_done_ && !broken_) return After::done;
  if (client_lost_ || broken_ || client_.write_failed() || !answer_.whole()) return After::reset;
  if (!body_->finished()) body_->skip_what_is_there();
  return answer_.keep_alive() && body_->finished() && !ingress_.draining ? After::next : After::close;
}

void Exchange::count() {
  HttpIngressCounters& counters = ingress_.counters;
  const Duration took = client_.loop().now() - start_;
  counters.requests++;
  counters.answers[std::min(answer_.status() / 100, 5u)]++;
  const std::uint64_t in = body_ ? body_->size() + raw_in_ : raw_in_;
  const std::uint64_t out = answer_.size() + raw_out_;
  counters.bytes_in += in;
  counters.bytes_out += out;
  const double seconds = std::chrono::duration<double>(took).count();
  if (!raw_done_) {
    counters.seconds.observe(seconds);
  }
  write(ingress_.access_log, context_,
        {.begun = begun_,
         .took = took,
         .flow = flow_,
         .node = node_,
         .backend = backend_,
         .target = target_,
         .status = answer_.status(),
         .retries = tries_ > 0 ? tries_ - 1 : 0,
         .bytes_in = in,
         .bytes_out = out,
         .upgrade = upgrade_,
         .outcome = outcome_,
         .message = message_});
}

}  // namespace fairlead::http_plugin
