#include "sim/path.h"

#include <algorithm>

namespace fairlead::sim {

PathCounters& PathCounters::operator+=(const PathCounters& other) {
  sent += other.sent;
  bytes += other.bytes;
  delivered += other.delivered;
  lost += other.lost;
  queue_full += other.queue_full;
  too_large += other.too_large;
  cut += other.cut;
  filtered += other.filtered;
  duplicated += other.duplicated;
  reordered += other.reordered;
  corrupted += other.corrupted;
  marked += other.marked;
  longest_queue = std::max(longest_queue, other.longest_queue);
  return *this;
}

void Path::set_up(bool up) {
  up_ = up;
  while (up_ && !waiting_for_up_.empty()) schedule_.loop().make_ready(waiting_for_up_.front());
}

void Path::forget_departed() {
  while (!departures_.empty() && departures_.front().at <= schedule_.now()) {
    queued_bytes_ -= departures_.front().bytes;
    departures_.pop_front();
  }
}

// When the last bit has left.
TimePoint Path::depart(std::size_t bytes) {
  const TimePoint now = schedule_.now();
  if (options_.rate == 0) return now;
  const TimePoint start = departures_.empty() ? now : departures_.back().at;
  const double seconds = static_cast<double>(bytes) * 8 / static_cast<double>(options_.rate);
  const TimePoint left = start + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  departures_.push_back({left, bytes});
  queued_bytes_ += bytes;
  counters_.longest_queue = std::max(counters_.longest_queue, departures_.size());
  return left;
}

bool Path::loses() {
  if (random_.chance(bad_ ? options_.burst.leave : options_.burst.enter)) bad_ = !bad_;
  const bool in_burst = bad_ && random_.chance(options_.burst.loss);
  return random_.chance(options_.loss) || in_burst;
}

TimePoint Path::delayed(TimePoint left) {
  const auto jitter = static_cast<Duration::rep>(random_.below(static_cast<std::uint64_t>(options_.jitter.count()) + 1));
  return left + options_.rtt / 2 + Duration(jitter);
}

void Path::carry(Packet packet) {
  counters_.sent++;
  counters_.bytes += packet.size_on_wire();
  if (!up_) {
    counters_.cut++;
    return;
  }
  if (filter_ && !filter_(packet.view())) {
    counters_.filtered++;
    return;
  }
  if (packet.size_on_wire() > options_.mtu) {
    counters_.too_large++;
    return;
  }
  forget_departed();
  const bool no_room = departures_.size() > options_.queue;  // one is on the wire, the others wait
  const bool no_bytes = options_.queue_bytes > 0 && !departures_.empty() && queued_bytes_ + packet.size_on_wire() > options_.queue_bytes;
  if (no_room || no_bytes) {
    counters_.queue_full++;
    return;
  }
  const bool capable = packet.ecn == net::Ecn::ect0 || packet.ecn == net::Ecn::ect1;
  if (capable && options_.mark_at > 0 && departures_.size() >= options_.mark_at) {
    packet.ecn = net::Ecn::ce;
    counters_.marked++;
  }
  const TimePoint left = depart(packet.size_on_wire());
  if (loses()) {
    counters_.lost++;
    return;
  }
  if (random_.chance(options_.corrupt) && !packet.payload.empty()) {
    packet.payload[random_.below(packet.payload.size())] ^= static_cast<std::byte>(1u << random_.below(8));
    counters_.corrupted++;
  }
  TimePoint arrives = std::max(delayed(left), last_arrival_);
  if (random_.chance(options_.reorder)) {
    arrives += options_.reorder_delay;
    counters_.reordered++;
  } else {
    last_arrival_ = arrives;
  }
  const bool twice = random_.chance(options_.duplicate);
  if (twice) counters_.duplicated++;
  auto shared = std::make_unique<Packet>(std::move(packet));
  schedule_.at(arrives, [this, twice, shared = std::move(shared)] {
    counters_.delivered += twice ? 2 : 1;
    if (twice) sink_.arrive(*shared);
    sink_.arrive(std::move(*shared));
  });
}

Path::Passage Path::pass_reliably(std::size_t bytes) {
  forget_departed();
  const TimePoint left = depart(bytes);
  return {left, delayed(left)};
}

}  // namespace fairlead::sim
