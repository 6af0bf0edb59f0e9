// fake_mux.h: for tests: a carrier in memory, whose peer is whoever calls arrive() and the like. It takes all that is written.
#pragma once
#include <deque>
#include <map>
#include <memory>

#include "net/mux.h"
#include "runtime/wait_queue.h"

namespace fairlead::link {

// What a stream's handle and its peer share.
struct FakeHalves {
  explicit FakeHalves(Loop& loop) : changed(loop) {}
  std::vector<std::byte> arrived, unread;  // what peek() has not, and has shown
  bool end = false;                        // the peer is done
  std::optional<std::uint64_t> broken;     // the peer broke off
  std::optional<Error> over;               // the carrier is over
  std::optional<std::uint64_t> aborted;    // by our side
  bool shut = false, handle_gone = false;  // by our side
  std::size_t written = 0, room = SIZE_MAX;
  WaitQueue changed;
};

class FakeMuxStream final : public net::MuxStream {
 public:
  explicit FakeMuxStream(std::shared_ptr<FakeHalves> halves) : halves_(std::move(halves)) {}
  ~FakeMuxStream() override { halves_->handle_gone = true; }

  Task<Result<Bytes>> peek() override {
    for (;;) {
      if (halves_->aborted) co_return fail(Code::cancelled, "aborted");
      const std::vector<std::byte> more = std::exchange(halves_->arrived, {});
      halves_->unread.insert(halves_->unread.end(), more.begin(), more.end());
      if (!halves_->unread.empty() || halves_->end) co_return Bytes(halves_->unread);
      if (halves_->broken) co_return fail(Code::reset, "broken off with {}", *halves_->broken);
      if (halves_->over) co_return fail(*halves_->over);
      co_await halves_->changed.wait();
    }
  }
  void consume(std::size_t n) override {
    if (n > halves_->unread.size()) __builtin_trap();
    halves_->unread.erase(halves_->unread.begin(), halves_->unread.begin() + static_cast<std::ptrdiff_t>(n));
  }
  Task<Result<MutableBytes>> prepare() override {
    for (;;) {
      if (halves_->shut) co_return fail(Code::invalid, "writing after the end");
      if (auto why = failure()) co_return fail(*std::move(why));
      if (halves_->room > 0) co_return MutableBytes(buffer_).first(std::min(buffer_.size(), halves_->room));
      co_await halves_->changed.wait();
    }
  }
  void commit(std::size_t n) override {
    halves_->written += n;
    halves_->room -= n;
  }
  Task<Result<void>> write(Bytes bytes) override {
    while (!bytes.empty()) {
      auto room = co_await prepare();
      if (!room) co_return fail(room.error());
      const std::size_t n = std::min(room->size(), bytes.size());
      commit(n);
      bytes = bytes.subspan(n);
    }
    co_return Result<void>{};
  }
  Result<void> shut() override {
    if (auto why = failure()) return fail(*std::move(why));
    halves_->shut = true;
    return {};
  }
  void abort(std::uint64_t code) override {
    if (!halves_->aborted) halves_->aborted = code;
    halves_->changed.wake_all();
  }
  std::optional<std::uint64_t> peer_code() const override { return halves_->broken; }
  void set_priority(net::Priority) override {}
  std::uint64_t id() const override { return 0; }
  Task<Error> broken() override {
    for (;;) {
      if (auto why = failure()) co_return *std::move(why);
      co_await halves_->changed.wait();
    }
  }
  bool has_room() const override { return !halves_->shut && !failure() && halves_->room > 0; }
  std::size_t unsent() const override { return 0; }
  std::size_t undelivered() const override { return 0; }

 private:
  std::optional<Error> failure() const {
    if (halves_->aborted) return Error(Code::cancelled, "aborted");
    if (halves_->broken) return Error(Code::reset, "broken off");
    return halves_->over;
  }
  std::shared_ptr<FakeHalves> halves_;
  std::array<std::byte, 1024> buffer_{};
};

class FakeMux final : public net::MuxConnection {
 public:
  explicit FakeMux(Loop& loop, std::string_view alpn = "") : loop_(loop), alpn_(alpn), changed_(loop) {}

