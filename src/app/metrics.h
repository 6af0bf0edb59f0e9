// metrics.h: the numbers of a loop, copied into its metric cells. Called on that loop, at a scrape.
#pragma once
#include "app/host.h"
#include "app/kube_cluster.h"
#include "enrol/join_server.h"
#include "link/cloud_link.h"
#include "link/edge_link.h"
#include "link/totals.h"
#include "net/memory_budget.h"
#include "observe/registry.h"
#include "plugins/http/health_checker.h"
#include "plugins/http/http_egress.h"
#include "plugins/http/http_ingress.h"
#include "plugins/kube/connect_ingress.h"
#include "plugins/kube/doors.h"
#include "plugins/kube/kube_egress.h"
#include "plugins/tcp/tcp_ingress.h"
#include "plugins/udp/udp_egress.h"
#include "plugins/udp/udp_ingress.h"
#include "quic/endpoint.h"

namespace fairlead::app {

void publish(observe::Registry& registry, LoopIndex loop, const link::LinkTotals& totals);
void publish(observe::Registry& registry, LoopIndex loop, const link::CloudCounters& counters);
void publish(observe::Registry& registry, LoopIndex loop, const link::PathsStatus& paths);
void publish(observe::Registry& registry, LoopIndex loop, const enrol::JoinServer::Counters& counters);
void publish(observe::Registry& registry, LoopIndex loop, const quic::Endpoint::Counters& counters);
void publish(observe::Registry& registry, LoopIndex loop, const tcp::TcpIngress& ingress);
void publish(observe::Registry& registry, LoopIndex loop, const udp::UdpIngress& ingress);
void publish(observe::Registry& registry, LoopIndex loop, const udp::UdpEgressCounters& counters);
void publish(observe::Registry& registry, LoopIndex loop, const http_plugin::HttpIngress& ingress);
void publish(observe::Registry& registry, LoopIndex loop, const http_plugin::HttpEgressCounters& counters);
void publish(observe::Registry& registry, LoopIndex loop, const http_plugin::HealthChecker& checker);
void publish(observe::Registry& registry, LoopIndex loop, const kube_plugin::ConnectIngress& connect);
void publish(observe::Registry& registry, LoopIndex loop, const kube_plugin::Doors& doors);
void publish(observe::Registry& registry, LoopIndex loop, const kube_plugin::KubeEgress& egress);
void publish(observe::Registry& registry, LoopIndex loop, const KubeCluster& cluster);
void publish_process(observe::Registry& registry, LoopIndex loop, const net::MemoryBudget& memory, std::uint64_t dropped_log_lines);

}  // namespace fairlead::app
