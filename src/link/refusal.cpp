#include "link/refusal.h"

namespace fairlead::link {

FlowCode flow_code_of(Code code) {
  switch (code) {
    case Code::refused: return FlowCode::refused;
    case Code::unreachable:
    case Code::not_found: return FlowCode::unreachable;
    case Code::timeout: return FlowCode::deadline;
    case Code::forbidden:
    case Code::unauthenticated: return FlowCode::forbidden;
    case Code::overloaded:
    case Code::too_large: return FlowCode::overloaded;
    case Code::unsupported: return FlowCode::unsupported;
    case Code::reset:
    case Code::closed: return FlowCode::reset;
    case Code::cancelled: return FlowCode::cancelled;
    case Code::invalid: return FlowCode::protocol;
    case Code::exists:
    case Code::io:
    case Code::internal: return FlowCode::internal;
  }
  return FlowCode::internal;
}

Error to_error(const Refusal& refusal) {
  Code code = Code::internal;
  switch (refusal.code) {
    case FlowCode::cancelled: code = Code::cancelled; break;
    case FlowCode::unreachable:
    case FlowCode::link_down:
    case FlowCode::no_route: code = Code::unreachable; break;
    case FlowCode::refused: code = Code::refused; break;
    case FlowCode::forbidden: code = Code::forbidden; break;
    case FlowCode::unsupported: code = Code::unsupported; break;
    case FlowCode::overloaded:
    case FlowCode::draining: code = Code::overloaded; break;
    case FlowCode::deadline: code = Code::timeout; break;
    case FlowCode::reset: code = Code::reset; break;
    case FlowCode::protocol: code = Code::invalid; break;
    case FlowCode::ok:
    case FlowCode::internal: code = Code::internal; break;
  }
  return Error(code, refusal.message.empty() ? std::string(name(refusal.code)) : refusal.message);
}

}  // namespace fairlead::link
