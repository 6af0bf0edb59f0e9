// kube_rules.h: what the kube plug-in of each loop is to do, made off the loops from configuration, files and what is known of the cluster.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/address.h"
#include "net/tls.h"
#include "plugins/kube/doors.h"
#include "route/egress_policy.h"

namespace fairlead::app {

// Immutable.
struct KubeRules {
  std::vector<kube_plugin::Door> doors;               // edge: to the API server; cloud: to kubelets
  std::vector<std::string> connect_at;                // cloud: where CONNECT is taken, since the start
  std::vector<net::SocketAddress> api_servers;        // cloud
  std::shared_ptr<const route::EgressPolicy> direct;  // cloud; null: nothing
  std::shared_ptr<const net::TlsServer> tls;          // cloud, of kube.connect.listen
  std::optional<net::HostPort> kubelet;               // edge
};

}  // namespace fairlead::app
