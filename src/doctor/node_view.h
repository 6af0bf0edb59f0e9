// node_view.h: what a cloud sees of one node without asking it, and how it has the node examine itself.
#pragma once
#include <optional>
#include <set>
#include <string>

#include "doctor/finding.h"
#include "link/peers.h"
#include "net/mux.h"

namespace fairlead::doctor {

// The node's session, or what is remembered of the last one.
struct NodeView {
  NodeName node;
  bool known = false;  // has connected since the cloud began, or has a certificate
  bool connected = false;
  std::string state;   // "live", "suspect", "draining"
  WallTime since{};    // connected, or gone
  std::string reason;  // why it is gone
  std::string address, software, transport;
  std::optional<net::MuxStats> carrier;
  std::size_t udp_payload = 0;  // that the way to the node carries; 0: not known
  Duration silent{};            // since the last packet of the node
  std::optional<WallTime> certificate_ends;
};
// `session`, and if it is connected also what the session knows of `certificate`, `rtt`, `loss`, `path-mtu` from the cloud's side.
std::vector<Finding> judge_node(const NodeView& view, WallTime now);

// Has the node examine itself over its session: what it reports, or one finding `examination` that says why not.
Task<std::vector<Finding>> ask_node(link::Peers& peers, Loop& loop, NodeName node, bool thorough, std::set<std::string> only);

}  // namespace fairlead::doctor
