#include "plugins/udp/door.h"

namespace fairlead::udp {
namespace {

// Datagrams read before others have a turn. A loop writes packets after each 16 of many turns: what was read by then has room before the link.
constexpr std::size_t kBurst = 16;
constexpr Duration kAsTheyLike = 24h;  // whoever drains has a limit of its own

}  // namespace

Door::Source Door::Source::of(const net::IpAddress& ip) {
  if (ip.is_v4()) return {ip};
  std::array<std::uint8_t, 16> bytes{};
  std::copy_n(ip.data(), 8, bytes.begin());
  return {net::IpAddress::v6(bytes)};
}

Door::Door(Ground& ground, std::shared_ptr<net::DatagramSocket> socket, std::size_t loops)
    : ground_(ground),
      socket_(std::move(socket)),
      loops_(loops),
      leaving_(ground.loop, [this] { close(); }),
      receiving_(ground.loop),
      serving_(ground.loop) {
  receiving_.spawn(receive());
}

void Door::set_rule(std::shared_ptr<Rules> rules, const route::UdpListener& rule) {
  rules_ = std::move(rules);
  rule_ = &rule;
  draining_ = false;
  leaving_.disarm();
  std::vector<std::pair<Client, Association*>> astray;
  for (auto& [client, association] : associations_)
    if (!association->agrees_with(rule, *rules_->snapshot)) astray.emplace_back(client, association);
  for (auto& [client, association] : astray) {
    forget(client, association);
    association->end_soon(kLinger, kLeave, "the rules lead elsewhere");
  }
}

void Door::drain() {
  draining_ = true;
  for (auto& [client, association] : associations_) association->end_soon(kLinger, kAsTheyLike, "idle while the process ends");
}

void Door::leave() {
  draining_ = true;
  if (loops_ == 1 && size() == 0) return close();
  for (auto& [client, association] : associations_) association->end_soon(kLeave, kLeave, "the listener is gone");
  leaving_.arm(ground_.loop.now() + kLeave);
}

void Door::close() {
  receiving_.cancel_now();
  socket_.reset();
}

Task<void> Door::receive() {
  for (;;) {
    co_await socket_->readable();
    socket_->receive(kBurst, [this](const net::Datagram& datagram) { take(datagram); });
  }
}

void Door::take(const net::Datagram& datagram) {
  const Client client{datagram.from, datagram.to.ip};
  const auto known = associations_.find(client);
  Association* association = known != associations_.end() ? known->second : nullptr;
  if (association != nullptr && association->is_over()) {
    forget(client, association);
    association = nullptr;
  }
  if (association == nullptr) association = admit(client);
  if (association != nullptr) association->take(datagram.payload);
}

Association* Door::admit(const Client& client) {
  if (draining_ || rule_ == nullptr) return nullptr;
  if (associations_.size() >= share_of(rule_->policy.associations)) {
    ground_.counters.over_limit++;
    return nullptr;
  }
  std::uint32_t& of_source = sources_[Source::of(client.from.ip)];
  if (of_source >= share_of(rule_->policy.per_source)) {
    ground_.counters.over_source_limit++;
    return nullptr;
  }
  of_source++;
  auto made = std::make_unique<Association>(ground_, rules_, *rule_, socket_, client.from, client.to);
  Association* association = made.get();
  associations_.emplace(client, association);
  serving_.spawn(serve(client, std::move(made)));
  return association;
}

Task<void> Door::serve(Client client, std::unique_ptr<Association> association) {
  auto running = association->run();
  co_await running;
  forget(client, association.get());
}

// Once for each association: a later one of the client may have its place.
void Door::forget(const Client& client, const Association* association) {
  const auto known = associations_.find(client);
  if (known == associations_.end() || known->second != association) return;
  associations_.erase(known);
  const auto source = sources_.find(Source::of(client.from.ip));
  if (source != sources_.end() && --source->second == 0) sources_.erase(source);
}

}  // namespace fairlead::udp
