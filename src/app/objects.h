// objects.h: what `fairlead get KIND` shows of the rules in force: /v1/gateways, /v1/routes and /v1/backends. The JSON is a contract: keys are
// added, never changed; conditions are those of the Gateway API.
//
//   {"items": [{"kind": "HTTPRoute", "metadata": {"namespace": ..., "name": ..., "generation": 0}, "status": {"parents": [...]}}]}
#pragma once
#include <string>
#include <vector>

#include "app/status.h"
#include "base/error.h"
#include "route/backend_states.h"
#include "route/snapshot.h"

namespace fairlead::app {

// `listeners` tell what is programmed: a socket that could not be opened is not.
std::string gateways_json(const route::Snapshot& snapshot, const std::vector<ListenerState>& listeners);
std::string routes_json(const route::Snapshot& snapshot);
std::string backends_json(const route::Snapshot& snapshot, const std::vector<route::EndpointReport>& endpoints);

// A table for people, from any of these.
Result<std::string> objects_text(std::string_view json);

}  // namespace fairlead::app
