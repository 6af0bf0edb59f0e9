#include "sim/connection.h"

#include <algorithm>

#include "sim/host.h"
#include "sim/listener.h"
#include "sim/network.h"

namespace fairlead::sim {

namespace {

std::uint64_t generation_of(const Host& host) { return host.nat() == nullptr ? 0 : host.nat()->generation(); }

}  // namespace

Side::Side(Connection& c, std::size_t i, Loop& loop) : connection(c), index(i), readable(loop), writable(loop), when_up(*this) {}

void Side::Resume::run(Ready& self) {
  Side& side = static_cast<Resume&>(self).side;
  side.connection.pump(side);
}

Connection::Connection(Network& network, Host& dialler, Host& target, const Addresses& addresses) : network_(network) {
  Host* const hosts[] = {&dialler, &target};
  for (std::size_t i = 0; i < 2; i++) {
    sides_[i] = std::make_unique<Side>(*this, i, network.loop());
    sides_[i]->host = hosts[i];
    nat_generation_[i] = generation_of(*hosts[i]);
    hosts[i]->sides_.push_back(*sides_[i]);
  }
  side(0).local = addresses.local;
  side(0).peer = addresses.dialled;
  side(1).local = addresses.to;
  side(1).peer = addresses.seen;
}

Path* Connection::path(const Side& from) {
  const Side& to = side(1 - from.index);
  return from.host == to.host ? nullptr : &network_.path(*from.host, *to.host);
}
bool Connection::path_is_up(const Side& from) {
  const Path* way = path(from);
  return way == nullptr || way->up();
}
bool Connection::has_its_address(const Side& side) const { return side.local.ip.is_loopback() || side.host->has_address(side.local.ip); }
bool Connection::rebound(const Side& side) const { return generation_of(*side.host) != nat_generation_[side.index]; }

void Connection::tell(Side& from, Action what) {
  Side& to = other(from);
  if (!path_is_up(from) || !from.host->up() || !has_its_address(from) || !has_its_address(to) || rebound(from) || rebound(to)) return;
  Path* way = path(from);
  from.last_arrival = std::max(from.last_arrival, way == nullptr ? network_.loop().now() : way->arrives_if_sent_now());
  network_.schedule().at(from.last_arrival, [self = shared_from_this(), what, i = to.index] { (self.get()->*what)(self->side(i)); });
}

void Connection::send_syn() { tell(side(0), &Connection::syn_arrived); }

void Connection::syn_arrived(Side& to) {
  if (syn_seen_ || other(to).closed || !to.host->up()) return;
  Listener* listener = to.host->listener_for(to.local, to.peer);
  if (listener == nullptr) {
    tell(to, &Connection::syn_refused);
  } else if (listener->offer(shared_from_this())) {
    syn_seen_ = true;
    tell(to, &Connection::syn_answered);
  }
}
void Connection::syn_answered(Side& to) {
  if (state_ == State::dialling) state_ = State::open;
  to.writable.wake_all();
}
void Connection::syn_refused(Side& to) {
  if (state_ == State::dialling) state_ = State::refused;
  to.writable.wake_all();
}

void Connection::pump(Side& from) {
  Side& to = other(from);
  while (!from.on_wire && !from.reset_arrived && from.host->up() && (!from.unsent.empty() || (from.shut && !from.sent_end))) {
    if (!has_its_address(from) || !has_its_address(to) || rebound(to)) return;  // sent again and again, and lost each time
    if (rebound(from)) {
      // From a new port the other side knows no connection: it answers by a reset.
      Path& way = *path(from);
      const TimePoint back = network_.loop().now() + way.options().rtt;
      network_.schedule().at(back, [self = shared_from_this(), i = from.index] { self->reset_arrived(self->side(i)); });
      from.unsent.clear();
      from.sent_end = from.shut;
      return;
    }
    Path* way = path(from);
    if (way != nullptr && !way->up()) {
      way->when_up(from.when_up);
      return;
    }
    const bool shared_wire = way != nullptr && way->options().rate > 0;
    std::vector<std::byte> bytes(shared_wire ? std::min(kSegment, from.unsent.size()) : from.unsent.size());
    from.unsent.take(bytes);
    from.in_flight += bytes.size();
    const bool end = from.shut && from.unsent.empty();
    from.sent_end = end;
    const TimePoint now = network_.loop().now();
    const Path::Passage passage = way == nullptr ? Path::Passage{now, now} : way->pass_reliably(bytes.size() + kHeader);
    from.last_arrival = std::max(from.last_arrival, passage.arrives);
    network_.schedule().at(from.last_arrival, [self = shared_from_this(), i = to.index, bytes = std::move(bytes), end] {
      self->segment_arrived(self->side(i), bytes, end);
    });
    if (passage.left <= now) continue;
    from.on_wire = true;
    network_.schedule().at(passage.left, [self = shared_from_this(), i = from.index] {
      self->side(i).on_wire = false;
      self->pump(self->side(i));
    });
  }
}

void Connection::segment_arrived(Side& to, const std::vector<std::byte>& bytes, bool end) {
  other(to).in_flight -= bytes.size();
  if (!to.host->up()) {
    to.missed = true;
  } else if (to.closed) {
    if (!bytes.empty()) reset(to);
  } else {
    to.arrived.append(bytes);
    to.end_arrived = end;
    to.readable.wake_all();
  }
}

void Connection::grant(Side& reader, std::size_t n) {
  Path* way = path(reader);
  const TimePoint at = way == nullptr ? network_.loop().now() : way->arrives_if_sent_now();
  network_.schedule().at(at, [self = shared_from_this(), i = 1 - reader.index, n] {
    self->side(i).outstanding -= n;
    self->side(i).writable.wake_all();
  });
}

void Connection::reset(Side& from) {
  from.closed = true;
  from.unsent.clear();
  from.arrived.clear();
  from.shut = from.sent_end = true;
  from.readable.wake_all();
  from.writable.wake_all();
  tell(from, &Connection::reset_arrived);
}

void Connection::reset_arrived(Side& to) {
  if (to.closed || !to.host->up()) return;
  to.reset_arrived = true;
  to.unsent.clear();
  to.readable.wake_all();
  to.writable.wake_all();
}

void Connection::close_for_dead(Side& side) {
  side.gone = true;
  if (side.closed) return;
  if (!side.arrived.empty()) {
    reset(side);
  } else {
    side.closed = true;
    side.shut = true;
    pump(side);
  }
}

void Connection::after_boot(Side& side) {
  if (std::exchange(side.missed, false)) reset(side);
}

}  // namespace fairlead::sim
