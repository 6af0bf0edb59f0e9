// egress_line.h: the access-log line of a request, as the side of the service saw it. Written when it is destroyed, so that a request that
// ends with its session has one, too.
#pragma once
#include <string>

#include "http/target.h"
#include "link/flow.h"
#include "observe/access_log.h"
#include "observe/trace.h"
#include "plugins/http/payload.h"
#include "wire/http_message.h"

namespace fairlead::http_plugin {

struct EgressLine {
  EgressLine(observe::AccessLog* to, const link::Flow& f, const http::Request& r)
      : log(to), flow(f), request(r), begun(f.loop().wall_now()), start(f.loop().now()) {}
  EgressLine(const EgressLine&) = delete;
  EgressLine& operator=(const EgressLine&) = delete;
  ~EgressLine() {
    if (log == nullptr) return;
    const wire::FlowOpen& open = flow.head();
    observe::JsonLine json;
    json.add("time", begun).add("plugin", kPlugin).add("side", "egress").add("flow", flow.id().value());
    if (observe::TraceContext::parse(open.traceparent)) json.add("trace", std::string_view(open.traceparent).substr(3, 32));
    json.add("node", std::string_view(flow.peer())).add("backend", std::string_view(open.backend));
    json.add("target", std::string_view(open.target)).add("source", std::string_view(open.source));
    json.add("method", request.method).add("host", request.authority).add("path", http::split_target(request.target).path);
    json.add("status", status).add("reused", reused).add("bytes_in", bytes_in).add("bytes_out", bytes_out);
    json.add("seconds", flow.loop().now() - start).add("outcome", name(code));
    if (code != link::FlowCode::ok)
      json.add("by", by_flow ? "link" : "service").add("refused", refused).add("message", std::string_view(message));
    log->write(std::move(json));
  }

  observe::AccessLog* log;
  const link::Flow& flow;
  const http::Request& request;  // of a head that could not be decoded: empty
  WallTime begun;
  TimePoint start;
  unsigned status = 0;  // 0: the service gave no answer
  bool reused = false;
  std::uint64_t bytes_in = 0, bytes_out = 0;        // content of the request, of the answer
  link::FlowCode code = link::FlowCode::link_down;  // until it is known
  bool by_flow = true;
  bool refused = false;
  std::string message = "the session is over";
};

}  // namespace fairlead::http_plugin
