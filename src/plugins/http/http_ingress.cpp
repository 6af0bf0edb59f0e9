#include "plugins/http/http_ingress.h"

#include <fmt/format.h>

#include "plugins/http/server_connection.h"

namespace fairlead::http_plugin {

struct HttpIngress::Impl {
  Impl(net::Network& network, link::Peers& peers, const route::NodeDirectory& nodes, std::shared_ptr<route::BackendStates> states,
       observe::AccessLog* access_log)
      : shared{.network = network, .peers = peers, .nodes = nodes, .states = std::move(states), .access_log = access_log},
        listeners(network,
                  [this](std::unique_ptr<net::Incoming> incoming, const net::SocketAddress& at) { take(std::move(incoming), at); }),
        mirrors(network.loop()),
        connections(network.loop()) {
    shared.mirrors = &mirrors;
  }

  void take(std::unique_ptr<net::Incoming> incoming, const net::SocketAddress& at) {
    shared.counters.connections++;
    connections.spawn(serve(std::make_unique<ServerConnection>(shared, shared.network.adopt(std::move(incoming)), at)));
  }
  void take(std::unique_ptr<MovedConnection> moved) {
    auto stream = shared.network.adopt(std::move(moved->incoming));
    connections.spawn(serve(std::make_unique<ServerConnection>(shared, std::move(stream), *moved)));
  }
  void hand_over(LoopIndex to, std::unique_ptr<MovedConnection> moved) {
    shared.counters.moved++;
    const Sibling& other = siblings[to.value()];
    other.loop->post([impl = other.ingress->impl_.get(), moved = std::move(moved)]() mutable { impl->take(std::move(moved)); });
  }
  static Task<void> serve(std::unique_ptr<ServerConnection> connection) { co_await connection->run(); }

  Ingress shared;
  std::vector<Sibling> siblings;
  net::Listeners listeners;
  Scope mirrors;
  Scope connections;
};

HttpIngress::HttpIngress(net::Network& network, link::Peers& peers, const route::NodeDirectory& nodes,
                         std::shared_ptr<route::BackendStates> states, observe::AccessLog* access_log)
    : impl_(std::make_unique<Impl>(network, peers, nodes, std::move(states), access_log)) {}

HttpIngress::~HttpIngress() = default;

void HttpIngress::set_siblings(std::span<const Sibling> siblings) {
  impl_->siblings.assign(siblings.begin(), siblings.end());
  if (siblings.size() > 1)
    impl_->shared.hand_over = [impl = impl_.get()](LoopIndex to, std::unique_ptr<MovedConnection> moved) {
      impl->hand_over(to, std::move(moved));
    };
}

std::vector<net::Listeners::Failure> HttpIngress::apply(std::shared_ptr<const route::Snapshot> snapshot,
                                                        std::shared_ptr<const TlsServers> tls) {
  if (!tls) tls = std::make_shared<const TlsServers>();
  Ingress& shared = impl_->shared;
  shared.rules = std::make_shared<Rules>(std::move(snapshot), std::move(tls), shared.nodes, shared.states);
  if (shared.draining) return {};
  std::vector<net::Listeners::Wanted> wanted;
  for (const route::HttpPort& port : shared.rules->snapshot->http_ports()) {
    if (port.tls && !shared.rules->tls->contains(port.bind)) continue;
    std::string owner = "a Gateway";
    if (!port.hosts.empty()) owner = fmt::format("Gateway {} listener {}", port.hosts.front().gateway.to_text(), port.hosts.front().name);
    wanted.push_back({port.bind, std::move(owner)});
  }
  return impl_->listeners.listen_at(wanted, impl_->siblings.size() > 1);
}

void HttpIngress::drain() {
  impl_->shared.draining = true;
  impl_->listeners.close();
  for (ServerConnection& connection : impl_->shared.open) connection.begin_drain();
}

std::size_t HttpIngress::listeners() const { return impl_->listeners.size(); }
std::size_t HttpIngress::connections() const { return impl_->connections.size(); }
std::size_t HttpIngress::buffers_in_use() const { return impl_->shared.desks.in_use(); }
const HttpIngressCounters& HttpIngress::counters() const { return impl_->shared.counters; }

}  // namespace fairlead::http_plugin
