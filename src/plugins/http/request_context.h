// request_context.h: what is known of a request before a service is asked: its host and path in the form that rules use, the rule, and
// the request as it is to go on.
//
// Everything is a view of the head, of the rules (which this keeps) or of desk.texts: valid until the desk is cleared.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "observe/trace.h"
#include "plugins/http/ingress.h"
#include "plugins/http/own_answer.h"

namespace fairlead::http_plugin {

struct RequestContext {
  RequestContext(Ingress& ingress, Desk& desk, const Origin& origin);

  // Both: an answer when the request goes no further. The second one leaves the request to be sent in desk.request.
  std::optional<OwnAnswer> find_rule();
  std::optional<OwnAnswer> filter(Random& random);

  const route::HttpRule& rule() const { return *match.rule; }
  route::RequestToMatch to_match() const {
    return {host, path, query, desk.parser.head().request.method, desk.parser.head().request.fields};
  }
  std::string_view method() const { return desk.parser.head().request.method; }

  Desk& desk;
  const Origin& origin;
  const std::shared_ptr<Rules> rules;
  const route::HttpPort* port;  // null: its listener is gone
  std::string host;
  std::string_view path, query;
  route::HttpMatch match;
  observe::TraceContext trace;
  const route::CorsFilter* cors = nullptr;
  std::vector<const route::MirrorFilter*> mirrors;
  // Answers that the rule itself has: where a redirect leads, and what a browser's preflight is told (desk.answer_fields).
  std::string_view redirect;
  unsigned answered_here = 0;  // their status
};

}  // namespace fairlead::http_plugin
