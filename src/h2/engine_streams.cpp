#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>

#include "h2/codes.h"
#include "h2/engine.h"
#include "h2/engine_stream.h"

namespace fairlead::h2 {
namespace {

// However many streams are held up, what they have unsent leaves room for the next: an equal share of what is left of the budget.
constexpr std::size_t kLeastUnsent = 2_KiB;
// While the process as a whole is over its budget, a connection gives up streams only from this size on.
constexpr std::size_t kGreedy = 64_KiB;
// A stream whose bytes have waited so long for its reader, or for the peer's, is stalled: a writer that finds no memory takes its.
constexpr Duration kStalled = 1s;
constexpr std::size_t kWorthTaking = 16_KiB;
constexpr std::size_t kPartToFree = 16;  // of the budget: enough for a while, not only for the one who asks
constexpr Duration kAskMemoryAgain = 20ms;
constexpr std::uint32_t kStreamsBeforeSettings = 1000;  // what an edge may open before it has heard the cloud's limit
// The stream of DATAGRAMs: their queue is on the sending side, where the oldest can be dropped. A round trip of 250 ms at 30 Mbit/s.
constexpr std::int32_t kDatagramWindow = 1_MiB;

nghttp2_nv field(std::string_view name, std::string_view value) {
  const auto raw = [](std::string_view text) { return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data())); };
  return {raw(name), raw(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

// ---- what users call

quic::StreamMemory& EngineStream::memory() {
  if (engine_ != nullptr) return engine_->memory_;
  // Of streams that outlive their engine, and with it their budget: one chunk each way at most.
  thread_local net::MemoryBudget unlimited(SIZE_MAX, 0);
  thread_local quic::StreamMemory orphans(unlimited);
  return orphans;
}

EngineStream::~EngineStream() {
  receive_.drop(memory());
  send_.drop(memory());
}

void EngineStream::orphan() {
  if (receive_.size() > 0) fin_received_ = false;  // it will not be read up to the end
  receive_.fail(engine_->memory_);
  send_.fail(engine_->memory_);
  const std::size_t kept = receive_.footprint() + send_.footprint();
  engine_->memory_.release(kept);
  engine_ = nullptr;
  gone_ = true;
  memory().charge(kept);
  quic::Scheduler::idle(*this);
  static_cast<RequestHook&>(*this).unlink();
  static_cast<OwnedHook&>(*this).unlink();
}

void EngineStream::consume(std::size_t n) {
  receive_.consume(n, memory());
  if (engine_ != nullptr) read_at_ = engine_->now_;
  if (closed() || fin_received_ || discarding_) return;
  engine_->give_credit(*this, n);
}

MutableBytes EngineStream::prepare() {
  if (!writable()) {
    send_.give_back(memory());
    return {};
  }
  wants_room_ = !has_room();
  if (wants_room_) return {};
  const auto use = urgent() ? net::MemoryBudget::Use::reserved : net::MemoryBudget::Use::ordinary;
  const MutableBytes room = send_.prepare(engine_->memory_, use, engine_->send_limit(*this));
  if (room.empty()) {
    wants_room_ = refused_memory_ = true;
    engine_->ask_memory_at_ = std::min(engine_->ask_memory_at_, engine_->now_ + kAskMemoryAgain);
  }
  return room;
}

void EngineStream::commit(std::size_t n) {
  if (send_.unsent() == 0 && engine_ != nullptr) sent_at_ = engine_->now_;
  send_.commit(n, memory());
  if (engine_ != nullptr) engine_->update_ready(*this);
}

void EngineStream::finish() {
  if (!writable()) return;
  fin_queued_ = true;
  engine_->update_ready(*this);
}

bool EngineStream::has_room() const { return writable() && send_.unsent() < engine_->send_limit(*this); }

void EngineStream::abort(std::uint64_t code) {
  receive_.drop(memory());
  send_.drop(memory());
  if (!closed()) engine_->abort_stream(*this, code);
}

void EngineStream::set_priority(net::Priority priority) {
  if (engine_ != nullptr) engine_->scheduler_.set_priority(*this, priority);
}

void EngineStream::release() {
  released_ = true;
  user = nullptr;
  receive_.drop(memory());
  if (closed()) {
    send_.drop(memory());
    return;
  }
  if (fin_queued_ && !stopped_) {
    // What was finished is still delivered; then the peer is told that nobody reads.
    discarding_ = true;
    if (fin_sent_ && !fin_received_) engine_->abort_stream(*this, 0);
    return;
  }
  send_.drop(memory());
  engine_->abort_stream(*this, 0);
}

// ---- inside

void Engine::start_streams() {
  const nghttp2_nv request[] = {field(":method", "POST"), field(":scheme", "https"), field(":authority", "fairlead"),
                                field(":path", "/datagrams")};
  const std::int32_t id = nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, -1, nullptr, request, std::size(request), nullptr);
  check(id, "open the stream of datagrams");
  if (id < 0) return;
  adopt(id)->kind_ = EngineStream::Kind::datagrams;
  datagram_stream_ = id;
  park();
}

std::shared_ptr<EngineStream> Engine::adopt(std::int32_t id) {
  auto s = std::make_shared<EngineStream>(*this, id, settings_.initial_stream_window);
  streams_.emplace(id, s);
  all_.push_back(*s);
  return s;
}

EngineStream* Engine::find(std::int32_t id) {
  auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : it->second.get();
}

// So many streams as are wanted, but no more than the peer may have open.
void Engine::park() {
  while (alive() && parked_.size() < parked_target_ && parked_.size() + opened_by_peer_ < settings_.max_streams) {
    const nghttp2_nv request[] = {field(":method", "POST"), field(":scheme", "https"), field(":authority", "fairlead"),
                                  field(":path", "/parked")};
    const std::int32_t id = nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, -1, nullptr, request, std::size(request), nullptr);
    check(id, "park a stream");
    if (id < 0) return;
    adopt(id)->kind_ = EngineStream::Kind::parked;
    parked_.push_back(id);
  }
}

std::shared_ptr<EngineStream> Engine::open_stream(net::Priority priority) {
  if (!alive()) return nullptr;
  std::shared_ptr<EngineStream> s;
  if (role_ == Role::cloud) {
    if (parked_.empty()) return nullptr;
    s = streams_.at(parked_.front());
    parked_.pop_front();
    const nghttp2_nv answer[] = {field(":status", "200")};
    check(nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, s->id_, nullptr, answer, std::size(answer), nullptr), "open a flow");
  } else {
    const std::uint32_t limit =
        std::min(kStreamsBeforeSettings, nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS));
    const std::uint32_t peers = nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    const bool known = peers != NGHTTP2_INITIAL_MAX_CONCURRENT_STREAMS;
    if (streams_.size() >= (known ? peers : limit) || opened_by_us_ >= settings_.max_streams) return nullptr;
    const nghttp2_nv request[] = {field(":method", "POST"), field(":scheme", "https"), field(":authority", "fairlead"),
                                  field(":path", "/flow")};
    const std::int32_t id = nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, -1, nullptr, request, std::size(request), nullptr);
    check(id, "open a flow");
    if (id < 0) return nullptr;
    s = adopt(id);
  }
  s->kind_ = EngineStream::Kind::flow;
  s->ours_ = s->counted_ = true;
  opened_by_us_++;
  scheduler_.set_priority(*s, priority);
  return s;
}

