#include "plugins/kube/doors.h"

#include <fmt/format.h>

namespace fairlead::kube_plugin {

// A connection on its way to the loop that will serve it. It owns all it needs: the doors may change meanwhile.
struct Doors::Visit {
  std::unique_ptr<net::Incoming> incoming;
  link::Destination to;
  wire::FlowOpen open;
  KubeLine line;
};

Doors::Doors(net::Network& network, link::Peers& peers, observe::AccessLog* access_log)
    : network_(network),
      peers_(peers),
      access_log_(access_log),
      listeners_(network,
                 [this](std::unique_ptr<net::Incoming> incoming, const net::SocketAddress& at) { place(std::move(incoming), at); }),
      tunnels_(network.loop()),
      connections_(network.loop()) {}

Doors::~Doors() = default;

std::vector<net::Listeners::Failure> Doors::open(const std::vector<Door>& doors) {
  doors_.clear();
  std::vector<net::Listeners::Wanted> wanted;
  for (const Door& door : doors) {
    doors_.emplace(door.at, door);
    wanted.push_back({door.at, door.target == kApiServer ? "kube.apiServer.listen" : fmt::format("kubelet of {}", door.to.node->value())});
  }
  return listeners_.listen_at(wanted, siblings_.size() > 1);
}

void Doors::place(std::unique_ptr<net::Incoming> incoming, const net::SocketAddress& at) {
  counters_.accepted++;
  const Door& door = doors_.at(at);
  Loop& loop = network_.loop();
  auto visit = std::make_unique<Visit>();
  visit->to = door.to;
  visit->open = {.plugin = std::string(kPlugin),
                 .backend = at.to_text(),
                 .target = std::string(door.target),
                 .traffic_class = link::TrafficClass::management,
                 .remaining = kOpenTimeout,
                 .traceparent = observe::TraceContext::begin(loop.random(), false).to_text(),
                 .source = incoming->peer().to_text()};
  visit->line = {.side = "ingress",
                 .door = "port",
                 .begun = loop.wall_now(),
                 .start = loop.now(),
                 .node = door.to.node ? door.to.node->value() : "cloud",
                 .kind = door.target,
                 .asked = at.to_text(),
                 .target = std::string(door.target),
                 .source = visit->open.source,
                 .trace = visit->open.traceparent};
  visit->incoming = std::move(incoming);

  const std::optional<LoopIndex> home = peers_.home(visit->to);
  if (home && *home != peers_.loop_index() && home->value() < siblings_.size()) {
    const Sibling& other = siblings_[home->value()];
    other.loop->post([doors_there = other.doors, moved = std::move(visit)]() mutable {
      doors_there->connections_.spawn(doors_there->serve(std::move(moved)));
    });
  } else {
    connections_.spawn(serve(std::move(visit)));
  }
}

Task<void> Doors::serve(std::unique_ptr<Visit> visit) {
  std::unique_ptr<net::Stream> socket = network_.adopt(std::move(visit->incoming));
  KubeLine& line = visit->line;
  auto flow = co_await peers_.open(visit->to, visit->open);
  if (!flow) {
    socket->reset();
    line.end = {.code = flow.error().code, .by_flow = true, .refused = true, .message = flow.error().message};
  } else {
    line.flow = (*flow)->id();
    Tunnels::Open open_now(tunnels_, **flow);
    line.end = co_await link::splice_opened(**flow, *socket);
    line.bytes_in = (*flow)->bytes_out();
    line.bytes_out = (*flow)->bytes_in();
  }
  if (line.end.refused) counters_.refused++;
  write(access_log_, line, network_.loop().now());
}

}  // namespace fairlead::kube_plugin
