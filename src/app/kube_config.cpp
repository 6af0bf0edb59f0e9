#include "app/kube_config.h"

#include "route/values.h"

namespace fairlead::app {
namespace {

using route::Field;
using route::Object;

constexpr std::size_t kMaxApiServers = 64;  // a control plane has three or five
constexpr std::size_t kMaxListen = 16;

void decode_direct(const Field& f, std::optional<std::vector<route::EgressRule>>& direct) {
  if (f.node().kind == route::Node::Kind::string && f.node().text == "all") {
    direct = {{net::Cidr::parse("0.0.0.0/0").value(), {}}, {net::Cidr::parse("::/0").value(), {}}};
    return;
  }
  decode(f, direct.emplace());
}

void decode_connect(const Field& f, CloudKubeConfig::Connect& connect) {
  {
    Object o(f);
    o.optional("socket", connect.socket);
    o.optional("listen", connect.listen);
    o.optional("certificate", connect.certificate);
    o.optional("key", connect.key);
    o.optional("clientCA", connect.client_ca);
    o.optional("direct", [&](const Field& d) { decode_direct(d, connect.direct); });
  }
  if (connect.listen && (connect.certificate.empty() || connect.key.empty() || connect.client_ca.empty()))
    f.error("listen needs certificate, key and clientCA: who may open tunnels is decided by a client certificate");
}

void decode_cluster(const Field& f, CloudKubeConfig::Cluster& cluster) {
  {
    Object o(f);
    o.optional("kubeconfig", cluster.kubeconfig);
    o.optional("context", cluster.context);
    o.optional("inCluster", cluster.in_cluster);
    o.optional("edges", cluster.edges);
  }
  if (cluster.in_cluster == !cluster.kubeconfig.empty())
    f.error("a cluster is named by its kubeconfig, or by inCluster: true in a Pod of it");
}

void decode_kubelet(const Field& f, CloudKubeConfig& config) {
  {
    Object o(f);
    o.optional("mode", route::one_of(config.mode, {{"connect", CloudKubeConfig::KubeletMode::connect},
                                                   {"node-address", CloudKubeConfig::KubeletMode::node_address}}));
    o.optional("listen", config.kubelet_listen);
    o.optional("ports", config.kubelet_ports);
  }
  if (config.kubelet_ports.first == config.kubelet_ports.last) f.error("ports is a range like 20000-20999, a port for each node");
}

}  // namespace

void decode(const Field& f, CloudKubeConfig& config) {
  config.on = true;
  Object o(f);
  o.optional("apiServers", route::list_of(config.api_servers, 0, kMaxApiServers));
  o.optional("cluster", [&](const Field& c) { decode_cluster(c, config.cluster); });
  o.optional("connect", [&](const Field& c) { decode_connect(c, config.connect); });
  o.optional("kubelet", [&](const Field& k) { decode_kubelet(k, config); });
}

void decode(const Field& f, EdgeKubeConfig& config) {
  Object o(f);
  o.optional("kubelet", config.kubelet);
  o.optional("apiServer", [&](const Field& a) {
    Object api(a);
    api.optional("listen", route::list_of(config.api_listen, 0, kMaxListen));
  });
}

}  // namespace fairlead::app