// The cloud: a request's fields have come.
void Engine::peer_requested(EngineStream& s) {
  using Kind = EngineStream::Kind;
  const bool extra = s.kind_ == Kind::datagrams && datagram_stream_ != 0;
  const bool many = (s.kind_ == Kind::flow && opened_by_peer_ >= settings_.max_streams) ||
                    (s.kind_ == Kind::parked && parked_.size() >= settings_.max_parked);
  if (s.kind_ == Kind::unknown || extra || many) {
    s.stopped_ = s.discarding_ = true;
    std::ignore = nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, s.id_, many ? kRefusedStream : NGHTTP2_PROTOCOL_ERROR);
    return;
  }
  if (s.kind_ == Kind::parked) {
    parked_.push_back(s.id_);
    tell_allowed_ = true;
    return;
  }
  const nghttp2_nv answer[] = {field(":status", "200")};
  check(nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, s.id_, nullptr, answer, std::size(answer), nullptr), "answer a flow");
  if (s.kind_ == Kind::datagrams) {
    datagram_stream_ = s.id_;
    offer_datagrams();
    std::ignore = nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, s.id_, kDatagramWindow);
    return;
  }
  s.counted_ = true;
  opened_by_peer_++;
  events_.on_stream_opened(streams_.at(s.id_));
}

