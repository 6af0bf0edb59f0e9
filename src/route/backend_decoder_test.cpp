// The fields of a Backend.
#include <gtest/gtest.h>

#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

using namespace testing;

std::string spec_with(std::string_view location, std::string_view more) {
  return backend("name: b", location) + (more.empty() ? "" : fmt::format("  {}\n", more));
}
Backend decoded_with(std::string_view location, std::string_view more) { return decoded(spec_with(location, more)).backends.at(0); }
std::string problems_with(std::string_view location, std::string_view more) {
  Problems problems("f");
  decode_manifests(spec_with(location, more), Format::yaml, problems);
  return to_text(problems.take());
}

TEST(BackendDecoder, HasDefaults) {
  const Backend b = decoded_with("nodeName: a", "protocol: HTTP");
  EXPECT_FALSE(b.node_from || b.health.active || b.health.passive || b.tls || b.balancing.preferred);
  EXPECT_EQ(b.balancing.policy, Balancing::Policy::round_robin);
  EXPECT_EQ(b.limits.requests, 0u);
  EXPECT_EQ(b.timeouts.connect, 10s);
  EXPECT_EQ(b.timeouts.idle, 55s);
  EXPECT_EQ(b.proxy_protocol, 0u);
}

TEST(BackendDecoder, ReadsWhereTheNodeComesFrom) {
  Backend b = decoded_with("nodeFrom: {pathSegment: 2, strip: true}", "");
  EXPECT_EQ(b.node_from->where, NodeFrom::Where::path_segment);
  EXPECT_EQ(b.node_from->index, 2u);
  EXPECT_TRUE(b.node_from->strip);
  EXPECT_TRUE(std::get<NodeChoice>(b.location).picks(NodeName::parse("any").value(), {}));
  b = decoded_with("nodeSelector: {site: x}, nodeFrom: {hostLabel: 1}", "");
  EXPECT_EQ(b.node_from->where, NodeFrom::Where::host_label);
  EXPECT_FALSE(std::get<NodeChoice>(b.location).picks(NodeName::parse("any").value(), {}));
  b = decoded_with("nodeFrom: {header: X-Node}", "");
  EXPECT_EQ(b.node_from->where, NodeFrom::Where::header);
  EXPECT_EQ(b.node_from->header, "X-Node");
}

TEST(BackendDecoder, ReadsBalancing) {
  Backend b =
      decoded_with("nodeSelector: {}",
                   "balancing: {policy: Hash, hashOn: Cookie, name: user, nodeWeights: {edge-a: 3, b: 0}, preferred: {nodeName: c}}");
  EXPECT_EQ(b.balancing.policy, Balancing::Policy::hash);
  EXPECT_EQ(b.balancing.hash_on, Balancing::HashOn::cookie);
  EXPECT_EQ(b.balancing.hash_name, "user");
  EXPECT_EQ(b.balancing.weights.at(NodeName::parse("edge-a").value()), 3u);
  EXPECT_TRUE(b.balancing.preferred->picks(NodeName::parse("c").value(), {}));
  b = decoded_with("nodeName: a", "balancing: {policy: LeastRequest}");
  EXPECT_EQ(b.balancing.policy, Balancing::Policy::least_request);
}

