#include "link/uplink.h"

#include <algorithm>

#include "base/log.h"

namespace fairlead::link {

Uplink::Uplink(Loop& loop, net::Network& network, std::string device, std::function<void()> answered)
    : loop_(loop), network_(network), device_(std::move(device)), answered_(std::move(answered)) {}

bool Uplink::look(const net::SocketAddress& cloud) {
  auto found = network_.route_to(cloud.ip, device_);
  std::optional<net::LocalRoute> route;
  if (found) route = *std::move(found);
  if (route == route_ && cloud == cloud_) return false;
  route_ = std::move(route);
  cloud_ = cloud;
  forget();
  return true;
}

void Uplink::forget() {
  port_.reset();
  asked_.clear();
  arrived_.clear();
  round_trips_.clear();
  lost_in_a_row_ = 0;
  answered_at_ = {};
}

bool Uplink::open() {
  if (port_) return true;
  auto socket = network_.bind({cloud_.ip.is_v4() ? net::IpAddress() : net::IpAddress::v6({}), 0}, {.device = device_});
  if (!socket) {
    log::warn("link", "the uplink {} cannot be used: {}", device_, socket.error());
    return false;
  }
  port_ = std::make_unique<Port>(loop_, *std::move(socket));
  port_->receiving.spawn(receive(*port_->socket));
  return true;
}

Task<void> Uplink::receive(net::DatagramSocket& socket) {
  constexpr std::size_t kBurst = 16;
  for (;;) {
    co_await socket.readable();
    socket.receive(kBurst, [this](const net::Datagram& datagram) { take_answer(datagram); });
  }
}

void Uplink::take_answer(const net::Datagram& datagram) {
  if (datagram.from != cloud_) return;
  const auto id = quic::read_probe_answer(datagram.payload);
  if (!id) return;
  const auto it = std::ranges::find(asked_, *id, &Asked::id);
  if (it == asked_.end()) return;
  sample(loop_.now() - it->at);
  asked_.erase(it);
  answered_();
}

void Uplink::probe() {
  if (!route_ || !open()) return;
  probes_++;
  const Asked asked{quic::new_probe_id(), loop_.now()};
  const std::vector<std::byte> packet = quic::make_probe(asked.id);
  asked_.push_back(asked);
  static_cast<void>(port_->socket->send({.to = cloud_, .from = {}, .data = packet, .segment = packet.size()}));  // one that fails is lost
}

void Uplink::give_up_late() {
  while (!asked_.empty() && asked_.front().at + kPatience <= loop_.now()) {
    asked_.pop_front();
    sample(std::nullopt);
  }
}

void Uplink::sample(std::optional<Duration> round_trip) {
  arrived_.push_back(round_trip.has_value());
  if (arrived_.size() > kSamples) arrived_.pop_front();
  if (!round_trip) {
    probes_lost_++;
    lost_in_a_row_++;
    return;
  }
  lost_in_a_row_ = 0;
  answered_at_ = loop_.now();
  round_trips_.push_back(*round_trip);
  if (round_trips_.size() > kRoundTrips) round_trips_.pop_front();
}

std::unique_ptr<net::DatagramSocket> Uplink::take() {
  if (!route_ || !open()) return nullptr;
  asked_.clear();
  const std::unique_ptr<Port> port = std::move(port_);
  port->receiving.cancel_now();
  return std::move(port->socket);
}

Duration Uplink::rtt() const { return round_trips_.empty() ? Duration{} : *std::ranges::min_element(round_trips_); }

double Uplink::loss() const {
  if (arrived_.empty()) return 0;
  return static_cast<double>(std::ranges::count(arrived_, false)) / static_cast<double>(arrived_.size());
}

double Uplink::cost() const {
  constexpr double kPriceOfLoss = 8;  // a tenth of the packets lost makes a round trip nearly twice as long
  return std::chrono::duration<double>(rtt()).count() * (1 + kPriceOfLoss * loss());
}

}  // namespace fairlead::link
