#include "plugins/udp/udp_ingress.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace fairlead::udp {
namespace {

// Bursts of all clients of a loop between two of its turns.
constexpr std::size_t kSocketBuffer = 4_MiB;

}  // namespace

UdpIngress::UdpIngress(net::Network& network, link::Peers& peers, const route::NodeDirectory& nodes,
                       std::shared_ptr<route::BackendStates> states, observe::AccessLog* access_log)
    : network_(network),
      nodes_(nodes),
      states_(std::move(states)),
      ground_{.loop = network.loop(), .peers = peers, .access_log = access_log, .counters = {}} {}

Result<std::shared_ptr<net::DatagramSocket>> UdpIngress::open(const route::UdpListener& rule) {
  if (reserved_ == rule.bind.port) return fail(Code::exists, "the link itself is at UDP port {}", rule.bind.port);
  TRY_ASSIGN(auto socket,
             network_.bind(rule.bind,
                           {.reuse_port = loops_ > 1, .receive_buffer = kSocketBuffer, .send_buffer = kSocketBuffer, .fragment = true}));
  return std::shared_ptr<net::DatagramSocket>(std::move(socket));
}

std::vector<net::Listeners::Failure> UdpIngress::apply(std::shared_ptr<const route::Snapshot> snapshot) {
  std::vector<net::Listeners::Failure> failed;
  std::erase_if(leaving_, [](const auto& door) { return door.second->is_closed() && door.second->size() == 0; });
  auto rules = std::make_shared<Rules>(std::move(snapshot), nodes_, states_);
  std::set<net::SocketAddress> wanted;
  for (const route::UdpListener& rule : rules->snapshot->udp_listeners()) wanted.insert(rule.bind);
  for (auto it = doors_.begin(); it != doors_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    it->second->leave();
    leaving_[it->first] = std::move(it->second);
    it = doors_.erase(it);
  }
  for (const route::UdpListener& rule : rules->snapshot->udp_listeners()) {
    std::unique_ptr<Door>& door = doors_[rule.bind];
    if (const auto back = leaving_.find(rule.bind); !door && back != leaving_.end() && !back->second->is_closed()) {
      door = std::move(back->second);
      leaving_.erase(back);
    }
    if (!door) {
      auto socket = open(rule);
      if (!socket) {
        failed.push_back(
            {rule.bind, Error::wrap(fmt::format("Gateway {} listener {}", rule.gateway.to_text(), rule.name), socket.error()), true});
        doors_.erase(rule.bind);
        continue;
      }
      door = std::make_unique<Door>(ground_, *std::move(socket), loops_);
    }
    door->set_rule(rules, rule);
  }
  return failed;
}

void UdpIngress::stop_listening() {
  for (auto& [at, door] : doors_) door->drain();
}

std::size_t UdpIngress::associations() const {
  std::size_t n = 0;
  for (const auto& [at, door] : doors_) n += door->size();
  for (const auto& [at, door] : leaving_) n += door->size();
  return n;
}

}  // namespace fairlead::udp