// The edge: the cloud has answered. A stream that was parked is a flow now.
void Engine::peer_answered(EngineStream& s) {
  if (s.kind_ == EngineStream::Kind::datagrams)
    std::ignore = nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, s.id_, kDatagramWindow);
  if (s.kind_ != EngineStream::Kind::parked) return;
  s.kind_ = EngineStream::Kind::flow;
  s.counted_ = true;
  opened_by_peer_++;
  std::erase(parked_, s.id_);
  if (parked_.size() < parked_target_ / 2) parked_target_ = std::min(parked_target_ * 2, settings_.max_parked);
  events_.on_stream_opened(streams_.at(s.id_));
  park();
}

void Engine::received(EngineStream& s, Bytes bytes) {
  if (s.kind_ == EngineStream::Kind::datagrams) {
    receive_datagrams(bytes);
    std::ignore = nghttp2_session_consume_stream(session_, s.id_, bytes.size());
    return;
  }
  if (s.discarding_) return;  // and the peer's window stays shut
  if (s.receive_.size() == 0) s.read_at_ = now_;
  s.receive_.append(bytes, memory_);
  if (s.user != nullptr) events_.on_readable(s);
}

void Engine::finished(EngineStream& s) {
  s.fin_received_ = true;
  if (s.user != nullptr) events_.on_readable(s);
}

void Engine::closed_by_h2(std::int32_t id, std::uint32_t code) {
  auto it = streams_.find(id);
  if (it == streams_.end()) return;
  const std::shared_ptr<EngineStream> s = std::move(it->second);
  streams_.erase(it);
  s->gone_ = true;
  quic::Scheduler::idle(*s);
  static_cast<RequestHook&>(*s).unlink();
  s->send_.fail(memory_);
  if (std::exchange(s->counted_, false)) {
    (s->ours_ ? opened_by_us_ : opened_by_peer_)--;
    closed_ = true;
  }
  tell_allowed_ = true;
  if (s->kind_ == EngineStream::Kind::parked) {
    std::erase(parked_, id);
    if (parked_target_ > 1) parked_target_--;
  } else if (role_ == Role::edge && alive()) {
    park();
  }
  if (id == datagram_stream_) datagram_stream_ = 0;
  if (s->stopped_) return;  // it was this side
  if (code != NGHTTP2_NO_ERROR || !s->fin_received_ || !s->fin_sent_) {
    const std::uint64_t theirs = is_application(code) ? code - kApplication : code == kRefusedStream ? settings_.overload_code : 0;
    if (!s->fin_received_) s->peer_reset_ = theirs;
    if (!s->fin_sent_) s->peer_stopped_ = theirs;
  }
  if (s->user == nullptr) return;
  events_.on_readable(*s);
  events_.on_writable(*s);
}

void Engine::receive_datagrams(Bytes bytes) {
  partial_.insert(partial_.end(), bytes.begin(), bytes.end());
  std::size_t at = 0;
  while (partial_.size() - at >= 2) {
    const std::size_t size = (std::to_integer<std::size_t>(partial_[at]) << 8) | std::to_integer<std::size_t>(partial_[at + 1]);
    if (size > kMaxDatagram) {
      close(0, "a datagram that is too large");
      return;
    }
    if (partial_.size() - at - 2 < size) break;
    events_.on_datagram(Bytes(partial_).subspan(at + 2, size));
    at += 2 + size;
  }
  partial_.erase(partial_.begin(), partial_.begin() + static_cast<std::ptrdiff_t>(at));
}

void Engine::give_credit(EngineStream& s, std::size_t n) {
  net::MemoryBudget& budget = memory_.budget();
  const quic::ReceiveWindow::Conditions conditions{.now = now_,
                                                   .rtt = stats_.rtt,
                                                   .first = settings_.initial_stream_window,
                                                   .largest = settings_.max_stream_window,
                                                   .tight = budget.tight()};
  const std::uint64_t credit = s.credit_.consumed(n, conditions, [&](std::uint64_t more) {
    if (!budget.try_charge(more)) return false;  // only asked: bytes are charged when they come
    budget.release(more);
    return true;
  });
  if (credit == 0) return;
  s.owed_credit_ += credit;
  requests_.push_back(s);
}

