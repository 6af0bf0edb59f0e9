// association_line.h: the access-log line of a UDP association, the same at both sides; `trace` tells which two belong together.
#pragma once
#include <string>
#include <string_view>

#include "link/datagram_channel.h"
#include "link/flow.h"
#include "observe/access_log.h"
#include "observe/trace.h"

namespace fairlead::udp {

// How an association ended.
struct End {
  link::FlowCode code = link::FlowCode::ok;
  bool by_flow = false;  // it came over the link; else from the socket, or this side's own rules
  bool refused = false;  // the far side never took it
  std::string message;   // also of a good end: why
};

struct AssociationLine {
  std::string_view side;  // "ingress" or "egress"
  WallTime begun;
  Duration took;
  std::string node;      // who serves (ingress) or who asks (egress); "cloud" for the cloud
  std::string listener;  // ingress only: namespace/gateway/listener
  std::string route;     // ingress only
  const wire::FlowOpen* open = nullptr;
  FlowId flow;
  std::uint64_t bytes_in = 0, datagrams_in = 0;    // from the client to the service, as this side counted them
  std::uint64_t bytes_out = 0, datagrams_out = 0;  // from the service to the client
  std::uint64_t dropped = 0;                       // on this side
  std::uint32_t tries = 1;
  End end;
};

inline void write(observe::AccessLog* log, const AssociationLine& line) {
  if (log == nullptr) return;
  observe::JsonLine json;
  json.add("time", line.begun).add("plugin", "udp").add("side", line.side).add("flow", line.flow.value());
  if (auto trace = observe::TraceContext::parse(line.open->traceparent)) json.add("trace", std::string_view(trace->trace_text()));
  json.add("node", std::string_view(line.node));
  if (!line.listener.empty())
    json.add("listener", std::string_view(line.listener))
        .add("route", std::string_view(line.route))
        .add("tries", std::uint64_t{line.tries});
  json.add("backend", std::string_view(line.open->backend)).add("target", std::string_view(line.open->target));
  json.add("source", std::string_view(line.open->source)).add("bytes_in", line.bytes_in).add("bytes_out", line.bytes_out);
  json.add("datagrams_in", line.datagrams_in).add("datagrams_out", line.datagrams_out).add("dropped", line.dropped);
  json.add("seconds", line.took).add("outcome", name(line.end.code));
  if (line.end.code != link::FlowCode::ok) json.add("by", line.end.by_flow ? "link" : "socket").add("refused", line.end.refused);
  json.add("message", std::string_view(line.end.message));
  log->write(std::move(json));
}

}  // namespace fairlead::udp
