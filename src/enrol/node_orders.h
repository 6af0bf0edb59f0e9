// node_orders.h: what an operator decides about a node: to put it out, to let it in again, to free its name for another key.
//
// Invariant: when a call returns, the list of the revoked says it (a running cloud acts on that within a second, on sessions that are up,
// too) and the registry records it. The list is written first: a crash between the two leaves a node out rather than in; the same call
// again sets it right. Code::not_found for a name that has never been here. Blocking: for commands.
#pragma once
#include <filesystem>
#include <string_view>

#include "enrol/registry.h"

namespace fairlead::enrol {

// Whatever certificate the node has or gets, it is not let in.
Result<void> revoke_node(const std::filesystem::path& dir, Registry& registry, const NodeName& node, std::string_view why, const Actor& by,
                         WallTime now);

// Undoes revoke_node. A key that was revoked by itself stays out.
Result<void> readmit_node(const std::filesystem::path& dir, Registry& registry, const NodeName& node, std::string_view why, const Actor& by,
                          WallTime now);

// The name is free for the next who joins; the key it had is put out for good, so that there are never two with one name.
Result<void> forget_node(const std::filesystem::path& dir, Registry& registry, const NodeName& node, std::string_view why, const Actor& by,
                         WallTime now);

}  // namespace fairlead::enrol
