#include "sim/stream.h"

#include <algorithm>

namespace fairlead::sim {

Incoming::~Incoming() {
  if (connection_ && !connection_->side(1).gone) connection_->reset(connection_->side(1));
}

Stream::Stream(std::shared_ptr<Connection> connection, std::size_t side)
    : connection_(std::move(connection)), side_(connection_->side(side)) {}

Stream::~Stream() {
  if (side_.gone) return;
  if (side_.shut && got_end_)
    side_.closed = true;  // what is unsent still arrives
  else
    reset();
}

std::optional<Result<std::size_t>> Stream::try_read(MutableBytes into) {
  if (side_.gone) return std::nullopt;
  if (was_reset_) return fail(Code::cancelled, "read from {}: broken off by this side", side_.peer);
  if (!side_.arrived.empty()) {
    const std::size_t n = side_.arrived.take(into);
    connection_->grant(side_, n);
    return n;
  }
  if (side_.end_arrived) {
    got_end_ = true;
    return std::size_t{0};
  }
  if (side_.reset_arrived) return fail(Code::reset, "read from {}: the peer broke off", side_.peer);
  return std::nullopt;
}

Task<void> Stream::readable() {
  while (side_.gone || (!was_reset_ && side_.arrived.empty() && !side_.end_arrived && !side_.reset_arrived)) co_await side_.readable.wait();
}

Task<Result<std::size_t>> Stream::read(MutableBytes into) {
  for (;;) {
    if (std::optional<Result<std::size_t>> done = try_read(into)) co_return *std::move(done);
    co_await side_.readable.wait();
  }
}

Result<std::size_t> Stream::try_write(Bytes bytes) {
  if (side_.gone) return std::size_t{0};
  if (was_reset_) return fail(Code::cancelled, "write to {}: broken off by this side", side_.peer);
  if (side_.shut) return fail(Code::closed, "write to {}: this half was shut", side_.peer);
  if (side_.reset_arrived) return fail(Code::reset, "write to {}: the peer broke off", side_.peer);
  const std::size_t n = std::min(Connection::kWindow - side_.outstanding, bytes.size());
  if (n == 0) return n;
  side_.unsent.append(bytes.first(n));
  side_.outstanding += n;
  connection_->pump(side_);
  return n;
}

Task<void> Stream::writable() {
  while (side_.gone || (!was_reset_ && !side_.shut && !side_.reset_arrived && side_.outstanding == Connection::kWindow))
    co_await side_.writable.wait();
}

Task<Result<void>> Stream::write(Bytes bytes) {
  while (!bytes.empty()) {
    CO_TRY_ASSIGN(const std::size_t n, try_write(bytes));
    bytes = bytes.subspan(n);
    if (n == 0) co_await side_.writable.wait();
  }
  co_return Result<void>{};
}

Result<void> Stream::shut() {
  if (side_.gone) return {};
  if (was_reset_) return fail(Code::cancelled, "shut {}: broken off by this side", side_.peer);
  if (side_.reset_arrived) return fail(Code::reset, "shut {}: the peer broke off", side_.peer);
  side_.shut = true;
  connection_->pump(side_);
  return {};
}

void Stream::reset() {
  if (was_reset_ || side_.gone) return;
  was_reset_ = true;
  connection_->reset(side_);
}

std::size_t Stream::undelivered() const {
  if (side_.gone || was_reset_ || side_.reset_arrived) return 0;
  return side_.unsent.size() + side_.in_flight;
}

}  // namespace fairlead::sim