TEST(BackendDecoder, ReadsHealthLimitsTlsAndTimeouts) {
  Backend b = decoded_with("nodeName: a", R"(healthCheck:
    active: {path: "/healthz?full=1", host: shop.internal, interval: 5s, timeout: 500ms, unhealthyAfter: 2, healthyAfter: 1, statuses: "204"}
    passive: {failures: 7, eject: 1m}
  limits: {requests: 100, connections: 20}
  tls: {hostname: shop.internal, caFile: /etc/ca.pem}
  timeouts: {connect: 3s, idle: 20s}
  proxyProtocol: 2)");
  const ActiveCheck& active = *b.health.active;
  EXPECT_EQ(active.path, "/healthz?full=1");
  EXPECT_EQ(active.host, "shop.internal");
  EXPECT_EQ(active.interval, 5s);
  EXPECT_EQ(active.timeout, 500ms);
  EXPECT_EQ(active.unhealthy_after, 2u);
  EXPECT_EQ(active.healthy_after, 1u);
  EXPECT_EQ(active.status_first, 204);
  EXPECT_EQ(active.status_last, 204);
  EXPECT_EQ(b.health.passive->failures, 7u);
  EXPECT_EQ(b.health.passive->eject, 1min);
  EXPECT_EQ(b.limits.requests, 100u);
  EXPECT_EQ(b.limits.connections, 20u);
  EXPECT_EQ(b.tls->hostname, "shop.internal");
  EXPECT_EQ(b.tls->ca_file, "/etc/ca.pem");
  EXPECT_EQ(b.timeouts.connect, 3s);
  EXPECT_EQ(b.timeouts.idle, 20s);
  EXPECT_EQ(b.proxy_protocol, 2u);
  b = decoded_with("nodeName: a", "healthCheck: {active: {}, passive: {}}");
  EXPECT_EQ(b.health.active->interval, 10s);
  EXPECT_EQ(b.health.active->status_last, 399);
  EXPECT_EQ(b.health.passive->eject, 30s);
}

