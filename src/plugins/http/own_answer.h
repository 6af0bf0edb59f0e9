// own_answer.h: answers that Fairlead gives itself: a JSON problem (RFC 9457) with Proxy-Status (RFC 9209).
//
// The one place where a reason becomes a status: of the link (FlowCode), of the balancer (Code), of the parser (http::Refusal).
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "http/head_parser.h"
#include "link/refusal.h"
#include "plugins/http/answer.h"

namespace fairlead::http_plugin {

struct OwnAnswer {
  unsigned status = 500;
  std::string_view code;         // stable, for programs: "no-route"
  std::string_view proxy_error;  // of RFC 9209, 2.3; empty: no Proxy-Status, for it is the client's mistake or the rule's wish
  std::string detail;            // for people
  bool retry_later = false;      // Retry-After
};

inline constexpr std::string_view kRetryAfter = "1";  // seconds: a node that comes back does so within seconds, or not soon

OwnAnswer answer_of(const link::Refusal& refusal);
OwnAnswer answer_of(const http::Refusal& refusal);
// Of Balancer::pick.
OwnAnswer answer_of_pick(const Error& error);

// The body.
std::string problem_of(const OwnAnswer& answer, std::string_view trace);
// "fairlead; error=connection_refused; details=\"...\"": what of `detail` cannot stand in a quoted string is left out.
std::string proxy_status_of(const OwnAnswer& answer);

// The whole answer. Code::reset when the client is gone.
Task<Result<void>> give(Answer& to, OwnAnswer answer, std::string trace, bool to_head, bool keep_alive);

}  // namespace fairlead::http_plugin
