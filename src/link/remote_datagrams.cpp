#include "link/remote_datagrams.h"

namespace fairlead::link {

class RemoteDatagrams::Sender final : public DatagramSender {
 public:
  explicit Sender(std::shared_ptr<RemoteDatagrams> remote) : remote_(std::move(remote)) {}
  bool send(Bytes payload, net::Priority) override {
    if (payload.size() > max_size()) return false;
    bool wake = false;
    const bool kept_all = push(remote_->up_, {.bytes = {payload.begin(), payload.end()}, .head = 0}, wake);
    if (wake) remote_->session_.post([remote = remote_] { remote->drain_up(); });
    return kept_all;
  }
  std::size_t max_size() const override { return remote_->most_.load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<RemoteDatagrams> remote_;
};

DatagramPort RemoteDatagrams::port() { return {inbox_, std::make_unique<Sender>(shared_from_this())}; }

bool RemoteDatagrams::push(Lane& lane, ReceivedDatagram datagram, bool& wake) {
  std::lock_guard lock(lane.mutex);
  bool kept_all = true;
  lane.bytes += datagram.bytes.size();
  lane.waiting.push_back(std::move(datagram));
  while (lane.waiting.size() > DatagramInbox::kMaxCount || lane.bytes > DatagramInbox::kMaxBytes) {
    lane.bytes -= lane.waiting.front().bytes.size();
    lane.waiting.pop_front();
    kept_all = false;
  }
  wake = !std::exchange(lane.waking, true);
  return kept_all;
}

std::deque<ReceivedDatagram> RemoteDatagrams::take_all(Lane& lane) {
  std::lock_guard lock(lane.mutex);
  lane.waking = false;
  lane.bytes = 0;
  return std::exchange(lane.waiting, {});
}

void RemoteDatagrams::drain_up() {
  if (flow_ == nullptr) return;  // not carried yet, and then it is done; or no more
  for (const ReceivedDatagram& datagram : take_all(up_)) static_cast<void>(flow_->send_datagram(datagram.payload()));
  learn(*flow_);
}

void RemoteDatagrams::drain_down() {
  for (ReceivedDatagram& datagram : take_all(down_)) inbox_->push(std::move(datagram));
  std::lock_guard lock(down_.mutex);
  if (down_.ended) inbox_->end(*down_.ended);
}

void RemoteDatagrams::post_down() {
  user_.post([remote = shared_from_this()] { remote->drain_down(); });
}

// The flow is there for drain_up() as long as this lives.
class RemoteDatagrams::Attached {
 public:
  Attached(RemoteDatagrams& remote, Flow& flow) : remote_(remote) { remote_.flow_ = &flow; }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;
  ~Attached() { remote_.flow_ = nullptr; }

 private:
  RemoteDatagrams& remote_;
};

Task<void> RemoteDatagrams::carry(std::shared_ptr<RemoteDatagrams> remote, Flow& flow) {
  Attached attached(*remote, flow);
  remote->drain_up();
  for (;;) {
    auto arrived = co_await flow.datagrams().arrived();
    bool wake = false;
    if (!arrived) {
      {
        std::lock_guard lock(remote->down_.mutex);
        remote->down_.ended = arrived.error();
      }
      remote->post_down();
      co_return;
    }
    while (std::optional<ReceivedDatagram> datagram = flow.datagrams().take()) {
      bool first = false;
      flow.count_datagram(datagram->payload().size());
      push(remote->down_, *std::move(datagram), first);
      wake = wake || first;
    }
    remote->learn(flow);
    if (wake) remote->post_down();
  }
}

}  // namespace fairlead::link
