// ingress.h: what all connections of one HttpIngress share, and the rules of one moment.
#pragma once
#include <functional>
#include <map>
#include <memory>

#include "base/list.h"
#include "plugins/http/desk.h"
#include "plugins/http/http_ingress.h"
#include "plugins/http/origin.h"
#include "route/balancer.h"

namespace fairlead::http_plugin {

// Kept by each request that was begun under them.
struct Rules {
  Rules(std::shared_ptr<const route::Snapshot> s, std::shared_ptr<const TlsServers> t, const route::NodeDirectory& nodes,
        std::shared_ptr<route::BackendStates> states)
      : snapshot(std::move(s)), tls(std::move(t)), balancer(snapshot, nodes, std::move(states)) {
    for (const route::HttpPort& port : snapshot->http_ports()) ports.emplace(port.bind, &port);
  }
  const route::HttpPort* port(const net::SocketAddress& at) const {
    const auto found = ports.find(at);
    return found == ports.end() ? nullptr : found->second;
  }

  std::shared_ptr<const route::Snapshot> snapshot;
  std::shared_ptr<const TlsServers> tls;
  route::Balancer balancer;
  std::map<net::SocketAddress, const route::HttpPort*> ports;
};

class ServerConnection;

// A connection between two requests, on its way to the loop where what it asks for is served.
struct MovedConnection {
  std::unique_ptr<net::Incoming> incoming;
  Origin origin;
  unsigned moves;  // with this one
};

struct Ingress {
  Loop& loop() const { return network.loop(); }

  net::Network& network;
  link::Peers& peers;
  const route::NodeDirectory& nodes;
  std::shared_ptr<route::BackendStates> states;
  observe::AccessLog* access_log;
  HttpIngressCounters counters;
  std::shared_ptr<Rules> rules;
  bool draining = false;
  Desks desks;
  List<ServerConnection> open;                         // for drain()
  std::map<net::IpAddress, std::uint32_t> per_source;  // connections
  // None: there is no other loop.
  std::move_only_function<void(LoopIndex, std::unique_ptr<MovedConnection>)> hand_over;
  Scope* mirrors = nullptr;  // requests that are sent beside those of users
};

}  // namespace fairlead::http_plugin
