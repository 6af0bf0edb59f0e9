// status.h: what /v1/status says and `fairlead status` shows. The JSON is a contract: keys are added, never changed.
#pragma once
#include <string>
#include <vector>

#include "link/cloud_link.h"
#include "link/edge_link.h"
#include "route/snapshot.h"

namespace fairlead::app {

// {"nodes": [{"name": ..., "connected": true, "state": "live", "since": ..., "address": ..., "rtt_ms": ..., ...}], "listeners": [...], ...}
struct ListenerState {
  std::string gateway, listener, address, route;
  std::string problem;  // empty: open
};
std::string cloud_status_json(const std::map<NodeName, link::Nodes::Entry>& nodes, const std::vector<link::SessionStatus>& sessions,
                              const std::vector<ListenerState>& listeners, const std::vector<std::string>& problems);
// {"node": ..., "cloud": {"connected": true, "state": ..., ...}, "listeners": [...], ...}
std::string edge_status_json(const NodeName& node, const link::EdgeStatus& status, const std::vector<ListenerState>& listeners,
                             const std::vector<std::string>& problems);

// A table for people, from either JSON.
Result<std::string> status_text(std::string_view json);

}  // namespace fairlead::app
