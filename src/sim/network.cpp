#include "sim/network.h"

#include "sim/datagram_socket.h"

namespace fairlead::sim {

namespace {

// FNV-1a: the same everywhere, unlike std::hash.
std::uint64_t hash_of(std::string_view text, std::uint64_t hash) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}
std::uint64_t path_seed(std::uint64_t seed, const Host& from, const Host& to, std::string_view device) {
  return hash_of(device, hash_of(to.name(), hash_of("->", hash_of(from.name(), seed ^ 0xcbf29ce484222325))));
}

}  // namespace

Host& Network::host(std::string name, const net::IpAddress& ip) {
  hosts_.push_back(std::make_unique<Host>(*this, std::move(name), hosts_.size()));
  hosts_.back()->add_address(ip);
  return *hosts_.back();
}

Nat& Network::nat(const net::IpAddress& public_address, Duration idle) {
  auto& made = nats_[public_address];
  made = std::make_unique<Nat>(public_address, idle);
  return *made;
}

Path& Network::path(const Host& from, const Host& to, std::string_view device) {
  const auto own = from.device_by_name(device), theirs = to.device_by_name(device);
  return path(from, to, std::max(own.value_or(0), theirs.value_or(0)));
}

// Of two hosts only one may have more than one interface.
Path& Network::path(const Host& from, const Host& to, std::size_t device) {
  auto& path = paths_[(static_cast<std::uint64_t>(device) << 48) | (static_cast<std::uint64_t>(from.index()) << 24) | to.index()];
  PacketSink& sink = *this;
  if (!path) {
    const Host& owner = device < from.devices_.size() ? from : to;
    const std::string_view name = device == 0 ? std::string_view() : owner.devices_[device].name;
    path = std::make_unique<Path>(schedule_, sink, options_, path_seed(options_.seed, from, to, name));
  }
  return *path;
}

void Network::set_options(const Host& a, const Host& b, const LinkOptions& options, std::string_view device) {
  path(a, b, device).options() = options;
  path(b, a, device).options() = options;
}

void Network::set_up(const Host& a, const Host& b, bool up, std::string_view device) {
  path(a, b, device).set_up(up);
  path(b, a, device).set_up(up);
}

PathCounters Network::counters() const {
  PathCounters sum;
  for (const auto& [key, path] : paths_) sum += path->counters();
  return sum;
}

Network::Route Network::route(const Host& from, const net::SocketAddress& source, const net::SocketAddress& to) {
  const auto host = by_address_.find(to.ip);
  const bool known = host != by_address_.end();
  Nat* const nat = from.nat_of(source.ip);
  Nat* const theirs = known ? host->second->nat_of(to.ip) : nullptr;
  if (known && theirs == nat) return {host->second, source, to};
  const net::SocketAddress seen = nat == nullptr ? source : nat->outbound(source, to, schedule_.now());
  if (known) return {theirs == nullptr ? host->second : nullptr, seen, to};
  const auto inside = behind_nat(to, seen);
  if (!inside) return {nullptr, seen, to};
  const auto hidden = by_address_.find(inside->ip);
  return {hidden == by_address_.end() ? nullptr : hidden->second, seen, *inside};
}

std::optional<net::SocketAddress> Network::behind_nat(const net::SocketAddress& outside, const net::SocketAddress& peer) const {
  const auto nat = nats_.find(outside.ip);
  return nat == nats_.end() ? std::nullopt : nat->second->inbound(outside, peer, schedule_.now());
}

void Network::send(Host& from, Packet packet) {
  if (packet.to.ip.is_loopback() || from.has_address(packet.to.ip)) {
    schedule_.at(schedule_.now(), [&from, packet = std::move(packet)] { from.deliver(packet); });
    return;
  }
  const Route way = route(from, packet.from, packet.to);
  if (way.to == nullptr) return;
  const std::size_t device = std::max(from.device_of(packet.from.ip), way.to->device_of(way.inside.ip));
  packet.from = way.source;
  path(from, *way.to, device).carry(std::move(packet));
}

// The receiver is looked up again: meanwhile its address may have changed hands and its NAT the mappings.
void Network::arrive(Packet packet) {
  if (const auto inside = behind_nat(packet.to, packet.from)) packet.to = *inside;
  const auto host = by_address_.find(packet.to.ip);
  if (host != by_address_.end()) host->second->deliver(packet);
}

void Network::refuse(Host& by, const Packet& packet) {
  const auto sender = by_address_.find(packet.from.ip);
  Host* host = packet.from.ip.is_loopback() ? &by : sender == by_address_.end() ? nullptr : sender->second;
  if (host == nullptr || !host->up()) return;
  if (DatagramSocket* socket = host->datagrams_.find(packet.from, packet.to)) socket->refused(packet.to);
}

Result<std::vector<net::IpAddress>> Network::addresses_of(const std::string& name) const {
  const auto given = names_.find(name);
  if (given != names_.end() && !given->second.empty()) return given->second;
  for (const auto& host : hosts_)
    if (host->name() == name && !host->addresses().empty()) return host->addresses();
  return fail(Code::unreachable, "resolve \"{}\": no such name", name);
}

}  // namespace fairlead::sim
