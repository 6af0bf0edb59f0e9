#include "h2/live_connection.h"

namespace fairlead::h2 {

// One who waits until another stream can be opened. Whoever leaves the head of the queue, in whatever way, passes the turn on.
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

LiveConnection::LiveConnection(Loop& loop, Role role, const EngineSettings& settings, net::TlsLink link, net::MemoryBudget& process,
                               std::size_t session_memory)
    : loop_(loop),
      transport_(std::move(link.stream)),
      chain_(std::move(link.peer_chain)),
      alpn_(std::move(link.alpn)),
      peer_(transport_->peer()),
      local_(transport_->local()),
      wanted_(loop),
      stream_came_(loop),
      datagram_came_(loop),
      over_queue_(loop),
      timer_(loop,
             [this] {
               if (engine() != nullptr) engine_->expire(loop_.now());
               touch();
             }),
      driving_(loop) {
  budget_.emplace(session_memory, session_memory / kReservePart, &process);
  engine_ = std::make_unique<Engine>(role, settings, static_cast<EngineEvents&>(*this), *budget_, loop.now());
}

LiveConnection::~LiveConnection() {
  driving_.cancel_now();
  drop_engine();
}

Task<void> LiveConnection::run(std::shared_ptr<LiveConnection> self) {
  driving_.spawn(read());
  driving_.spawn(write());
  co_await self->ended();
  // What is left to say is said, and heard, or there is nobody.
  Timer limit(loop_, [this] { said_.wake_all(); });
  const TimePoint until = loop_.now() + kFarewell;
  limit.arm(until);
  while (!(read_ended_ && wrote_all_) && !broken_ && loop_.now() < until) co_await said_.wait();
  driving_.cancel_now();
  drop_engine();
  transport_.reset();
}

void LiveConnection::let_go() {
  if (!over_ && engine_) engine_->close(0, "the other side is going away");
  driving_.cancel_now();
  if (engine_ && transport_ && !wrote_all_) {  // as much as the transport takes at once
    std::vector<std::byte> out;
    std::ignore = engine_->flush(out, kBatch, loop_.now());
    std::ignore = transport_->try_write(out);
    std::ignore = transport_->shut();
  }
  drop_engine();
  transport_.reset();
}

void LiveConnection::drop_engine() {
  timer_.disarm();
  if (!over_) end({.by_peer = false, .orderly = true, .code = 0, .application = true, .reason = "the endpoint is gone"});
  if (!engine_) return;
  last_stats_ = stats();
  last_heard_ = engine_->last_heard();
  engine_.reset();
  incoming_.clear();
  datagrams_.clear();
  budget_.reset();
}

Task<void> LiveConnection::read() {
  constexpr int kReadsInARow = 16;                     // then others have their turn
  thread_local std::vector<std::byte> buffer(16_KiB);  // filled and emptied without a wait between
  for (int reads = 0;;) {
    auto got = transport_->try_read(buffer);
    if (!got) {
      reads = 0;
      co_await transport_->readable();
      continue;
    }
    if (!*got || **got == 0) {
      engine_->transport_ended(*got ? "the connection was closed without a word" : got->error().describe());
      if (!*got) broken_ = true;
      break;
    }
    engine_->feed(Bytes(buffer).first(**got), loop_.now());
    touch();
    if (++reads == kReadsInARow) {
      reads = 0;
      co_await loop_.yield();
    }
  }
  read_ended_ = true;
  touch();
  said_.wake_all();
}

Task<void> LiveConnection::write() {
  std::vector<std::byte> out;
  for (;;) {
    out.clear();
    std::ignore = engine_->flush(out, kBatch, loop_.now());
    if (const TimePoint at = engine_->deadline(); at != TimePoint::max() && !over_) timer_.arm(at);
    if (out.empty()) {
      if (over_) break;
      out = {};
      co_await wanted_.wait();
      co_await loop_.yield();  // what else is ready may have something to send, too
      continue;
    }
    auto written = co_await transport_->write(out);
    if (written) continue;
    engine_->transport_ended(written.error().describe());
    broken_ = true;
    break;
  }
  std::ignore = transport_->shut();
  wrote_all_ = true;
  said_.wake_all();
}

void LiveConnection::close(std::uint64_t code, std::string_view reason) {
  if (engine() == nullptr) return;
  engine_->close(code, reason);
  touch();
}

void LiveConnection::refuse(std::uint8_t alert, std::string_view reason) {
  if (engine() == nullptr) return;
  engine_->refuse(alert, reason);
  touch();
}

void LiveConnection::end(const net::MuxClose& close) {
  if (over_) return;
  over_ = close;
  error_ = close.to_error();
  timer_.disarm();
  while (Stream* stream = streams_.pop_front()) stream->on_over();
  incoming_.clear();
  for (Opener& opener : openers_) opener.wake();
  touch();
  stream_came_.wake_all();
  datagram_came_.wake_all();
  over_queue_.wake_all();
}

void LiveConnection::wake_openers() {
  if (!openers_.empty()) openers_.front().wake();
}

Task<void> LiveConnection::ended() {
  while (!over_) co_await over_queue_.wait();
}

Task<Result<std::unique_ptr<net::MuxStream>>> LiveConnection::open(std::shared_ptr<LiveConnection> self, net::Priority priority,
                                                                   TimePoint deadline) {
  if (over_) co_return fail(*error_);
  if (openers_.empty()) {
    if (auto stream = engine_->open_stream(priority)) {
      touch();
      co_return std::make_unique<Stream>(std::move(self), std::move(stream));
    }
  }
  Opener opener(*this, deadline);
  for (;;) {
    if (over_) co_return fail(*error_);
    if (opener.first()) {
      if (auto stream = engine_->open_stream(priority)) {
        touch();
        co_return std::make_unique<Stream>(self, std::move(stream));
      }
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
  std::shared_ptr<EngineStream> stream = std::move(incoming_.front());
  incoming_.pop_front();
  co_return std::make_unique<Stream>(std::move(self), std::move(stream));
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
  net::MuxStats stats = engine_ ? engine_->stats() : last_stats_;
  stats.datagrams_dropped += engine_ ? datagrams_dropped_ : 0;
  return stats;
}

void LiveConnection::on_stream_opened(std::shared_ptr<EngineStream> stream) {
  incoming_.push_back(std::move(stream));
  stream_came_.wake_all();
}

void LiveConnection::on_readable(EngineStream& stream) { static_cast<Stream*>(stream.user)->on_readable(); }
void LiveConnection::on_writable(EngineStream& stream) { static_cast<Stream*>(stream.user)->on_writable(); }

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

}  // namespace fairlead::h2
