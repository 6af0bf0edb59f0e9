#include "plugins/kube/api_servers.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "runtime/timer.h"

namespace fairlead::kube_plugin {

void ApiServers::set(const std::vector<net::SocketAddress>& addresses) {
  std::vector<std::shared_ptr<Server>> made;
  for (const net::SocketAddress& at : addresses) {
    const auto known = std::ranges::find_if(servers_, [&](const auto& s) { return s->at == at; });
    made.push_back(known != servers_.end() ? *known : std::make_shared<Server>(Server{.at = at}));
  }
  servers_ = std::move(made);
}

std::vector<std::shared_ptr<ApiServers::Server>> ApiServers::in_order() const {
  const TimePoint now = network_.loop().now();
  const std::size_t count = servers_.size(), first = count > 0 ? turn_++ % count : 0;
  std::vector<std::tuple<bool, std::size_t, std::size_t>> ranks;  // rests, connections, turn
  for (std::size_t i = 0; i < count; i++) {
    const Server& s = *servers_[(first + i) % count];
    ranks.emplace_back(s.rests_until > now, s.open, i);
  }
  std::ranges::sort(ranks);
  std::vector<std::shared_ptr<Server>> order;
  for (const auto& rank : ranks) order.push_back(servers_[(first + std::get<2>(rank)) % count]);
  return order;
}

Task<Result<ApiServers::Connected>> ApiServers::connect(TimePoint until) {
  Loop& loop = network_.loop();
  const std::vector<std::shared_ptr<Server>> order = in_order();
  if (order.empty()) co_return fail(Code::unreachable, "no API server is known");
  std::string failures;
  Code code = Code::unreachable;
  for (const std::shared_ptr<Server>& server : order) {
    const bool last = server == order.back();
    const TimePoint limit = last ? until : std::min(until, loop.now() + kTryFor);
    auto stream = co_await with_deadline<std::unique_ptr<net::Stream>>(loop, limit, "connect", network_.connect(server->at));
    if (stream) {
      server->rests_until = {};
      server->open++;
      std::shared_ptr<void> held(server.get(), [server](void*) { server->open--; });
      co_return Connected{*std::move(stream), server->at, std::move(held)};
    }
    server->rests_until = loop.now() + kRest;
    code = stream.error().code();
    failures += fmt::format("{}{}: {}", failures.empty() ? "" : "; ", server->at, stream.error().describe());
    if (loop.now() >= until) break;
  }
  co_return std::unexpected(Error(code, "no API server takes a connection: " + failures));
}

std::vector<ApiServers::State> ApiServers::states() const {
  std::vector<State> all;
  for (const auto& s : servers_) all.push_back({s->at, s->open, s->rests_until > network_.loop().now()});
  return all;
}

}  // namespace fairlead::kube_plugin
