// kube_line.h: the audit line of a tunnel, in the access log; the same at both sides, `trace` tells which two belong together.
//
// Inside is TLS between the API server and its peer, so that exec cannot be told from logs, and users are known to the API server's own
// audit log only: what is here says which connection, where to, since when, how much and how it ended.
#pragma once
#include <string>
#include <string_view>

#include "link/flow.h"
#include "link/splice.h"
#include "observe/access_log.h"
#include "observe/trace.h"
#include "plugins/kube/targets.h"

namespace fairlead::kube_plugin {

struct KubeLine {
  std::string_view side;  // "ingress" or "egress"
  std::string_view door;  // ingress: "connect", "apiserver", "kubelet-port"
  WallTime begun;
  TimePoint start;
  std::string node;       // who serves (ingress) or who asks (egress); "cloud"; empty: none
  std::string_view kind;  // "kubelet", "pod", "service", "apiserver", "direct"; empty: nothing was asked for
  std::string asked;      // as the client named it
  std::string target;     // what was dialled, or is to be dialled there
  std::string source;
  std::string client;  // subject of its certificate
  std::string trace;   // traceparent
  FlowId flow;
  unsigned status = 0;          // of the answer to a CONNECT
  std::uint64_t bytes_in = 0;   // from the client to the service
  std::uint64_t bytes_out = 0;  // from the service to the client
  link::SpliceEnd end;
};

inline void write(observe::AccessLog* log, const KubeLine& line, TimePoint now) {
  if (log == nullptr) return;
  observe::JsonLine json;
  json.add("time", line.begun).add("plugin", kPlugin).add("side", line.side);
  if (!line.door.empty()) json.add("door", line.door);
  if (line.flow.value() != 0) json.add("flow", line.flow.value());
  if (auto trace = observe::TraceContext::parse(line.trace)) json.add("trace", std::string_view(trace->trace_text()));
  if (!line.node.empty()) json.add("node", std::string_view(line.node));
  if (!line.kind.empty()) json.add("kind", line.kind);
  json.add("asked", std::string_view(line.asked)).add("target", std::string_view(line.target)).add("source", std::string_view(line.source));
  if (!line.client.empty()) json.add("client", std::string_view(line.client));
  if (line.status != 0) json.add("status", line.status);
  json.add("bytes_in", line.bytes_in).add("bytes_out", line.bytes_out).add("seconds", now - line.start);
  json.add("outcome", name(line.end.code));
  if (line.end.code != link::FlowCode::ok)
    json.add("by", line.end.by_flow ? "link" : "socket")
        .add("refused", line.end.refused)
        .add("message", std::string_view(line.end.message));
  log->write(std::move(json));
}

}  // namespace fairlead::kube_plugin
