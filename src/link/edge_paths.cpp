#include "link/edge_paths.h"

#include <algorithm>

#include "base/log.h"

namespace fairlead::link {
namespace {

std::string text_of(const std::optional<net::LocalRoute>& route) {
  if (!route) return "none";
  return route->device.empty() ? route->source.to_text() : fmt::format("{} ({})", route->device, route->source);
}

}  // namespace

std::string_view name(MoveReason reason) {
  switch (reason) {
    case MoveReason::address: return "address";
    case MoveReason::interface: return "interface";
    case MoveReason::returned: return "returned";
    case MoveReason::down: return "down";
    case MoveReason::silent: return "silent";
    case MoveReason::better: return "better";
  }
  return "address";
}

EdgePaths::EdgePaths(Loop& loop, net::Network& network, Options options)
    : loop_(loop),
      network_(network),
      options_(std::move(options)),
      news_came_(loop),
      answered_(loop),
      postponed_(loop, [this] { move(postponed_reason_, *active_); }),
      watch_(network.watch_routes()),
      tasks_(loop) {
  for (const std::string& device : options_.uplinks)
    uplinks_.push_back(std::make_unique<Uplink>(loop_, network_, device, [this] { answered_.wake_all(); }));
  tasks_.spawn(follow());
  if (uplinks_.empty()) return;
  tasks_.spawn(ask_uplinks());
  tasks_.spawn(watch_silence());
}

Task<Result<void>> EdgePaths::prepare(net::SocketAddress cloud) {
  cloud_ = cloud;
  active_ = nullptr;
  look();
  news_when_prepared_ = news_;
  const bool usable =
      uplinks_.empty() ? route_.has_value() : std::ranges::any_of(uplinks_, [](const auto& uplink) { return uplink->route().has_value(); });
  if (!usable) {
    auto why = network_.route_to(cloud.ip, uplinks_.empty() ? std::string_view() : std::string_view(uplinks_.front()->device()));
    if (!why) co_return std::unexpected(why.error());
  }
  if (uplinks_.empty()) co_return Result<void>{};
  const TimePoint asked = loop_.now();
  Timer timer(loop_, [this] { answered_.wake_all(); });
  timer.arm(asked + kFirstAnswer);
  ask_all();
  while (best(nullptr, asked) == nullptr && timer.armed()) co_await answered_.wait();
  active_ = best(nullptr, asked);
  if (active_ != nullptr) co_return Result<void>{};
  // Nobody answers: the cloud is not there, or something on the way does not like the question. Each in turn, with each dial.
  active_ = last_tried_ = next_usable(last_tried_);
  co_return Result<void>{};
}

void EdgePaths::use(quic::Endpoint& endpoint) {
  endpoint_ = &endpoint;
  connection_ = nullptr;
  if (active_ == nullptr) return;
  endpoint.renew_sockets_by([this] { return socket_of(*active_); });
  if (auto socket = active_->take()) endpoint.rebind(std::move(socket));
}

void EdgePaths::release() {
  postponed_.disarm();
  endpoint_ = nullptr;
  connection_ = nullptr;
}

Task<bool> EdgePaths::pause(Duration limit) {
  const std::uint64_t before = news_when_prepared_;
  const TimePoint end = loop_.now() + limit;
  Timer timer(loop_, [this] { news_came_.wake_all(); });
  timer.arm(end);
  while (news_ == before && loop_.now() < end) co_await news_came_.wait();
  co_return std::exchange(news_when_prepared_, news_) != news_;
}

Task<void> EdgePaths::follow() {
  for (;;) {
    auto change = watch_->changed();
    co_await change;
    co_await loop_.sleep(kSettle);
    look();
  }
}

void EdgePaths::look() {
  if (!cloud_) {
    // Not even a name could be looked up: whatever has changed is worth another try.
    news_++;
    news_came_.wake_all();
  } else if (uplinks_.empty()) {
    look_at_table();
  } else {
    look_at_uplinks();
  }
}

void EdgePaths::look_at_table() {
  auto found = network_.route_to(cloud_->ip);
  const std::optional<net::LocalRoute> before = std::move(route_);
  route_.reset();
  if (found) route_ = *std::move(found);
  if (route_ == before) return;
  log::debug("link", "the way to the cloud is now by {}, was {}", text_of(route_), text_of(before));
  if (!route_) return;
  news_++;
  news_came_.wake_all();
  if (connection_ == nullptr) return;
  const MoveReason reason = !before ? MoveReason::returned : before->device != route_->device ? MoveReason::interface : MoveReason::address;
  const bool is_other_path = reason == MoveReason::interface && loop_.now() >= next_move();
  if (!is_other_path || !endpoint_->renew_socket()) connection_->ping();
  moved(reason);
}

void EdgePaths::look_at_uplinks() {
  for (const auto& uplink : uplinks_) {
    const bool was_usable = uplink->route().has_value();
    if (!uplink->look(*cloud_) || !uplink->route()) continue;
    news_++;
    news_came_.wake_all();
    if (uplink.get() == active_)
      move(was_usable ? MoveReason::address : MoveReason::returned, *active_);
    else
      uplink->probe();
  }
  if (active_ == nullptr || active_->route()) return;
  Uplink* other = best(active_);
  if (other == nullptr) other = next_usable(active_);
  if (other != nullptr) move(MoveReason::down, *other);
}

void EdgePaths::ask_all() {
  for (const auto& uplink : uplinks_) uplink->probe();
}

// The cheapest that is alive, of those alike the first in the list.
Uplink* EdgePaths::best(const Uplink* other_than, TimePoint answered_since) const {
  Uplink* found = nullptr;
  for (const auto& uplink : uplinks_) {
    if (uplink.get() == other_than || !uplink->alive() || uplink->answered_at() < answered_since) continue;
    if (found == nullptr || uplink->cost() < found->cost()) found = uplink.get();
  }
  return found;
}

// The next in the list that has a way, round about; null: none but `after`.
Uplink* EdgePaths::next_usable(const Uplink* after) const {
  const auto at = std::ranges::find(uplinks_, after, &std::unique_ptr<Uplink>::get);
  const std::size_t begin = at == uplinks_.end() ? 0 : static_cast<std::size_t>(at - uplinks_.begin()) + 1;
  for (std::size_t i = 0; i < uplinks_.size(); i++) {
    Uplink* one = uplinks_[(begin + i) % uplinks_.size()].get();
    if (one != after && one->route()) return one;
  }
  return at != uplinks_.end() && after->route() ? at->get() : nullptr;
}

Task<void> EdgePaths::ask_uplinks() {
  for (;;) {
    const Duration rest = std::max(options_.probe_every - Uplink::kPatience, Duration{});
    co_await loop_.sleep(rest);
    if (!cloud_) continue;
    ask_all();
    co_await loop_.sleep(Uplink::kPatience);
    for (const auto& uplink : uplinks_) uplink->give_up_late();
    compare();
  }
}

void EdgePaths::compare() {
  Uplink* other = active_ != nullptr ? best(active_) : nullptr;
  const auto worth = [](const Uplink& one) { return one.cost() * kBetter + std::chrono::duration<double>(kBetterBy).count(); };
  const bool is_better = other != nullptr && (!active_->alive() || worth(*other) < active_->cost());
  if (!is_better) {
    better_ = nullptr;
    rounds_better_ = 0;
    return;
  }
  rounds_better_ = better_ == other ? rounds_better_ + 1 : 1;
  better_ = other;
  if (rounds_better_ >= kRoundsBetter && loop_.now() - moved_at_ >= kDwell) move(MoveReason::better, *other);
}

Task<void> EdgePaths::watch_silence() {
  for (;;) {
    co_await loop_.sleep(kLookAtSilence);
    if (connection_ != nullptr && active_ != nullptr) look_at_silence();
  }
}

void EdgePaths::look_at_silence() {
  const TimePoint now = loop_.now();
  const net::MuxStats stats = connection_->stats();
  if (stats.bytes_in_flight == 0) idle_at_ = now;
  const TimePoint since = std::max({idle_at_, connection_->last_heard(), moved_at_});
  const Duration silent = now - since;
  if (silent < kUneasyAfter + stats.rtt) return;
  if (silent >= kSilentAfter + 2 * stats.rtt && uneasy_at_ > since && !active_->answered_since(uneasy_at_)) {
    if (Uplink* other = best(active_, since)) return move(MoveReason::silent, *other);
    const auto is_mute = [](const auto& uplink) { return uplink->answered_at() == TimePoint{}; };
    Uplink* next = next_usable(active_);
    if (silent >= kDesperateAfter && next != nullptr && next != active_ && std::ranges::all_of(uplinks_, is_mute))
      return move(MoveReason::silent, *next);
  }
  // Ever more rarely: the cloud itself may be away.
  if (uneasy_at_ > since && now - uneasy_at_ < std::max(silent / 2, kUneasyAfter)) return;
  uneasy_at_ = now;
  ask_all();
}

void EdgePaths::move(MoveReason reason, Uplink& to) {
  postponed_.disarm();
  if (endpoint_ == nullptr) return;
  active_ = &to;
  if (loop_.now() < next_move()) {
    postponed_reason_ = reason;
    postponed_.arm(next_move());
    return;
  }
  auto socket = socket_of(to);
  if (!socket) {
    log::warn("link", "cannot move to {}: {}", text_of(route()), socket.error());
    return;
  }
  better_ = nullptr;
  rounds_better_ = 0;
  endpoint_->rebind(*std::move(socket));
  moved(reason);
}

void EdgePaths::moved(MoveReason reason) {
  moves_[static_cast<std::size_t>(reason)]++;
  moved_at_ = loop_.now();
  log::info("link", "moved to {} (reason: {})", text_of(route()), name(reason));
}

Result<std::unique_ptr<net::DatagramSocket>> EdgePaths::socket_of(Uplink& uplink) {
  if (auto socket = uplink.take()) return socket;
  return fail(Code::unreachable, "{} is down", uplink.device());
}

PathsStatus EdgePaths::status() const {
  PathsStatus status{.route = route(), .moves = moves_, .uplinks = {}};
  for (const auto& uplink : uplinks_)
    status.uplinks.push_back({.device = uplink->device(),
                              .in_use = uplink.get() == active_ && endpoint_ != nullptr,
                              .usable = uplink->route().has_value(),
                              .alive = uplink->alive(),
                              .rtt = uplink->rtt(),
                              .loss = uplink->loss(),
                              .probes = uplink->probes(),
                              .probes_lost = uplink->probes_lost()});
  return status;
}

}  // namespace fairlead::link
