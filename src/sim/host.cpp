#include "sim/host.h"

#include <algorithm>

#include "runtime/timer.h"
#include "sim/connection.h"
#include "sim/datagram_socket.h"
#include "sim/listener.h"
#include "sim/network.h"

namespace fairlead::sim {

namespace {

// Linux with tcp_syn_retries = 6: tries after 1, 3, 7, 15, 31 and 63 s, and gives up after 127.
constexpr Duration kFirstSynPatience = 1s;
constexpr Duration kLastSynPatience = 64s;
constexpr Duration kConnectPatience = 127s;

}  // namespace

// What it has heard of already is no news.
class RouteWatch final : public net::RouteWatch {
 public:
  explicit RouteWatch(Host& host) : host_(host), seen_(host.route_changes_) {}
  Task<void> changed() override {
    while (seen_ == host_.route_changes_) co_await host_.route_changed_.wait();
    seen_ = host_.route_changes_;
  }

 private:
  Host& host_;
  std::uint64_t seen_;
};

Host::Host(sim::Network& network, std::string name, std::size_t index)
    : network_(network), name_(std::move(name)), index_(index), route_changed_(network.loop()) {}
Host::~Host() = default;

Loop& Host::loop() { return network_.loop(); }

bool Host::has_address(const net::IpAddress& ip) const {
  return std::ranges::find(addresses_, ip) != addresses_.end() || device_of(ip) != 0;
}

void Host::add_address(const net::IpAddress& ip) {
  addresses_.push_back(ip);
  network_.by_address_[ip] = this;
  routes_changed();
}

void Host::add_device(std::string name, const net::IpAddress& ip, Nat* nat) {
  devices_.push_back({std::move(name), ip, nat});
  network_.by_address_[ip] = this;
  routes_changed();
}

void Host::set_device_up(std::string_view name, bool up) {
  devices_.at(device_by_name(name).value()).up = up;
  routes_changed();
}

void Host::routes_changed() {
  route_changes_++;
  route_changed_.wake_all();
}

std::size_t Host::device_of(const net::IpAddress& own) const {
  for (std::size_t i = 1; i < devices_.size(); i++)
    if (devices_[i].ip == own) return i;
  return 0;
}

std::optional<std::size_t> Host::device_by_name(std::string_view name) const {
  const auto found = std::ranges::find(devices_, name, &Device::name);
  return found == devices_.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - devices_.begin()));
}

std::optional<net::IpAddress> Host::address_on(std::size_t device, bool v4) const {
  if (!devices_[device].up) return std::nullopt;
  if (device != 0) return devices_[device].ip.is_v4() == v4 ? std::optional(devices_[device].ip) : std::nullopt;
  const auto own = std::ranges::find(addresses_, v4, &net::IpAddress::is_v4);
  return own == addresses_.end() ? std::nullopt : std::optional(*own);
}

Nat* Host::nat_of(const net::IpAddress& own) const {
  const std::size_t device = device_of(own);
  return device == 0 ? nat_ : devices_[device].nat;
}

void Host::change_address(const net::IpAddress& from, const net::IpAddress& to) {
  std::ranges::replace(addresses_, from, to);
  network_.by_address_.erase(from);
  network_.by_address_[to] = this;
  routes_changed();
  // A connection whose address has come back goes on.
  for (Side& side : sides_) {
    side.connection.pump(side);
    side.connection.pump(side.connection.other(side));
  }
}

Result<net::SocketAddress> Host::own_address(const net::SocketAddress& at) const {
  if (at.ip.is_unspecified() || at.ip.is_loopback() || has_address(at.ip)) return at;
  return fail(Code::unreachable, "bind {}: not an address of {}", at, name_);
}

Result<std::unique_ptr<net::Listener>> Host::listen(const net::SocketAddress& at, const net::ListenOptions& options) {
  TRY_ASSIGN(const net::SocketAddress own, own_address(at));
  TRY_ASSIGN(const net::SocketAddress local, listeners_.choose(own, options.reuse_port));
  return std::make_unique<Listener>(*this, local, options);
}

std::unique_ptr<net::Stream> Host::adopt(std::unique_ptr<net::Incoming> incoming) { return static_cast<Incoming&>(*incoming).take(); }

Result<std::unique_ptr<net::DatagramSocket>> Host::bind(const net::SocketAddress& at, const net::DatagramOptions& options) {
  TRY_ASSIGN(const net::SocketAddress own, own_address(at));
  if (!options.device.empty() && !device_by_name(options.device))
    return fail(Code::unreachable, "bind {}: {} has no interface {}", at, name_, options.device);
  TRY_ASSIGN(const net::SocketAddress local, datagrams_.choose(own, options.reuse_port));
  return std::make_unique<DatagramSocket>(*this, local, options);
}

