// forwarding.h: what the service is told about where a request came from, and the far side about how to speak to the service.
#pragma once
#include <string_view>

#include "plugins/http/request_context.h"
#include "wire/http_message.h"
#include "wire/message.h"

namespace fairlead::http_plugin {

// X-Forwarded-*, Forwarded, Via and traceparent of the request that goes on. What a client says of itself is kept only if its address is
// a trusted proxy's.
void forward_fields(http::Request& request, const RequestContext& context);

// `target` without the segment that named the node, if the Backend says so.
std::string_view stripped_target(std::string_view target, const route::Backend& backend, Texts& texts);
// All but the head.
wire::FlowOpen flow_open(const RequestContext& context, const route::Endpoint& to, Duration remaining);
wire::HttpService service_of(const route::Backend& backend);

}  // namespace fairlead::http_plugin
