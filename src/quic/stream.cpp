#include "quic/stream.h"

#include <algorithm>
#include <cstring>

#include "quic/live_connection.h"

namespace fairlead::quic {

Stream::Stream(std::shared_ptr<LiveConnection> connection, EngineStream& stream)
    : connection_(std::move(connection)),
      stream_(stream),
      readable_(connection_->loop()),
      writable_(connection_->loop()),
      broken_(connection_->loop()) {
  stream.user = this;
  connection_->adopt(*this);
}

Stream::~Stream() {
  stream_.user = nullptr;
  stream_.release();
  connection_->touch();
}

std::optional<std::uint64_t> Stream::peer_code() const {
  const std::optional<std::uint64_t> reset = stream_.reset_code();
  return reset ? reset : stream_.stopped_code();
}

std::optional<Error> Stream::aborted_error() const {
  if (aborted_) return Error(Code::cancelled, "this side aborted the stream");
  if (stream_.overloaded()) return Error(Code::overloaded, "the stream was aborted: it held too much unread data");
  return std::nullopt;
}

std::optional<Error> Stream::broken_error() const {
  if (auto error = aborted_error()) return error;
  if (const auto code = peer_code()) return Error(Code::reset, fmt::format("the peer aborted the stream with code {}", *code));
  if (connection_->over()) return connection_->error();
  return std::nullopt;
}

std::optional<Error> Stream::write_error() const {
  if (shut_) return Error(Code::invalid, "writing after the stream's half was shut");
  if (auto error = broken_error()) return error;
  return stream_.closed() ? std::optional(Error(Code::reset, "the stream is closed")) : std::nullopt;
}

Task<Result<Bytes>> Stream::peek() {
  for (;;) {
    if (auto error = aborted_error()) co_return fail(*std::move(error));
    const Bytes bytes = stream_.peek();
    if (!bytes.empty() || stream_.at_end()) co_return bytes;
    // A peer that only wants to read no more (STOP_SENDING) has not broken off what it sends.
    if (stream_.reset_code()) co_return fail(*broken_error());
    if (connection_->over()) co_return fail(connection_->error());
    co_await readable_.wait();
  }
}

void Stream::consume(std::size_t n) {
  stream_.consume(n);
  connection_->touch();
}

Task<Result<MutableBytes>> Stream::prepare() {
  for (;;) {
    if (auto error = write_error()) co_return fail(*std::move(error));
    const MutableBytes room = stream_.prepare();
    if (!room.empty()) co_return room;
    connection_->touch();  // if memory is what is short, the engine's deadline says when to ask again
    co_await writable_.wait();
  }
}

void Stream::commit(std::size_t n) {
  stream_.commit(n);
  connection_->touch();
}

Task<Result<void>> Stream::write(Bytes bytes) {
  while (!bytes.empty()) {
    const Result<MutableBytes> room = co_await prepare();
    if (!room) co_return fail(room.error());
    const std::size_t n = std::min(room->size(), bytes.size());
    std::memcpy(room->data(), bytes.data(), n);
    commit(n);
    bytes = bytes.subspan(n);
  }
  co_return Result<void>{};
}

Result<void> Stream::shut() {
  if (shut_) return {};
  if (auto error = write_error()) return fail(*std::move(error));
  shut_ = true;
  stream_.finish();
  connection_->touch();
  writable_.wake_all();
  return {};
}

void Stream::abort(std::uint64_t code) {
  if (aborted_) return;
  aborted_ = true;
  stream_.abort(code);
  connection_->touch();
  readable_.wake_all();
  writable_.wake_all();
  broken_.wake_all();
}

void Stream::set_priority(net::Priority priority) { stream_.set_priority(priority); }

Task<Error> Stream::broken() {
  for (;;) {
    if (auto error = broken_error()) co_return *std::move(error);
    co_await broken_.wait();
  }
}

bool Stream::has_room() const { return !write_error() && stream_.has_room(); }

void Stream::on_readable() {
  readable_.wake_all();
  if (stream_.reset_code() || stream_.overloaded()) broken_.wake_all();
}

void Stream::on_writable() {
  writable_.wake_all();
  if (stream_.stopped_code() || stream_.overloaded()) broken_.wake_all();
}

void Stream::on_over() {
  readable_.wake_all();
  writable_.wake_all();
  broken_.wake_all();
}

}  // namespace fairlead::quic
