// flow_line.h: the access-log line of a TCP flow, the same at both sides; `trace` tells which two belong together.
#pragma once
#include <string>
#include <string_view>

#include "link/flow.h"
#include "link/splice.h"
#include "observe/access_log.h"
#include "observe/trace.h"

namespace fairlead::tcp {

struct FlowLine {
  std::string_view side;  // "ingress" or "egress"
  WallTime begun;
  Duration took;
  std::string node;      // who serves (ingress) or who asks (egress); "cloud" for the cloud
  std::string listener;  // ingress only: namespace/gateway/listener
  std::string route;     // ingress only
  const wire::FlowOpen* open = nullptr;
  FlowId flow;
  std::uint64_t bytes_in = 0;   // from the user to the service, as this side counted them
  std::uint64_t bytes_out = 0;  // from the service to the user
  link::SpliceEnd end;
};

inline void write(observe::AccessLog* log, const FlowLine& line) {
  if (log == nullptr) return;
  observe::JsonLine json;
  json.add("time", line.begun).add("plugin", "tcp").add("side", line.side).add("flow", line.flow.value());
  if (auto trace = observe::TraceContext::parse(line.open->traceparent)) json.add("trace", std::string_view(trace->trace_text()));
  json.add("node", std::string_view(line.node));
  if (!line.listener.empty()) json.add("listener", std::string_view(line.listener)).add("route", std::string_view(line.route));
  json.add("backend", std::string_view(line.open->backend)).add("target", std::string_view(line.open->target));
  json.add("source", std::string_view(line.open->source)).add("bytes_in", line.bytes_in).add("bytes_out", line.bytes_out);
  json.add("seconds", line.took).add("outcome", name(line.end.code));
  if (line.end.code != link::FlowCode::ok)
    json.add("by", line.end.by_flow ? "link" : "socket")
        .add("refused", line.end.refused)
        .add("message", std::string_view(line.end.message));
  log->write(std::move(json));
}

}  // namespace fairlead::tcp
