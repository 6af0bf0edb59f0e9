#include "app/config.h"

namespace fairlead::app {

std::string_view default_cloud_config() {
  return R"(# Configuration of a Fairlead cloud. Every key is here with its default; docs/CONFIG.md says more.
# SIGHUP, or a new start, puts a change in force.

#link:
#  listen: "[::]:8443"     # where edges dial, UDP and, for `fallback`, TCP
#  congestion: bbr         # or cubic
#  survive: 2m             # a silent session is given up after so long
#  suspectAfter: 2s        # with an answer due: new flows fail at once after so long a silence
#  keepAlive: 4s           # a sign of life after so long without a packet
#  openTimeout: 10s        # to open a flow, the far service included
#  maxStreams: 16384       # flows that an edge may have open at once on one session
#  fallback: auto          # edges for which UDP does not get through are taken over TCP; or off

#loops: 2                  # threads; one for each core unless it is set

#join:
#  certificateLifetime: 8760h  # of edges' certificates; edges renew them over the link before two thirds of it
#  renewGrace: 0s          # so long after its expiry a certificate is still renewed, for an edge that was off; by its key alone

#memory:
#  process: 1GiB           # buffered for all sessions
#  session: 64MiB          # for one
#  reserve: 64MiB          # of process, kept for control and management

#egress:                   # what edges may reach here: this machine (nothing, with a section kube), unless networks are listed
#  allow: [127.0.0.0/8, {cidr: 10.0.0.0/8, ports: [443, 8000-8100]}]
#  pods: []                # networks of this node's pods, allowed besides this machine while `allow` is not set

#kube:                     # docs/KUBERNETES.md; without this section none of it runs
#  apiServers: []          # ADDRESS:PORT that edges are led to
#  cluster:                # to know what is at which edge: Nodes, Pods, Services
#    kubeconfig: kubeconfig  # in this folder, or an absolute path
#    context: ""           # of the kubeconfig; its current one
#    inCluster: false      # instead of a kubeconfig: as the Pod that this is
#    edges: {}             # labels of Nodes that are edges, besides those that have joined
#  connect:                # the way of the API server to nodes: EgressSelector, HTTPConnect
#    socket: connect.sock  # in this folder, or an absolute path; "" for none
#    listen: 127.0.0.1:8132  # the same over TCP with TLS; needs the three files
#    certificate: connect.pem
#    key: connect-key.pem
#    clientCA: connect-ca.pem
#    direct: []            # networks, dialled from here for what belongs to no edge; or all
#  kubelet:
#    mode: connect         # or node-address, where the API server cannot be told about EgressSelector
#    listen: 0.0.0.0       # node-address: the address of the ports
#    ports: 20000-20999    # node-address: one for each node

#admin:
#  listen: 127.0.0.1:9443  # besides the UNIX socket admin.sock in this folder; loopback only

#accessLog: stdout         # a path, stdout or off
#log:
#  level: info             # debug, info, warn, error, off
#  format: text            # or json
#drain: 10s                # at the end: time for open flows
)";
}

std::string_view default_edge_config() {
  return R"(# Configuration of a Fairlead edge. Every key is here with its default; docs/CONFIG.md says more.
# SIGHUP, or a new start, puts a change in force.

#link:
#  cloud: cloud.example.com:8443   # where to dial, unless --cloud says
#  uplinks: []             # interfaces, as [eth0, wwan0]: the better one is used; none: as the routing table says
#  probeUplinks: 10s       # how often each uplink is tried
#  congestion: bbr         # or cubic
#  survive: 2m             # a silent session is given up after so long
#  suspectAfter: 2s        # with an answer due: new flows fail at once after so long a silence
#  keepAlive: 4s           # a sign of life after so long without a packet
#  openTimeout: 10s        # to open a flow, the far service included
#  maxStreams: 16384       # flows that the cloud may have open at once
#  fallback: auto          # TLS over TCP while UDP does not get through; or off, or only
#  proxy: environment      # on the way of the fallback: HTTPS_PROXY and NO_PROXY say; or none, or http://USER:PASSWORD@HOST:PORT

#labels: {}                # of this node, for nodeSelector of Backends

#memory:
#  process: 256MiB         # buffered for the session
#  session: 64MiB
#  reserve: 16MiB          # of process, kept for control and management

#egress:                   # what the cloud may reach here: this node, unless networks are listed
#  allow: [127.0.0.0/8, {cidr: 192.168.7.0/24, ports: [502, 8000-8100]}]
#  pods: []                # networks of this node's pods, allowed besides this node while `allow` is not set

#kube:                     # docs/KUBERNETES.md
#  kubelet: 127.0.0.1:10250  # where the kubelet of this node listens
#  apiServer:
#    listen: []            # ADDRESS:PORT, where kubelet and pods are led to the API servers

#admin:
#  listen: 127.0.0.1:9444  # besides the UNIX socket admin.sock in this folder; loopback only

#accessLog: stdout         # a path, stdout or off
#log:
#  level: info             # debug, info, warn, error, off
#  format: text            # or json
#drain: 10s                # at the end: time for open flows
)";
}

std::string_view routes_readme() {
  return R"(Rules: manifests in files that end in .yaml, .yml or .json. A change is in force within a second.
`fairlead validate -f .` checks them. For example, in the cloud, an HTTP service on the node edge-a:

    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: front}
    spec:
      gatewayClassName: fairlead
      listeners: [{name: web, port: 80, protocol: HTTP}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop}
    spec:
      parentRefs: [{name: front}]
      rules:
      - matches: [{path: {type: PathPrefix, value: /shop}}]
        backendRefs: [{group: fairlead.dev, kind: Backend, name: shop}]
    ---
    apiVersion: fairlead.dev/v1alpha1
    kind: Backend
    metadata: {name: shop}
    spec:
      location: {nodeName: edge-a}
      targets: [{address: 127.0.0.1, port: 8080}]

At an edge the class is fairlead-edge and the location {cloud: {}}.
)";
}

}  // namespace fairlead::app