TEST(BackendDecoder, AMistakeIsToldAtItsField) {
  const std::string long_path = "/" + std::string(1024, 'x');
  std::string too_many;
  for (int i = 0; i <= 1024; i++) too_many += fmt::format("n{}: 1, ", i);
  struct Case {
    std::string location, more, problem;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"nodeFrom: {}", "", "spec.location.nodeFrom: one of pathSegment, hostLabel and header is needed"},
           {"nodeFrom: {pathSegment: 1, header: X}", "", "spec.location.nodeFrom: one of pathSegment, hostLabel and header is needed"},
           {"nodeFrom: {pathSegment: 0}", "", "spec.location.nodeFrom.pathSegment: 0 is not from 1 to 16"},
           {"nodeFrom: {hostLabel: 17}", "", "spec.location.nodeFrom.hostLabel: 17 is not from 1 to 16"},
           {"nodeFrom: {hostLabel: 1, strip: true}", "", "spec.location.nodeFrom.strip: only a pathSegment can be stripped"},
           {"nodeFrom: {header: 'a b'}", "", "spec.location.nodeFrom.header: "},
           {"nodeName: a, nodeFrom: {pathSegment: 1}", "", "spec.location: nodeName and nodeFrom: only one of them"},
           {"cloud: {}, nodeFrom: {pathSegment: 1}", "", "spec.location: one of nodeName, nodeSelector, nodeFrom and cloud: {} is needed"},
           {"nodeName: a", "protocol: HTTPS", "spec.protocol: \"HTTPS\" is not HTTP"},
           {"nodeName: a", "balancing: {policy: Random}", "spec.balancing.policy: \"Random\" is none of RoundRobin, LeastRequest, Hash"},
           {"nodeName: a", "balancing: {policy: Hash}", "spec.balancing: \"hashOn\" is missing"},
           {"nodeName: a", "balancing: {hashOn: Path}", "spec.balancing: hashOn is of the policy Hash"},
           {"nodeName: a", "balancing: {policy: Hash, hashOn: Header}", "spec.balancing: \"name\" is missing"},
           {"nodeName: a", "balancing: {policy: Hash, hashOn: Path, name: x}", "spec.balancing: name is of a Header or Cookie"},
           {"nodeName: a", "balancing: {policy: Hash, hashOn: Cookie, name: 'a;b'}", "spec.balancing.name: "},
           {"nodeName: a", "balancing: {nodeWeights: {A: 1}}", "spec.balancing.nodeWeights: node name \"A\""},
           {"nodeName: a", "balancing: {nodeWeights: {a: 101}}", "spec.balancing.nodeWeights.a: 101 is not from 0 to 100"},
           {"nodeName: a", "balancing: {nodeWeights: {" + too_many + "}}", "spec.balancing.nodeWeights: at most 1024 allowed"},
           {"cloud: {}", "balancing: {nodeWeights: {a: 1}}", "spec.balancing: nodeWeights: the cloud has no nodes"},
           {"cloud: {}", "balancing: {preferred: {nodeName: a}}", "spec.balancing: preferred: the cloud has no nodes"},
           {"nodeFrom: {pathSegment: 1}", "balancing: {preferred: {nodeName: a}}", "preferred: with nodeFrom the request says which node"},
           {"nodeName: a", "balancing: {preferred: {}}", "spec.balancing.preferred: nodeName or nodeSelector is missing"},
           {"nodeName: a", "healthCheck: {}", "spec.healthCheck: active or passive is missing"},
           {"nodeName: a", "healthCheck: {active: {path: x}}", "spec.healthCheck.active.path: \"x\" is not a path"},
           {"nodeName: a", "healthCheck: {active: {path: '/a b'}}", "spec.healthCheck.active.path: \"/a b\" is not a path"},
           {"nodeName: a", "healthCheck: {active: {path: \"/\\r\\nX: y\"}}", "is not a path"},
           {"nodeName: a", "healthCheck: {active: {path: " + long_path + "}}", "is not a path of at most 1024"},
           {"nodeName: a", "healthCheck: {active: {host: 'a:80'}}", "spec.healthCheck.active.host: \"a:80\" is neither"},
           {"nodeName: a", "healthCheck: {active: {interval: 99ms}}", "spec.healthCheck.active.interval: 100ms and 1h are the limits"},
           {"nodeName: a", "healthCheck: {active: {timeout: 0s}}", "spec.healthCheck.active.timeout: 1ms and 1h are the limits"},
           {"nodeName: a", "healthCheck: {active: {unhealthyAfter: 0}}", "unhealthyAfter: 0 is not from 1 to 100"},
           {"nodeName: a", "healthCheck: {active: {statuses: 200}}", "spec.healthCheck.active.statuses: 200 is a number here"},
           {"nodeName: a", "healthCheck: {active: {statuses: '399-200'}}", "is none of \"200\" and \"200-399\""},
           {"nodeName: a", "healthCheck: {active: {statuses: '200-'}}", "is none of"},
           {"nodeName: a", "healthCheck: {active: {statuses: '100'}}", "is none of"},
           {"nodeName: a", "healthCheck: {active: {statuses: '0200'}}", "is none of"},
           {"nodeName: a", "healthCheck: {passive: {failures: 101}}", "spec.healthCheck.passive.failures: 101 is not from 1 to 100"},
           {"nodeName: a", "healthCheck: {passive: {eject: 2h}}", "spec.healthCheck.passive.eject: 1ms and 1h are the limits"},
           {"nodeName: a", "limits: {requests: 0}", "spec.limits.requests: 0 is not from 1 to 1000000"},
           {"nodeName: a", "limits: {connections: 65536}", "spec.limits.connections: 65536 is not from 1 to 65535"},
           {"nodeName: a", "tls: {}", "spec.tls: \"hostname\" is missing"},
           {"nodeName: a", "tls: {hostname: '*.x'}", "spec.tls.hostname: \"*.x\" is neither"},
           {"nodeName: a", "tls: {hostname: x, caFile: ''}", "spec.tls.caFile: the name of a file is needed"},
           {"nodeName: a", "timeouts: {connect: 0s}", "spec.timeouts.connect: 1ms and 1h are the limits"},
           {"nodeName: a", "proxyProtocol: 3", "spec.proxyProtocol: 3 is not from 1 to 2"},
       }) {
    const std::string said = problems_with(c.location, c.more);
    EXPECT_NE(said.find(c.problem), std::string::npos) << c.location << " " << c.more.substr(0, 100) << "\n" << said;
  }
}

TEST(BackendDecoder, ATcpRouteCannotUseABackendWhoseNodeTheRequestNames) {
  const auto snapshot = built(gateway("name: g", "{name: tcp, port: 80, protocol: TCP}") +
                              tcp_route("name: r", "{name: g}", backend_ref("name: b")) + backend("name: b", "nodeFrom: {pathSegment: 1}"));
  EXPECT_FALSE(snapshot->tcp_listeners().at(0).backends.at(0).backend);
  EXPECT_NE(to_text(snapshot->warnings()).find("spec.rules[0].backendRefs[0]: Backend default/b takes the node from the request"),
            std::string::npos);
}

}  // namespace
}  // namespace fairlead::route
