#include "app/metrics.h"

namespace fairlead::app {
namespace {

void count(observe::Registry& registry, LoopIndex loop, const char* name, const char* help, std::uint64_t value,
           observe::Labels labels = {}) {
  observe::Counter& cell = registry.counter(loop, {name, help, std::move(labels)});
  if (value > cell.value()) cell.add(value - cell.value());
}
void gauge(observe::Registry& registry, LoopIndex loop, const char* name, const char* help, double value) {
  registry.gauge(loop, {name, help, {}}).set(value);
}

}  // namespace

void publish(observe::Registry& registry, LoopIndex loop, const link::LinkTotals& t) {
  gauge(registry, loop, "fairlead_sessions", "Sessions that are up.", static_cast<double>(t.sessions));
  gauge(registry, loop, "fairlead_sessions_suspect", "Sessions that are silent while an answer is due.", static_cast<double>(t.suspect));
  const auto carriers = [&](const char* transport, std::uint64_t n) {
    registry.gauge(loop, {"fairlead_carriers", "Sessions that are up, by what carries them.", {{"transport", transport}}})
        .set(static_cast<double>(n));
  };
  carriers("quic", t.sessions - t.over_tcp);
  carriers("h2", t.over_tcp);
  count(registry, loop, "fairlead_fallbacks_total", "Sessions over TCP that began.", t.fallbacks);
  gauge(registry, loop, "fairlead_flows_open", "Flows that are open.", static_cast<double>(t.flows_open));
  count(registry, loop, "fairlead_flows_opened_total", "Flows opened, by either side.", t.flows_opened);
  count(registry, loop, "fairlead_flows_refused_total", "Flows refused, by either side.", t.flows_refused);
  count(registry, loop, "fairlead_flow_bytes_total", "Payload of flows.", t.bytes_in, {{"direction", "in"}});
  count(registry, loop, "fairlead_flow_bytes_total", "Payload of flows.", t.bytes_out, {{"direction", "out"}});
  count(registry, loop, "fairlead_link_packets_sent_total", "QUIC packets sent.", t.packets_sent);
  count(registry, loop, "fairlead_link_packets_lost_total", "QUIC packets declared lost.", t.packets_lost);
  count(registry, loop, "fairlead_link_silences_total", "Times that a peer was not heard though an answer was due, and then was.",
        t.silences);
  count(registry, loop, "fairlead_link_moves_total", "Changes of a session's path: addresses or ports.", t.moves);
  count(registry, loop, "fairlead_link_copies_sent_total", "Copies of small requests and answers, sent as datagrams.", t.copies_sent);
  count(registry, loop, "fairlead_link_copies_received_total", "Such copies that came.", t.copies_received);
  count(registry, loop, "fairlead_link_copies_used_total", "Such copies that came before what they are copies of.", t.copies_used);
}

void publish(observe::Registry& registry, LoopIndex loop, const link::CloudCounters& c) {
  count(registry, loop, "fairlead_sessions_accepted_total", "Sessions that began.", c.accepted);
  count(registry, loop, "fairlead_sessions_refused_total", "Connections of edges that were refused.", c.refused_identity,
        {{"reason", "identity"}});
  count(registry, loop, "fairlead_sessions_refused_total", "Connections of edges that were refused.", c.refused_hello,
        {{"reason", "hello"}});
  count(registry, loop, "fairlead_sessions_superseded_total", "Sessions that a later start of their node took over.", c.superseded);
}

void publish(observe::Registry& registry, LoopIndex loop, const link::PathsStatus& paths) {
  for (std::size_t i = 0; i < paths.moves.size(); i++)
    count(registry, loop, "fairlead_edge_moves_total", "Moves of the connection to another local address or interface.", paths.moves[i],
          {{"reason", std::string(name(static_cast<link::MoveReason>(i)))}});
  for (const link::UplinkStatus& uplink : paths.uplinks) {
    const observe::Labels labels{{"device", uplink.device}};
    count(registry, loop, "fairlead_uplink_probes_total", "Signs of life asked for by an uplink.", uplink.probes, labels);
    count(registry, loop, "fairlead_uplink_probes_lost_total", "Of them, those without an answer.", uplink.probes_lost, labels);
    const auto set = [&](const char* name, const char* help, double value) { registry.gauge(loop, {name, help, labels}).set(value); };
    set("fairlead_uplink_in_use", "Whether the connection goes by this uplink.", uplink.in_use ? 1 : 0);
    set("fairlead_uplink_alive", "Whether the cloud answers by this uplink.", uplink.alive ? 1 : 0);
    set("fairlead_uplink_rtt_seconds", "Shortest of the last round trips by an uplink; 0: none.",
        std::chrono::duration<double>(uplink.rtt).count());
    set("fairlead_uplink_loss_ratio", "Share of the last signs of life that did not come.", uplink.loss);
  }
}

void publish(observe::Registry& registry, LoopIndex loop, const enrol::JoinServer::Counters& c) {
  const auto joins = [&](std::uint64_t n, const char* result) {
    count(registry, loop, "fairlead_joins_total", "Connections of edges that wanted to join, by how they ended.", n, {{"result", result}});
  };
  joins(c.joined, "joined");
  joins(c.refused, "refused");
  joins(c.limited, "limited");
  joins(c.cut, "cut");
}

void publish(observe::Registry& registry, LoopIndex loop, const quic::Endpoint::Counters& c) {
  count(registry, loop, "fairlead_quic_retries_total", "Retry packets sent.", c.retries);
  count(registry, loop, "fairlead_quic_resets_sent_total", "Stateless resets sent.", c.resets_sent);
  count(registry, loop, "fairlead_quic_version_negotiations_total", "Version negotiation packets sent.", c.version_negotiations);
  count(registry, loop, "fairlead_quic_half_open_dropped_total", "Handshakes dropped because too many were half open.",
        c.dropped_half_open);
  count(registry, loop, "fairlead_quic_strays_total", "Datagrams passed on to the loop that they were for.", c.strays_passed);
  count(registry, loop, "fairlead_quic_unknown_total", "Datagrams of no connection.", c.unknown);
}

void publish(observe::Registry& registry, LoopIndex loop, const tcp::TcpIngress& ingress) {
  count(registry, loop, "fairlead_tcp_accepted_total", "TCP connections accepted from users.", ingress.counters().accepted);
  count(registry, loop, "fairlead_tcp_refused_total", "TCP connections of users that were reset because no flow could be had.",
        ingress.counters().refused);
  gauge(registry, loop, "fairlead_tcp_connections", "TCP connections of users that are open.", static_cast<double>(ingress.connections()));
}

void publish(observe::Registry& registry, LoopIndex loop, const udp::UdpIngress& ingress) {
  const udp::UdpIngressCounters& c = ingress.counters();
  count(registry, loop, "fairlead_udp_associations_total", "Associations of UDP clients that began.", c.associations);
  count(registry, loop, "fairlead_udp_refused_total", "Associations of UDP clients for which no flow could be had.", c.refused);
  count(registry, loop, "fairlead_udp_retries_total", "Further endpoints that were tried for an association.", c.retries);
  count(registry, loop, "fairlead_udp_datagrams_total", "Datagrams of UDP clients and to them.", c.datagrams_in, {{"direction", "in"}});
  count(registry, loop, "fairlead_udp_datagrams_total", "Datagrams of UDP clients and to them.", c.datagrams_out, {{"direction", "out"}});
  count(registry, loop, "fairlead_udp_bytes_total", "Payload of UDP clients and to them.", c.bytes_in, {{"direction", "in"}});
  count(registry, loop, "fairlead_udp_bytes_total", "Payload of UDP clients and to them.", c.bytes_out, {{"direction", "out"}});
  const auto dropped = [&](std::uint64_t n, const char* reason) {
    count(registry, loop, "fairlead_udp_dropped_total", "Datagrams at listeners that went nowhere.", n, {{"reason", reason}});
  };
  dropped(c.over_limit, "limit");
  dropped(c.over_source_limit, "source limit");
  dropped(c.unserved, "unserved");
  dropped(c.too_large, "too large");
  dropped(c.pushed_out, "pushed out");
  gauge(registry, loop, "fairlead_udp_associations", "Associations of UDP clients that are open.",
        static_cast<double>(ingress.associations()));
}

void publish(observe::Registry& registry, LoopIndex loop, const udp::UdpEgressCounters& c) {
  count(registry, loop, "fairlead_udp_egress_flows_total", "Associations of the other side.", c.flows);
  count(registry, loop, "fairlead_udp_egress_refused_total", "Associations of the other side that were refused.", c.refused);
  count(registry, loop, "fairlead_udp_egress_datagrams_total", "Datagrams to services and from them.", c.datagrams_in,
        {{"direction", "in"}});
  count(registry, loop, "fairlead_udp_egress_datagrams_total", "Datagrams to services and from them.", c.datagrams_out,
        {{"direction", "out"}});
  count(registry, loop, "fairlead_udp_egress_dropped_total", "Datagrams at sockets to services that went nowhere.", c.dropped);
  gauge(registry, loop, "fairlead_udp_egress_associations", "Sockets to services of UDP that are open.", static_cast<double>(c.open));
}

void publish(observe::Registry& registry, LoopIndex loop, const http_plugin::HttpIngress& ingress) {
  const http_plugin::HttpIngressCounters& c = ingress.counters();
  count(registry, loop, "fairlead_http_accepted_total", "Connections of HTTP users accepted.", c.connections);
  count(registry, loop, "fairlead_http_moved_total", "Moves of HTTP users' connections to the loop of the session they ask for.", c.moved);
  count(registry, loop, "fairlead_http_requests_total", "HTTP requests of users.", c.requests);
  static constexpr const char* kClasses[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
  for (std::size_t i = 0; i < std::size(kClasses); i++)
    count(registry, loop, "fairlead_http_answers_total", "Answers to HTTP users by class of status; none: the user went away.",
          c.answers[i], {{"status", kClasses[i]}});
  count(registry, loop, "fairlead_http_own_answers_total", "Answers that Fairlead made itself: no route, no node, refused, ...",
        c.own_answers);
  count(registry, loop, "fairlead_http_malformed_total", "Requests and answers refused because they were malformed.", c.malformed);
  count(registry, loop, "fairlead_http_retries_total", "Requests that were tried again.", c.retries);
  count(registry, loop, "fairlead_http_mirrored_total", "Requests that were mirrored.", c.mirrored);
  count(registry, loop, "fairlead_http_upgrades_total", "Connections that became another protocol's (WebSocket).", c.upgrades);
  count(registry, loop, "fairlead_http_bytes_total", "Content of HTTP messages at the ingress.", c.bytes_in, {{"direction", "in"}});
  count(registry, loop, "fairlead_http_bytes_total", "Content of HTTP messages at the ingress.", c.bytes_out, {{"direction", "out"}});
  registry
      .histogram(loop, {"fairlead_http_request_seconds", "From the head of a request to the end of its answer.", {}}, c.seconds.buckets())
      .copy_from(c.seconds);
  gauge(registry, loop, "fairlead_http_connections", "Connections of HTTP users that are open.",
        static_cast<double>(ingress.connections()));
}

void publish(observe::Registry& registry, LoopIndex loop, const http_plugin::HttpEgressCounters& c) {
  count(registry, loop, "fairlead_http_egress_requests_total", "HTTP requests taken from the other side.", c.requests);
  count(registry, loop, "fairlead_http_egress_refused_total", "HTTP requests of the other side that were refused.", c.refused);
  count(registry, loop, "fairlead_http_egress_dialled_total", "Connections made to HTTP services.", c.dialled);
  count(registry, loop, "fairlead_http_egress_reused_total", "HTTP requests on a connection that was there already.", c.reused);
  gauge(registry, loop, "fairlead_http_egress_pooled", "Connections to HTTP services that wait for the next request.",
        static_cast<double>(c.pooled));
}

void publish(observe::Registry& registry, LoopIndex loop, const http_plugin::HealthChecker& checker) {
  count(registry, loop, "fairlead_http_health_checks_total", "Active health checks that ended.", checker.counters().checks);
  count(registry, loop, "fairlead_http_health_checks_failed_total", "Active health checks that failed.", checker.counters().failed);
  gauge(registry, loop, "fairlead_http_checked_endpoints", "Endpoints that are checked.", static_cast<double>(checker.endpoints()));
}

void publish(observe::Registry& registry, LoopIndex loop, const kube_plugin::ConnectIngress& connect) {
  const kube_plugin::ConnectCounters& c = connect.counters();
  count(registry, loop, "fairlead_kube_connect_accepted_total", "Connections of the API server accepted.", c.accepted);
  count(registry, loop, "fairlead_kube_connect_established_total", "Tunnels of the API server that were established.", c.established);
  count(registry, loop, "fairlead_kube_connect_refused_total", "Tunnels of the API server that could not be had.", c.refused);
  count(registry, loop, "fairlead_kube_connect_malformed_total", "Connections that brought no CONNECT.", c.malformed);
  gauge(registry, loop, "fairlead_kube_connect_open", "Connections of the API server that are open.",
        static_cast<double>(connect.connections()));
}

void publish(observe::Registry& registry, LoopIndex loop, const kube_plugin::Doors& doors) {
  count(registry, loop, "fairlead_kube_doors_accepted_total", "Connections to API servers or kubelets accepted at ports.",
        doors.counters().accepted);
  count(registry, loop, "fairlead_kube_doors_refused_total", "Connections at such ports that were reset because no flow could be had.",
        doors.counters().refused);
  gauge(registry, loop, "fairlead_kube_doors_open", "Connections at such ports that are open.", static_cast<double>(doors.connections()));
}

void publish(observe::Registry& registry, LoopIndex loop, const kube_plugin::KubeEgress& egress) {
  count(registry, loop, "fairlead_kube_egress_flows_total", "Tunnels of the other side.", egress.counters().flows);
  count(registry, loop, "fairlead_kube_egress_refused_total", "Tunnels of the other side that were refused.", egress.counters().refused);
  for (const kube_plugin::ApiServers::State& server : egress.api_servers().states()) {
    const observe::Labels labels{{"server", server.at.to_text()}};
    registry.gauge(loop, {"fairlead_kube_api_server_connections", "Connections to an API server for edges.", labels})
        .set(static_cast<double>(server.connections));
    registry.gauge(loop, {"fairlead_kube_api_server_failing", "Whether an API server did not take the last connection, by loop.", labels})
        .set(server.failing ? 1 : 0);
  }
}

void publish(observe::Registry& registry, LoopIndex loop, const KubeCluster& cluster) {
  for (const kube::Cluster::KindState& kind : cluster.states()) {
    const observe::Labels labels{{"kind", kind.resource}};
    registry.gauge(loop, {"fairlead_kube_objects", "Objects of the cluster that are known.", labels})
        .set(static_cast<double>(kind.objects));
    registry.gauge(loop, {"fairlead_kube_watch_failing", "Whether nothing new of a kind can be learned.", labels})
        .set(kind.watch.failure ? 1 : 0);
    count(registry, loop, "fairlead_kube_watch_events_total", "Changes that the API server told.", kind.watch.events, labels);
    count(registry, loop, "fairlead_kube_watch_lists_total", "Lists of a kind that were read.", kind.watch.lists, labels);
  }
  count(registry, loop, "fairlead_kube_directories_total", "Times that what is at which edge has changed.", cluster.directories());
}

void publish_process(observe::Registry& registry, LoopIndex loop, const net::MemoryBudget& memory, std::uint64_t dropped_log_lines) {
  const Usage now = usage();
  gauge(registry, loop, "fairlead_buffered_bytes", "Bytes buffered for all sessions.", static_cast<double>(memory.used()));
  gauge(registry, loop, "fairlead_buffered_bytes_limit", "Bytes that may be buffered for all sessions.",
        static_cast<double>(memory.limit()));
  gauge(registry, loop, "fairlead_resident_bytes", "Resident memory of the process.", static_cast<double>(now.resident_bytes));
  gauge(registry, loop, "fairlead_open_descriptors", "Open file descriptors of the process.", static_cast<double>(now.descriptors));
  gauge(registry, loop, "fairlead_cpu_seconds", "CPU time of the process, user and system.", now.cpu_seconds);
  count(registry, loop, "fairlead_access_log_dropped_total", "Lines that did not get into the access log.", dropped_log_lines);
}

}  // namespace fairlead::app
