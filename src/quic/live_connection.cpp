#include "quic/live_connection.h"

#include "runtime/timer.h"

namespace fairlead::quic {

// One who waits until the peer allows another stream. Whoever leaves the head of the queue, in whatever way, passes the turn on.
class LiveConnection::Opener : public ListHook {
 public:
  Opener(LiveConnection& connection, TimePoint deadline)
      : connection_(connection), turn_(connection.loop_), timer_(connection.loop_, [this] { turn_.wake_all(); }) {
    connection_.openers_.push_back(*this);
    if (deadline != TimePoint::max()) timer_.arm(deadline);
  }
  ~Opener() {
    const bool was_first = first();
    unlink();
    if (was_first) connection_.wake_openers();
  }
  bool first() const { return &connection_.openers_.front() == this; }
  void wake() { turn_.wake_all(); }
  WaitQueue::Awaiter wait() { return turn_.wait(); }

 private:
  LiveConnection& connection_;
  WaitQueue turn_;
  Timer timer_;
};

LiveConnection::LiveConnection(Loop& loop, ConnectionHost& host, net::MemoryBudget& process, std::size_t session_memory)
    : loop_(loop),
      host_(&host),
      established_or_over_(loop),
      stream_came_(loop),
      datagram_came_(loop),
      over_queue_(loop),
      expiry_(*this),
      timer_(loop, expiry_) {
  budget_.emplace(session_memory, session_memory / kReservePart, &process);
}

LiveConnection::~LiveConnection() = default;

Result<void> LiveConnection::connect(const EngineSettings& settings, const Engine::ClientStart& start, CidSource& cids) {
  client_ = true;
  TRY_ASSIGN(engine_, Engine::connect(settings, start, cids, *this, *budget_, loop_.now()));
  return {};
}

Result<void> LiveConnection::accept(const EngineSettings& settings, const Engine::ServerStart& start, CidSource& cids) {
  TRY_ASSIGN(engine_, Engine::accept(settings, start, cids, *this, *budget_, loop_.now(), loop_.wall_now()));
  return {};
}

void LiveConnection::feed(const net::Datagram& datagram, TimePoint now) {
  if (!engine_) return;
  engine_->feed(datagram, now);
  touch();
}

void LiveConnection::flush(TimePoint now, Engine::Emit emit) {
  if (!engine_) return;
  engine_->flush(now, emit);
  if (resumption_ && keep_resumption) keep_resumption(*resumption_);
  resumption_.reset();
}

void LiveConnection::arm() {
  const TimePoint at = engine_ ? engine_->deadline() : TimePoint::max();
  if (at != TimePoint::max() && (!timer_.armed() || at < timer_.at())) timer_.arm(at);
}

void LiveConnection::expire() {
  if (!engine_) return;
  const TimePoint now = loop_.now();
  if (engine_->deadline() > now) {
    arm();
    return;
  }
  engine_->expire(now);
  touch();
}

void LiveConnection::migrate(const net::SocketAddress& to) {
  if (!engine()) return;
  engine_->migrate(to, loop_.now());
  touch();
}

void LiveConnection::touch() {
  if (host_ != nullptr) host_->wants_flush(*this);
}

void LiveConnection::close(std::uint64_t code, std::string_view reason) {
  if (!engine()) return;
  engine_->close(code, reason, loop_.now());
  if (const auto& info = engine_->close_info()) end(*info);
  touch();
}

void LiveConnection::refuse(std::uint8_t alert, std::string_view reason) {
  if (!engine()) return;
  engine_->refuse(alert, reason, loop_.now());
  if (const auto& info = engine_->close_info()) end(*info);
  touch();
}

void LiveConnection::end(const net::MuxClose& close) {
  if (over_) return;
  over_ = close;
  error_ = close.to_error();
  while (Stream* stream = streams_.pop_front()) stream->on_over();
  for (EngineStream* stream : incoming_) stream->release();
  incoming_.clear();
  for (Opener& opener : openers_) opener.wake();
  established_or_over_.wake_all();
  stream_came_.wake_all();
  datagram_came_.wake_all();
  over_queue_.wake_all();
  if (host_ != nullptr) host_->closed(*this);
}

void LiveConnection::let_go() {
  if (!over_) end({.by_peer = false, .orderly = true, .code = 0, .application = true, .reason = "the endpoint is gone"});
  last_ = {stats(), peer_chain(), resumed(), std::string(alpn()), peer(), local(), last_heard()};
  host_ = nullptr;
  timer_.disarm();
  expiry_.unlink();
  FlushHook::unlink();
  AcceptHook::unlink();
  engine_.reset();
  datagrams_.clear();
  budget_.reset();
}

void LiveConnection::wake_openers() {
  if (!openers_.empty()) openers_.front().wake();
}

Task<void> LiveConnection::handshaken() {
  while (!established_ && !over_) co_await established_or_over_.wait();
}

Task<void> LiveConnection::ended() {
  while (!over_) co_await over_queue_.wait();
}

Task<Result<std::unique_ptr<net::MuxStream>>> LiveConnection::open(std::shared_ptr<LiveConnection> self, net::Priority priority,
                                                                   TimePoint deadline) {
  if (over_) co_return fail(*error_);
  if (openers_.empty()) {
    if (EngineStream* stream = engine_->open_stream(priority)) co_return std::make_unique<Stream>(std::move(self), *stream);
  }
  Opener opener(*this, deadline);
  for (;;) {
    if (over_) co_return fail(*error_);
    if (opener.first()) {
      if (EngineStream* stream = engine_->open_stream(priority)) co_return std::make_unique<Stream>(self, *stream);
    }
    if (loop_.now() >= deadline) co_return fail(Code::overloaded, "the peer allows no more streams just now");
    co_await opener.wait();
  }
}

Task<Result<std::unique_ptr<net::MuxStream>>> LiveConnection::accept_stream(std::shared_ptr<LiveConnection> self) {
  while (incoming_.empty()) {
    if (over_) co_return fail(*error_);
    co_await stream_came_.wait();
  }
  EngineStream& stream = *incoming_.front();
  incoming_.pop_front();
  co_return std::make_unique<Stream>(std::move(self), stream);
}

Task<Result<std::vector<std::byte>>> LiveConnection::receive_datagram() {
  while (datagrams_.empty()) {
    if (over_) co_return fail(*error_);
    co_await datagram_came_.wait();
  }
  std::vector<std::byte> datagram = std::move(datagrams_.front());
  datagrams_.pop_front();
  if (budget_) budget_->release(datagram.size());
  co_return datagram;
}

net::MuxStats LiveConnection::stats() const {
  net::MuxStats stats = engine_ ? engine_->stats() : last_.stats;
  stats.datagrams_dropped = datagrams_dropped_;
  return stats;
}

std::vector<std::vector<std::byte>> LiveConnection::peer_chain() const { return engine_ ? engine_->peer_chain() : last_.chain; }

void LiveConnection::on_handshake_done() {
  established_ = true;
  established_or_over_.wake_all();
  if (host_ != nullptr) host_->handshake_done(*this);
}

void LiveConnection::on_stream_opened(EngineStream& stream) {
  incoming_.push_back(&stream);
  stream_came_.wake_all();
}

void LiveConnection::on_readable(EngineStream& stream) {
  if (auto* handle = static_cast<Stream*>(stream.user)) handle->on_readable();
}

void LiveConnection::on_writable(EngineStream& stream) {
  if (auto* handle = static_cast<Stream*>(stream.user)) handle->on_writable();
}

void LiveConnection::on_datagram(Bytes payload) {
  if (datagrams_.size() == kMaxDatagrams) {
    budget_->release(datagrams_.front().size());
    datagrams_.pop_front();
    datagrams_dropped_++;
  }
  if (!budget_->try_charge(payload.size())) {
    datagrams_dropped_++;
    return;
  }
  datagrams_.emplace_back(payload.begin(), payload.end());
  datagram_came_.wake_all();
}

void LiveConnection::on_cid_added(const ConnectionId& id) {
  ids_.push_back(id);
  if (host_ != nullptr) host_->id_added(*this, id);
}

void LiveConnection::on_cid_removed(const ConnectionId& id) {
  std::erase(ids_, id);
  if (host_ != nullptr) host_->id_removed(*this, id);
}

void LiveConnection::on_reset_token(const StatelessResetToken& token, bool valid) {
  std::erase(reset_tokens_, token);
  if (valid) reset_tokens_.push_back(token);
  if (host_ != nullptr) host_->reset_token_changed(*this, token, valid);
}

}  // namespace fairlead::quic