void Engine::abort_stream(EngineStream& s, std::uint64_t code) {
  if (s.gone_ || s.reset_wanted_ || s.stopped_) return;
  s.stopped_ = s.discarding_ = s.reset_wanted_ = true;
  s.abort_code_ = code;
  quic::Scheduler::idle(s);
  requests_.push_back(s);
}

void Engine::apply_requests() {
  while (RequestHook* hook = requests_.pop_front()) {
    EngineStream& s = static_cast<EngineStream&>(*hook);
    if (s.gone_) continue;
    if (std::exchange(s.reset_wanted_, false)) {
      s.send_.fail(memory_);
      std::ignore = nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, s.id_, on_wire(s.abort_code_));
      continue;
    }
    if (s.owed_credit_ > 0)
      std::ignore =
          nghttp2_submit_window_update(session_, NGHTTP2_FLAG_NONE, s.id_, static_cast<std::int32_t>(std::exchange(s.owed_credit_, 0)));
  }
}

// The ordinary stream that holds most, at least `least`: bytes that wait for a reader who has not come since then, and bytes of which
// none could be sent since then.
EngineStream* Engine::greediest(std::size_t least, TimePoint idle_since) {
  EngineStream* worst = nullptr;
  for (OwnedHook& hook : all_) {
    EngineStream& s = static_cast<EngineStream&>(hook);
    const std::size_t held = (s.read_at_ <= idle_since ? s.receive_.size() : 0) + (s.sent_at_ <= idle_since ? s.send_.unsent() : 0);
    if (s.urgent() || s.overloaded_ || held < least) continue;
    worst = &s;
    least = held + 1;
  }
  return worst;
}

void Engine::overload(EngineStream& s) {
  s.overloaded_ = true;
  s.receive_.fail(memory_);
  s.send_.fail(memory_);
  abort_stream(s, settings_.overload_code);
  if (s.user == nullptr) return;
  events_.on_readable(s);
  events_.on_writable(s);
}

// While the budget is over, the stream that holds most is given up: a reader that stalls ends itself, never the session.
void Engine::relieve() {
  net::MemoryBudget& budget = memory_.budget();
  while (budget.over()) {
    EngineStream* worst = greediest(budget.used() > budget.limit() ? 1 : kGreedy, now_);
    if (worst == nullptr) return;
    overload(*worst);
  }
}

// Writers that the budget refused: those who stall make room for them.
void Engine::offer_room() {
  ask_memory_at_ = TimePoint::max();
  net::MemoryBudget& budget = memory_.budget();
  if (budget.available() < quic::Chunk::kSizes[0]) {
    while (budget.available() < budget.limit() / kPartToFree) {
      EngineStream* stalled = greediest(kWorthTaking, now_ - kStalled);
      if (stalled == nullptr) break;
      overload(*stalled);
    }
    if (budget.available() < quic::Chunk::kSizes[0]) {
      ask_memory_at_ = now_ + kAskMemoryAgain;
      return;
    }
  }
  for (OwnedHook& hook : all_) {
    EngineStream& s = static_cast<EngineStream&>(hook);
    if (!std::exchange(s.refused_memory_, false)) continue;
    s.wants_room_ = false;
    if (s.user != nullptr) events_.on_writable(s);
  }
}

std::size_t Engine::send_limit(const EngineStream& s) const {
  if (s.urgent()) return settings_.send_buffer;
  const std::size_t share = const_cast<quic::StreamMemory&>(memory_).budget().available() / (opened_by_us_ + opened_by_peer_ + 4);
  return std::clamp(share, kLeastUnsent, settings_.send_buffer);
}

void Engine::update_ready(EngineStream& s) {
  if (s.wants_to_send() && !s.blocked_ && alive()) {
    scheduler_.ready(s);
  } else {
    quic::Scheduler::idle(s);
  }
}

}  // namespace fairlead::h2
