// edge_join.h: `fairlead edge --join`: from a token to a complete folder of an edge, however long that takes.
#pragma once
#include <filesystem>
#include <optional>

#include "enrol/join_client.h"
#include "pki/folder.h"

namespace fairlead::app {

struct EdgeJoin {
  std::filesystem::path dir;
  net::HostPort cloud;
  enrol::JoinToken token;
  pki::Fingerprint pin;
  std::optional<NodeName> node;  // none: this host's name
  bool handle_signals = true;
};

// Blocks until the folder is there, the cloud has refused for good, or the process is told to end (Code::cancelled). `also` adds what
// belongs to other layers.
Result<void> join_edge(const EdgeJoin& join, pki::AlsoWrite also);

// The configuration of an edge that dials `cloud`: the default one otherwise.
std::string edge_config_for(const net::HostPort& cloud);

// This host's name as a node's, in lower case.
Result<NodeName> host_node_name();

}  // namespace fairlead::app
