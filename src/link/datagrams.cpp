#include "link/datagrams.h"

#include <algorithm>

#include "wire/datagram.h"

namespace fairlead::link {

void DatagramInbox::push(ReceivedDatagram datagram) {
  if (ended_) return;
  bytes_ += datagram.bytes.size();
  waiting_.push_back(std::move(datagram));
  while (waiting_.size() > kMaxCount || bytes_ > kMaxBytes) {
    bytes_ -= waiting_.front().bytes.size();
    waiting_.pop_front();
    dropped_++;
  }
  changed_.wake_all();
}

void DatagramInbox::end(Error why) {
  if (!ended_) ended_ = std::move(why);
  changed_.wake_all();
}

Task<Result<void>> DatagramInbox::arrived() {
  while (waiting_.empty()) {
    if (ended_) co_return fail(*ended_);
    co_await changed_.wait();
  }
  co_return Result<void>{};
}

std::optional<ReceivedDatagram> DatagramInbox::take() {
  if (waiting_.empty()) return std::nullopt;
  ReceivedDatagram datagram = std::move(waiting_.front());
  waiting_.pop_front();
  bytes_ -= datagram.bytes.size();
  return datagram;
}

class FlowDatagrams::Sender final : public DatagramSender {
 public:
  Sender(std::shared_ptr<FlowDatagrams> all, std::uint64_t id) : all_(std::move(all)), id_(id), head_size_(wire::put_varint(head_, id)) {}
  ~Sender() override { all_->close(id_); }

  bool send(Bytes payload, net::Priority priority) override {
    if (all_->carrier_ == nullptr) return false;
    std::vector<std::byte>& whole = all_->scratch_;
    whole.assign(head_.begin(), head_.begin() + static_cast<std::ptrdiff_t>(head_size_));
    whole.insert(whole.end(), payload.begin(), payload.end());
    return all_->carrier_->send_datagram(whole, priority, id_);
  }
  std::size_t max_size() const override {
    const std::size_t most = all_->carrier_ != nullptr ? all_->carrier_->max_datagram() : 0;
    return most > head_size_ ? most - head_size_ : 0;
  }

 private:
  std::shared_ptr<FlowDatagrams> all_;
  std::uint64_t id_;
  std::array<std::byte, wire::kMaxLength> head_{};
  std::size_t head_size_;
};

DatagramPort FlowDatagrams::open(std::uint64_t id) {
  auto inbox = std::make_shared<DatagramInbox>(loop_);
  forget_old();
  const auto is_its = [id](const Held& h) { return h.id == id; };
  for (Held& h : held_) {
    if (!is_its(h)) continue;
    held_bytes_ -= h.datagram.bytes.size();
    counters_.held++;
    inbox->push(std::move(h.datagram));
  }
  std::erase_if(held_, is_its);
  if (carrier_ == nullptr) inbox->end(Error(Code::closed, "the session is over"));
  open_[id] = inbox;
  return {std::move(inbox), std::make_unique<Sender>(shared_from_this(), id)};
}

void FlowDatagrams::close(std::uint64_t id) {
  open_.erase(id);
  if (!is_over_.insert(id).second) return;
  over_.push_back(id);
  if (over_.size() > kRemembered) {
    is_over_.erase(over_.front());
    over_.pop_front();
  }
}

void FlowDatagrams::take(std::vector<std::byte> datagram) {
  const std::optional<wire::FlowDatagram> read = wire::get_flow_datagram(datagram);
  if (!read) {
    counters_.malformed++;
    return;
  }
  const std::uint64_t id = read->flow;
  ReceivedDatagram received{.bytes = {}, .head = datagram.size() - read->payload.size()};
  received.bytes = std::move(datagram);
  const auto flow = open_.find(id);
  if (flow != open_.end())
    flow->second->push(std::move(received));
  else if (is_over_.contains(id))
    counters_.late++;
  else
    hold(id, std::move(received));
}

void FlowDatagrams::hold(std::uint64_t id, ReceivedDatagram datagram) {
  forget_old();
  const auto of_flow = static_cast<std::size_t>(std::ranges::count(held_, id, &Held::id));
  if (of_flow >= kMaxHeldOfFlow || datagram.bytes.size() > kMaxHeldBytes) {
    counters_.unknown++;
    return;
  }
  held_bytes_ += datagram.bytes.size();
  held_.push_back({id, loop_.now(), std::move(datagram)});
  while (held_.size() > kMaxHeld || held_bytes_ > kMaxHeldBytes) drop_oldest();
}

void FlowDatagrams::forget_old() {
  while (!held_.empty() && held_.front().since + kHold <= loop_.now()) drop_oldest();
}

void FlowDatagrams::drop_oldest() {
  held_bytes_ -= held_.front().datagram.bytes.size();
  held_.pop_front();
  counters_.unknown++;
}

void FlowDatagrams::end(const Error& why) {
  carrier_ = nullptr;
  held_.clear();
  held_bytes_ = 0;
  for (const auto& [id, inbox] : open_) inbox->end(why);
}

}  // namespace fairlead::link
