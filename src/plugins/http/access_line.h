// access_line.h: the access-log line of a request, as the ingress saw it; `trace` tells which line of the far side belongs to it.
#pragma once
#include <string>
#include <string_view>

#include "base/ids.h"
#include "http/target.h"
#include "observe/access_log.h"
#include "plugins/http/request_context.h"

namespace fairlead::http_plugin {

struct AccessLine {
  WallTime begun;
  Duration took{};
  FlowId flow;  // 0: none
  std::string_view node, backend, target;
  unsigned status = 0;  // 0: no answer was given
  unsigned retries = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;  // content from and to the user
  std::string_view upgrade;
  std::string_view outcome;  // "OK", a code of Fairlead's own answer, or how it broke off
  std::string_view message;
};

inline void write(observe::AccessLog* log, const RequestContext& context, const AccessLine& line) {
  if (log == nullptr) return;
  observe::JsonLine json;
  json.add("time", line.begun).add("plugin", "http").add("side", "ingress").add("trace", std::string_view(context.trace.trace_text()));
  json.add("source", std::string_view(context.origin.client_text)).add("method", context.method());
  const http::Request& asked = context.desk.parser.head().request;
  json.add("host", asked.authority).add("path", http::split_target(asked.target).path).add("status", line.status);
  if (context.match.listener != nullptr) {
    const route::HttpHost& listener = *context.match.listener;
    json.add("listener", {listener.gateway.ns, "/", listener.gateway.name, "/", listener.name});
  }
  if (context.match.rule != nullptr) {
    json.add("route", std::string_view(context.rule().route.value())).add("rule", context.rule().index);
    if (!context.rule().name.empty()) json.add("rule_name", std::string_view(context.rule().name));
  }
  if (!line.backend.empty()) json.add("node", line.node).add("backend", line.backend).add("target", line.target);
  if (line.flow.value() != 0) json.add("flow", line.flow.value());
  json.add("retries", line.retries).add("bytes_in", line.bytes_in).add("bytes_out", line.bytes_out).add("seconds", line.took);
  if (!line.upgrade.empty()) json.add("upgrade", line.upgrade);
  if (!context.origin.tls_peer.subject.empty()) json.add("client", std::string_view(context.origin.tls_peer.subject));
  json.add("outcome", line.outcome);
  if (!line.message.empty()) json.add("message", line.message);
  log->write(std::move(json));
}

// Of a head that was no request.
inline void write_refused(observe::AccessLog* log, WallTime at, const net::SocketAddress& source, unsigned status, std::string_view code) {
  if (log == nullptr) return;
  observe::JsonLine json;
  json.add("time", at).add("plugin", "http").add("side", "ingress").add("source", std::string_view(source.to_text()));
  json.add("status", status).add("outcome", code);
  log->write(std::move(json));
}

}  // namespace fairlead::http_plugin
