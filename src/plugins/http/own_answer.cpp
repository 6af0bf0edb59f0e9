#include "plugins/http/own_answer.h"

#include <fmt/format.h>

#include <iterator>

#include "http/encode.h"
#include "observe/json_line.h"

namespace fairlead::http_plugin {
namespace {

using link::Delivered;
using link::FlowCode;

struct Row {
  FlowCode code;
  unsigned status;
  std::string_view name;
  std::string_view proxy_error;
  bool retry_later;
};
// In the order of the codes.
constexpr Row kRows[] = {
    {FlowCode::ok, 502, "internal", "proxy_internal_error", false},
    {FlowCode::cancelled, 502, "cancelled", "connection_terminated", false},
    {FlowCode::unreachable, 502, "service-unreachable", "destination_unavailable", false},
    {FlowCode::refused, 502, "service-refused", "connection_refused", false},
    {FlowCode::forbidden, 502, "service-forbidden", "destination_ip_prohibited", false},
    {FlowCode::no_route, 500, "no-backend", "destination_not_found", false},
    {FlowCode::unsupported, 502, "unsupported", "proxy_configuration_error", false},
    {FlowCode::overloaded, 503, "overloaded", "connection_limit_reached", true},
    {FlowCode::deadline, 504, "timeout", "http_response_timeout", false},
    {FlowCode::reset, 502, "service-reset", "connection_terminated", false},
    {FlowCode::draining, 503, "draining", "destination_unavailable", true},
    {FlowCode::protocol, 502, "bad-answer", "http_protocol_error", false},
    {FlowCode::link_down, 503, "node-unreachable", "destination_unavailable", true},
    {FlowCode::internal, 502, "internal", "proxy_internal_error", false},
};
static_assert(std::size(kRows) == static_cast<std::size_t>(FlowCode::internal) + 1);
static_assert([] {
  for (std::size_t i = 0; i < std::size(kRows); i++)
    if (kRows[i].code != static_cast<FlowCode>(i)) return false;
  return true;
}());

}  // namespace

OwnAnswer answer_of(const link::Refusal& refusal) {
  const Row& row = kRows[static_cast<std::size_t>(refusal.code)];
  OwnAnswer answer{row.status, row.name, row.proxy_error, refusal.message, row.retry_later};
  if (refusal.code == FlowCode::deadline && refusal.delivered == Delivered::no) answer.proxy_error = "connection_timeout";
  if (refusal.code == FlowCode::link_down && refusal.delivered == Delivered::maybe) {
    // The request was on its way: nobody knows what became of it, so nobody is told to send it again.
    answer = {502, "node-lost", "connection_terminated", refusal.message, false};
  }
  return answer;
}

OwnAnswer answer_of(const http::Refusal& refusal) {
  return {refusal.status, refusal.code, "http_request_error", std::string(refusal.text), false};
}

OwnAnswer answer_of_pick(const Error& error) {
  switch (error.code()) {
    case Code::not_found: return {500, "no-backend", "destination_not_found", error.describe(), false};
    case Code::invalid: return {404, "no-such-node", "destination_not_found", error.describe(), false};
    case Code::overloaded: return {503, "overloaded", "connection_limit_reached", error.describe(), true};
    default: return {503, "node-unreachable", "destination_unavailable", error.describe(), true};
  }
}

std::string problem_of(const OwnAnswer& answer, std::string_view trace) {
  observe::JsonLine json;
  json.add("type", "about:blank").add("title", http::reason_phrase(answer.status)).add("status", answer.status);
  json.add("detail", std::string_view(answer.detail)).add("code", answer.code);
  if (!trace.empty()) json.add("trace", trace);
  return std::string(json.finish());
}

std::string proxy_status_of(const OwnAnswer& answer) {
  std::string text = fmt::format("fairlead; error={}", answer.proxy_error);
  if (answer.detail.empty()) return text;
  // RFC 8941, 3.3.3: printable ASCII.
  text += "; details=\"";
  for (const char c : answer.detail) {
    if (c < 0x20 || c > 0x7e) continue;
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  text += '"';
  return text;
}

Task<Result<void>> give(Answer& to, OwnAnswer answer, std::string trace, bool to_head, bool keep_alive) {
  const std::string body = problem_of(answer, trace);
  const std::string length = std::to_string(body.size());
  http::Response response;
  response.status = answer.status;
  response.reason = http::reason_phrase(answer.status);
  response.fields.add("Content-Type", "application/problem+json");
  std::string proxy_status;
  if (!answer.proxy_error.empty()) {
    proxy_status = proxy_status_of(answer);
    response.fields.add("Proxy-Status", proxy_status);
  }
  if (answer.retry_later) response.fields.add("Retry-After", kRetryAfter);
  if (to_head)
    response.content_length = length;
  else
    response.body = http::BodyLength::exact(body.size());
  to.begin(response, keep_alive, {});
  if (!to_head) {
    const Bytes bytes = as_bytes(body);
    auto put = co_await to.content(bytes);
    if (!put) co_return put;
  }
  const http::Fields no_trailers;
  auto ended = co_await to.end(no_trailers);
  co_return ended;
}

}  // namespace fairlead::http_plugin
