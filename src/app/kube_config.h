// kube_config.h: the section `kube:` of config.yaml, of both sides. docs/CONFIG.md and docs/KUBERNETES.md say what each key is for.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "net/address.h"
#include "route/egress_policy.h"
#include "route/values.h"

namespace fairlead::app {

// In the cloud. File names are taken from the component's folder unless they begin with a slash.
struct CloudKubeConfig {
  enum class KubeletMode : std::uint8_t { connect, node_address };
  struct Connect {
    std::string socket = "connect.sock";       // empty: none
    std::optional<net::SocketAddress> listen;  // with TLS
    std::string certificate, key, client_ca;
    std::optional<std::vector<route::EgressRule>> direct;  // none: nothing
  };
  // Which cluster, to know what of it is at which edge.
  struct Cluster {
    std::string kubeconfig, context;
    bool in_cluster = false;
    route::Labels edges;  // of Nodes that are edges; none: only those that Fairlead knows
    bool named() const { return in_cluster || !kubeconfig.empty(); }
  };
  bool on = false;  // the section is there
  Cluster cluster;
  std::vector<net::SocketAddress> api_servers;
  Connect connect;
  KubeletMode mode = KubeletMode::connect;
  net::IpAddress kubelet_listen = net::IpAddress();  // every address
  route::PortRange kubelet_ports{20'000, 20'999};
};

// At an edge.
struct EdgeKubeConfig {
  net::HostPort kubelet{"127.0.0.1", 10250};
  std::vector<net::SocketAddress> api_listen;
};

void decode(const route::Field& f, CloudKubeConfig& config);
void decode(const route::Field& f, EdgeKubeConfig& config);

}  // namespace fairlead::app
