#include <algorithm>

#include "quic/engine_impl.h"

namespace fairlead::quic {
namespace {

// While the process as a whole is over its budget, a session gives up streams only from this size on: those below are not what fills it.
constexpr std::size_t kGreedy = 64_KiB;
// However many streams are held up by their peers, what they have unsent leaves room for the next: each may have an equal share of what
// is left of the budget, so that n of them leave one part in n of it.
constexpr std::size_t kLeastUnsent = 2_KiB;
// A stream whose bytes have waited so long for its reader, or for the peer's, is stalled: a writer that finds no memory takes its.
constexpr Duration kStalled = 1s;
constexpr std::size_t kWorthTaking = 16_KiB;
constexpr std::size_t kPartToFree = 16;  // of the budget: enough for a while, not only for the one who asks
// ngtcp2 1.11 drops what comes out of order once it was told to send STOP_SENDING, and acknowledges it all the same. When all of the
// peer's half was acknowledged so before STOP_SENDING got there, the peer is done and says nothing more, and the library waits for ever.
// So a stream that was let go of and whose peer has not answered for so long is forgotten, though the library keeps some 500 bytes of it.
// It is longer than any loss on a path that is alive can delay an answer.
constexpr Duration kForgetAfter = 2min;
constexpr Duration kLookForForgotten = 10s;
constexpr std::size_t kMaxForgotten = 1024;  // of a connection: a peer that never answers must not make us hold more
// How often a writer that the budget refused is offered room again: memory may have become free in another session.
constexpr Duration kAskMemoryAgain = 20ms;

StreamImpl& in(EngineStream& s) { return static_cast<StreamImpl&>(s); }
const StreamImpl& in(const EngineStream& s) { return static_cast<const StreamImpl&>(s); }

}  // namespace

StreamMemory& StreamImpl::memory() {
  if (engine != nullptr) return engine->memory;
  // Of streams that outlive their engine, and with it their budget: one chunk each way at most.
  thread_local net::MemoryBudget unlimited(SIZE_MAX, 0);
  thread_local StreamMemory orphans(unlimited);
  return orphans;
}

// ---- what users call

std::uint64_t EngineStream::id() const { return static_cast<std::uint64_t>(in(*this).number); }

Bytes EngineStream::peek() const { return in(*this).receive.peek(); }

void EngineStream::consume(std::size_t n) {
  StreamImpl& s = in(*this);
  s.receive.consume(n, s.memory());
  if (s.closed() || s.fin_received || s.stop_reading || s.peer_reset) return;  // the peer sends no more
  EngineImpl& e = *s.engine;
  s.read_at = e.now;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(e.conn, &info);
  net::MemoryBudget& budget = e.memory.budget();
  const ReceiveWindow::Conditions conditions{.now = e.now,
                                             .rtt = Duration(static_cast<Duration::rep>(info.smoothed_rtt)),
                                             .first = e.settings.initial_stream_window,
                                             .largest = e.settings.max_stream_window,
                                             .tight = budget.tight()};
  const std::uint64_t credit = s.credit.consumed(n, conditions, [&](std::uint64_t more) {
    if (!budget.try_charge(more)) return false;  // only asked: bytes are charged when they come
    budget.release(more);
    return true;
  });
  if (credit == 0) return;
  s.owed_credit += credit;
  e.request(s);
}

bool EngineStream::at_end() const { return in(*this).fin_received && in(*this).receive.size() == 0; }
std::optional<std::uint64_t> EngineStream::reset_code() const { return in(*this).peer_reset; }
bool EngineStream::overloaded() const { return in(*this).was_overloaded; }

MutableBytes EngineStream::prepare() {
  StreamImpl& s = in(*this);
  if (!s.writable()) {  // what was written before the end may still be on its way
    s.send.give_back(s.memory());
    return {};
  }
  EngineImpl& e = *s.engine;
  s.wants_room = !has_room();
  if (s.wants_room) return {};
  const MutableBytes room = s.send.prepare(e.memory, e.use(s), e.send_limit(s));
  if (room.empty()) {
    s.wants_room = s.refused_memory = true;
    e.ask_memory_at = std::min(e.ask_memory_at, e.now + kAskMemoryAgain);
  }
  return room;
}

void EngineStream::commit(std::size_t n) {
  StreamImpl& s = in(*this);
  if (s.send.unsent() == 0 && !s.closed()) {
    s.sent_at = s.engine->now;
    s.burst_from = s.send.committed();
  }
  s.send.commit(n, s.memory());
  if (s.engine != nullptr) s.engine->update_ready(s);
}

void EngineStream::finish() {
  StreamImpl& s = in(*this);
  if (!s.writable()) return;
  s.fin_queued = true;
  if (s.send.unsent() == 0) s.burst_from = s.send.committed();
  s.engine->update_ready(s);
}

bool EngineStream::has_room() const {
  const StreamImpl& s = in(*this);
  return s.writable() && s.send.unsent() < s.engine->send_limit(s);
}
std::size_t EngineStream::unsent() const { return in(*this).send.unsent(); }
std::size_t EngineStream::unacknowledged() const { return in(*this).send.unacknowledged(); }
std::optional<std::uint64_t> EngineStream::stopped_code() const { return in(*this).peer_stopped; }

void EngineStream::abort(std::uint64_t code) {
  StreamImpl& s = in(*this);
  s.receive.drop(s.memory());
  s.send.drop(s.memory());
  if (s.engine != nullptr) s.engine->shut(s, code, true, true);
}

void EngineStream::set_priority(net::Priority priority) {
  if (EngineImpl* e = in(*this).engine) e->scheduler.set_priority(in(*this), priority);
}
bool EngineStream::closed() const { return in(*this).gone || !in(*this).engine->alive(); }

void EngineStream::release() {
  StreamImpl& s = in(*this);
  s.released = true;
  s.receive.drop(s.memory());
  if (s.engine == nullptr) {
    s.send.drop(s.memory());
    delete &s;
    return;
  }
  EngineImpl& e = *s.engine;
  if (!s.fin_queued || s.gone || e.conn == nullptr) s.send.drop(e.memory);
  e.shut(s, 0, !s.fin_received, !s.fin_queued);
  e.request(s);  // freed at the next flush, if not by its end
}

// ---- inside

StreamImpl* EngineImpl::open_stream(net::Priority priority) {
  if (phase != Phase::open) return nullptr;
  std::int64_t id = -1;
  if (ngtcp2_conn_open_bidi_stream(conn, &id, nullptr) != 0) return nullptr;
  StreamImpl& s = adopt_stream(id);
  scheduler.set_priority(s, priority);
  ngtcp2_conn_set_stream_user_data(conn, id, &s);
  return &s;
}

StreamImpl& EngineImpl::adopt_stream(std::int64_t id) {
  auto* s = new StreamImpl(*this, id, net::Priority::interactive, settings.initial_stream_window);  // owned by `streams`: free_stream()
  streams.push_back(*s);
  by_number.emplace(id, s);
  stream_count++;
  return *s;
}

void EngineImpl::tell(StreamImpl& s, bool readable, bool writable) {
  if (s.released) return;
  s.tell_readable = s.tell_readable || readable;
  s.tell_writable = s.tell_writable || writable;
  told.push_back(s);
}

void EngineImpl::update_ready(StreamImpl& s) {
  if (s.wants_to_send() && !s.blocked && !s.early && alive()) {
    scheduler.ready(s);
  } else {
    Scheduler::idle(s);
  }
}

// What has come by a copy before is passed over.
void EngineImpl::received(StreamImpl& s, std::uint64_t offset, Bytes bytes, bool fin) {
  if (s.fin_received) return;
  s.fin_received = fin;
  bytes = bytes.subspan(static_cast<std::size_t>(std::min<std::uint64_t>(s.have - offset, bytes.size())));
  s.have += bytes.size();
  if (s.stop_reading || (bytes.empty() && !fin)) return;
  if (s.receive.size() == 0) s.read_at = now;
  s.receive.append(bytes, memory);
  tell(s, true, false);
}

void EngineImpl::closed_by_quic(StreamImpl& s, std::optional<std::uint64_t> code) {
  // Not all was delivered: it was the peer who ended it.
  const bool cut = !s.stop_writing && !(s.fin_sent && s.send.all_acknowledged());
  if (cut && code) s.peer_stopped = code;
  s.gone = true;
  s.send.fail(memory);
  update_ready(s);
  tell(s, false, cut);
  if (s.released) request(s);
}

// The half-closing is done at the next flush, before anything is written: ngtcp2 may be on the stack now. From then on it reads no byte of
// a half that it was told to shut, so what was written may be freed meanwhile.
void EngineImpl::shut(StreamImpl& s, std::uint64_t code, bool reading, bool writing) {
  reading = reading && !s.stop_reading && !s.fin_received && !s.peer_reset;
  writing = writing && !s.stop_writing;
  if (s.gone || (!reading && !writing)) return;
  s.stop_reading = s.stop_reading || reading;
  s.stop_writing = s.stop_writing || writing;
  s.stop_reading_wanted = s.stop_reading_wanted || reading;
  s.stop_writing_wanted = s.stop_writing_wanted || writing;
  s.abort_code = code;
  update_ready(s);
  request(s);
}

void EngineImpl::apply_requests() {
  while (RequestHook* hook = requests.pop_front()) {
    StreamImpl& s = static_cast<StreamImpl&>(*hook);
    apply_request(s);
    reap(s);
  }
}

void EngineImpl::apply_request(StreamImpl& s) {
  if (s.gone || s.early || conn == nullptr) return;
  if (std::exchange(s.stop_reading_wanted, false)) {
    ngtcp2_conn_shutdown_stream_read(conn, 0, s.number, s.abort_code);
    s.stopped_reading_at = now;
    look_for_forgotten_at = std::min(look_for_forgotten_at, now + kForgetAfter);
  }
  if (std::exchange(s.stop_writing_wanted, false)) {
    ngtcp2_conn_shutdown_stream_write(conn, 0, s.number, s.abort_code);
    s.send.fail(memory);  // ngtcp2 looks at none of it again
  }
  if (s.owed_credit > 0) ngtcp2_conn_extend_max_stream_offset(conn, s.number, std::exchange(s.owed_credit, 0));
}

void EngineImpl::forget_unanswered() {
  if (now < look_for_forgotten_at) return;
  look_for_forgotten_at = TimePoint::max();
  std::vector<StreamImpl*> unanswered;
  for (StreamHook& hook : streams) {
    StreamImpl& s = static_cast<StreamImpl&>(hook);
    if (!s.stop_reading || s.stop_reading_wanted || s.early || s.gone || s.fin_received || s.peer_reset) continue;
    look_for_forgotten_at = now + kLookForForgotten;
    const bool all_said = s.stop_writing || s.fin_sent;
    const bool answered_to = heard > s.stopped_reading_at + kForgetAfter / 2;  // it is not the path
    if (s.released && all_said && answered_to && now - s.stopped_reading_at >= kForgetAfter) unanswered.push_back(&s);
  }
  for (StreamImpl* s : unanswered) {
    if (counters.streams_forgotten == kMaxForgotten) return;
    counters.streams_forgotten++;
    // Unacknowledged, still: that the peer wants no more, of which the library does not tell, had it drop the rest.
    if (!s->stop_writing && !s->send.all_acknowledged()) ngtcp2_conn_shutdown_stream_write(conn, 0, s->number, s->abort_code);
    ngtcp2_conn_set_stream_user_data(conn, s->number, nullptr);
    s->gone = true;
    s->send.fail(memory);
    reap(*s);
  }
}

// How much of a stream may wait to be sent.
std::size_t EngineImpl::send_limit(const StreamImpl& s) {
  if (s.urgent()) return settings.send_buffer;
  return std::clamp(memory.budget().available() / (stream_count + 4), kLeastUnsent, settings.send_buffer);
}

// The ordinary stream that holds most, at least `least`: bytes that wait for a reader who has not come since then, and bytes of which
// none could be sent since then.
StreamImpl* EngineImpl::greediest(std::size_t least, TimePoint idle_since) {
  StreamImpl* worst = nullptr;
  for (StreamHook& hook : streams) {
    StreamImpl& s = static_cast<StreamImpl&>(hook);
    const std::size_t held = (s.read_at <= idle_since ? s.receive.size() : 0) + (s.sent_at <= idle_since ? s.send.unsent() : 0);
    if (s.urgent() || held < least) continue;
    worst = &s;
    least = held + 1;
  }
  return worst;
}

void EngineImpl::overload(StreamImpl& s) {
  counters.streams_overloaded++;
  s.was_overloaded = true;
  s.receive.fail(memory);
  shut(s, settings.overload_code, true, true);
  apply_request(s);  // at once, for what is unsent counts as well; ngtcp2 is not on the stack
  tell(s, true, true);
}

// While the budget is over, the stream that holds most is given up: a reader that stalls ends itself, never the session.
void EngineImpl::relieve() {
  net::MemoryBudget& budget = memory.budget();
  while (budget.over()) {
    StreamImpl* worst = greediest(budget.used() > budget.limit() ? 1 : kGreedy, now);
    if (worst == nullptr) return;
    overload(*worst);
  }
}

// Writers that the budget refused: those who stall make room for them.
void EngineImpl::offer_room() {
  if (now < ask_memory_at) return;
  ask_memory_at = TimePoint::max();
  net::MemoryBudget& budget = memory.budget();
  if (budget.available() < Chunk::kSizes[0]) {
    while (budget.available() < budget.limit() / kPartToFree) {
      StreamImpl* stalled = greediest(kWorthTaking, now - kStalled);
      if (stalled == nullptr) break;
      overload(*stalled);
    }
    if (budget.available() < Chunk::kSizes[0]) {
      ask_memory_at = now + kAskMemoryAgain;
      return;
    }
  }
  for (StreamHook& hook : streams) {
    StreamImpl& s = static_cast<StreamImpl&>(hook);
    if (!s.refused_memory) continue;
    s.refused_memory = s.wants_room = false;
    tell(s, false, true);
  }
}

void EngineImpl::reap(StreamImpl& s) {
  if (!s.released || !(s.gone || conn == nullptr)) return;
  // A stream counts until its user has let go of it: the peer cannot pile up more than it was allowed.
  if (conn != nullptr && ((s.number & 1) != 0) != server) {
    ngtcp2_conn_extend_max_streams_bidi(conn, 1);
    streams_allowed++;
  }
  free_stream(s);
}

void EngineImpl::free_stream(StreamImpl& s) {
  s.receive.drop(memory);
  s.send.drop(memory);
  stream_count--;
  by_number.erase(s.number);
  if (s.early) std::erase(early_streams, &s);
  delete &s;
}

// The engine goes, the stream's user is not done. Its last chunks may be in use.
void EngineImpl::orphan(StreamImpl& s) {
  if (s.receive.size() > 0) s.fin_received = false;  // it will not be read up to the end
  s.receive.fail(memory);
  s.send.fail(memory);
  const std::size_t kept = s.receive.footprint() + s.send.footprint();
  memory.release(kept);
  s.engine = nullptr;
  s.gone = true;
  s.memory().charge(kept);
  by_number.erase(s.number);
  Scheduler::idle(s);
  static_cast<ToldHook&>(s).unlink();
  static_cast<RequestHook&>(s).unlink();
  static_cast<StreamHook&>(s).unlink();
}

}  // namespace fairlead::quic