Result<std::unique_ptr<net::DatagramSocket>> Host::connect_datagrams(const net::SocketAddress& to, const net::DatagramOptions& options) {
  TRY_ASSIGN(const net::IpAddress source, source_for(to.ip));
  TRY_ASSIGN(const net::SocketAddress local, datagrams_.choose({source, 0}, options.reuse_port));
  return std::make_unique<DatagramSocket>(*this, local, options, to);
}

Result<net::IpAddress> Host::source_for(const net::IpAddress& to) {
  if (to.is_loopback() || has_address(to)) return to;
  for (std::size_t i = 0; i < devices_.size(); i++)
    if (const auto source = address_on(i, to.is_v4())) return *source;
  return fail(Code::unreachable, "find a source address for {}: {} has none of its family", to, name_);
}

Result<net::LocalRoute> Host::route_to(const net::IpAddress& to, std::string_view device) {
  if (device.empty()) {
    TRY_ASSIGN(const net::IpAddress source, source_for(to));
    return net::LocalRoute{source, devices_[device_of(source)].name};
  }
  const auto index = device_by_name(device);
  const auto source = index ? address_on(*index, to.is_v4()) : std::nullopt;
  if (!source) return fail(Code::unreachable, "find a route to {} by {}: {}", to, device, index ? "it is down" : "no such interface");
  return net::LocalRoute{*source, std::string(device)};
}

std::unique_ptr<net::RouteWatch> Host::watch_routes() { return std::make_unique<RouteWatch>(*this); }

Task<Result<std::vector<net::IpAddress>>> Host::resolve(std::string host) {
  if (auto literal = net::IpAddress::parse(host)) co_return std::vector<net::IpAddress>{*literal};
  if (host == "localhost") co_return std::vector<net::IpAddress>{net::IpAddress::loopback_v4()};
  co_return network_.addresses_of(host);
}

Task<Result<std::unique_ptr<net::Stream>>> Host::connect(const net::SocketAddress& to) {
  CO_TRY_ASSIGN(const net::IpAddress source, source_for(to.ip));
  const bool within = to.ip.is_loopback() || has_address(to.ip);
  if (!within && !network_.knows(to.ip)) co_return fail(Code::unreachable, "connect to {}: no host has this address", to);
  const net::SocketAddress local{source, listeners_.next_free()};
  const sim::Network::Route way = within ? sim::Network::Route{this, local, to} : network_.route(*this, local, to);
  const TimePoint end = loop().now() + kConnectPatience;
  if (way.to == nullptr) {
    co_await loop().sleep_until(end);
    co_return fail(Code::timeout, "connect to {}: no answer", to);
  }
  const Connection::Addresses addresses{.local = local, .dialled = to, .seen = way.source, .to = way.inside};
  auto connection = std::make_shared<Connection>(network_, *this, *way.to, addresses);
  auto stream = std::make_unique<Stream>(connection, 0);
  WaitQueue& changed = connection->side(0).writable;
  Timer retry(loop(), [&changed] { changed.wake_all(); });
  for (Duration patience = kFirstSynPatience; patience <= kLastSynPatience; patience *= 2) {
    connection->send_syn();
    retry.arm(loop().now() + patience);
    while (connection->side(0).gone || (connection->state() == Connection::State::dialling && retry.armed())) co_await changed.wait();
    if (connection->state() == Connection::State::open) co_return stream;
    if (connection->state() == Connection::State::refused) co_return fail(Code::refused, "connect to {}: nobody listens there", to);
  }
  co_return fail(Code::timeout, "connect to {}: no answer", to);
}

Listener* Host::listener_for(const net::SocketAddress& to, const net::SocketAddress& from) const { return listeners_.find(to, from); }

void Host::deliver(const Packet& packet) {
  if (!up_ || !devices_[device_of(packet.to.ip)].up) return;
  DatagramSocket* socket = datagrams_.find(packet.to, packet.from);
  if (socket == nullptr) return network_.refuse(*this, packet);
  if (!socket->take(packet)) overflowed_++;
}

void Host::hold_sends(bool held) {
  sends_held_ = held;
  if (!held) datagrams_.for_each([](DatagramSocket& socket) { socket.writable_.wake_all(); });
}

void Host::forget_process() {
  datagrams_.for_each([](DatagramSocket& socket) {
    socket.gone_ = true;
    socket.arrived_.clear();
  });
  datagrams_.clear();
  // Connections that nobody had accepted die with the listener.
  listeners_.for_each([](Listener& listener) {
    listener.gone_ = true;
    listener.waiting_.clear();
  });
  listeners_.clear();
}

void Host::kill() {
  forget_process();
  for (Side& side : sides_)
    if (!side.closed) side.connection.close_for_dead(side);
}

void Host::crash() {
  up_ = false;
  forget_process();
  for (Side& side : sides_) {
    side.gone = side.closed = true;
    side.unsent.clear();
  }
}

void Host::boot() {
  up_ = true;
  for (Side& side : sides_) side.connection.after_boot(side);
}

}  // namespace fairlead::sim