  // ---- what the peer does
  std::shared_ptr<FakeHalves> peer_opens() {
    auto halves = add();
    incoming_.push_back(halves);
    changed_.wake_all();
    return halves;
  }
  static void arrive(FakeHalves& stream, Bytes bytes) {
    if (stream.end || stream.broken) return;
    stream.arrived.insert(stream.arrived.end(), bytes.begin(), bytes.end());
    stream.changed.wake_all();
  }
  static void finish(FakeHalves& stream) {
    stream.end = true;
    stream.changed.wake_all();
  }
  static void break_off(FakeHalves& stream, std::uint64_t code) {
    if (!stream.broken) stream.broken = code;
    stream.changed.wake_all();
  }
  void end(net::MuxClose how) {
    if (over_) return;
    over_ = std::move(how);
    for (auto& stream : streams_) {
      stream->over = over_->to_error();
      stream->changed.wake_all();
    }
    changed_.wake_all();
  }
  // The streams that our side opened, in order.
  const std::vector<std::shared_ptr<FakeHalves>>& opened() const { return opened_; }
  std::unique_ptr<net::MuxStream> handle(std::shared_ptr<FakeHalves> halves) { return std::make_unique<FakeMuxStream>(std::move(halves)); }
  std::shared_ptr<FakeHalves> add() {
    streams_.push_back(std::make_shared<FakeHalves>(loop_));
    if (over_) streams_.back()->over = over_->to_error();
    return streams_.back();
  }

  // ---- MuxConnection
  Task<Result<std::unique_ptr<net::MuxStream>>> open(net::Priority, TimePoint) override {
    if (over_) co_return fail(over_->to_error());
    opened_.push_back(add());
    co_return handle(opened_.back());
  }
  Task<Result<std::unique_ptr<net::MuxStream>>> accept() override {
    for (;;) {
      if (over_) co_return fail(over_->to_error());
      if (!incoming_.empty()) {
        auto halves = std::move(incoming_.front());
        incoming_.pop_front();
        co_return handle(std::move(halves));
      }
      co_await changed_.wait();
    }
  }
  bool send_datagram(Bytes, net::Priority, std::uint64_t) override { return true; }
  std::size_t max_datagram() const override { return 1200; }
  Task<Result<std::vector<std::byte>>> receive_datagram() override {
    while (!over_) co_await changed_.wait();
    co_return fail(over_->to_error());
  }
  std::vector<std::vector<std::byte>> peer_chain() const override { return {}; }
  bool resumed() const override { return false; }
  std::string_view alpn() const override { return alpn_; }
  net::MuxStats stats() const override { return {}; }
  net::SocketAddress peer() const override { return {}; }
  net::SocketAddress local() const override { return {}; }
  std::string_view transport() const override { return "fake"; }
  TimePoint last_heard() const override { return loop_.now(); }
  void ping() override {}
  void close(std::uint64_t code, std::string reason) override { end({.orderly = true, .code = code, .reason = std::move(reason)}); }
  void refuse(std::uint8_t alert, std::string reason) override {
    end({.orderly = true, .code = 0x100u + alert, .application = false, .reason = std::move(reason)});
  }
  Task<net::MuxClose> closed() override {
    while (!over_) co_await changed_.wait();
    co_return *over_;
  }
  const std::optional<net::MuxClose>& close_state() const override { return over_; }

 private:
  Loop& loop_;
  const std::string_view alpn_;
  std::vector<std::shared_ptr<FakeHalves>> streams_, opened_;
  std::deque<std::shared_ptr<FakeHalves>> incoming_;
  std::optional<net::MuxClose> over_;
  WaitQueue changed_;
};

}  // namespace fairlead::link
