#include "quic/outbox.h"

namespace fairlead::quic {

void Outbox::use(net::DatagramSocket& socket) {
  scope_.cancel_now();
  lost_ += waiting_.size();
  waiting_.clear();
  socket_ = &socket;
}

void Outbox::send(const net::DatagramBatch& batch) {
  bytes_ += batch.data.size();
  if (waiting_.empty()) {
    const net::SendOutcome outcome = socket_->send(batch);
    if (outcome != net::SendOutcome::would_block) {
      if (outcome != net::SendOutcome::sent) lost_++;
      return;
    }
    scope_.spawn(drain());
  } else if (waiting_.size() == kMaxWaiting) {
    lost_++;
    return;
  }
  waiting_.push_back({batch, {batch.data.begin(), batch.data.end()}});
  waiting_.back().batch.data = waiting_.back().data;
}

Task<void> Outbox::drain() {
  while (!waiting_.empty()) {
    co_await socket_->writable();
    while (!waiting_.empty()) {
      const net::SendOutcome outcome = socket_->send(waiting_.front().batch);
      if (outcome == net::SendOutcome::would_block) break;
      if (outcome != net::SendOutcome::sent) lost_++;
      waiting_.pop_front();
    }
  }
  drained_();
}

}  // namespace fairlead::quic
