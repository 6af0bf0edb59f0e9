#include "quic/steering.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>

#include "runtime/loop.h"

namespace fairlead::quic {

namespace {

// Offset 0 is the first byte of the UDP payload. A long header (RFC 8999 5.1) has its destination id at byte 6, a short one at byte 1.
// The result is an index into the group, in the order of binding. A load past the end selects 0: such a packet is none of ours.
bool attach_steering(int fd, std::uint32_t loops) {
  std::array<sock_filter, 7> program = {{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x80, 0, 2),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
      BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 1),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, loops),
      BPF_STMT(BPF_RET | BPF_A, 0),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof filter) == 0;
}

}  // namespace

Result<std::vector<std::unique_ptr<net::DatagramSocket>>> bind_group(std::span<net::Network* const> networks,
                                                                     const net::SocketAddress& at) {
  std::vector<std::unique_ptr<net::DatagramSocket>> sockets;
  net::SocketAddress where = at;
  for (net::Network* network : networks) {
    TRY_ASSIGN(auto socket, network->bind(where, {.reuse_port = networks.size() > 1}));
    where.port = socket->local().port;  // the system may have chosen it for the first
    sockets.push_back(std::move(socket));
  }
  if (sockets.size() > 1 && sockets.front()->native_handle() >= 0) {
    if (!attach_steering(sockets.front()->native_handle(), static_cast<std::uint32_t>(sockets.size())))
      return fail(Error::from_errno(errno, "steer datagrams by connection id (SO_ATTACH_REUSEPORT_CBPF)"));
  }
  return sockets;
}

struct StrayExchange::Target {
  struct Copy {
    net::SocketAddress from, to;
    net::Ecn ecn;
    std::vector<std::byte> payload;
  };
  explicit Target(Loop& l) : loop(l) {}

  void deliver() {
    std::vector<Copy> batch;
    {
      std::lock_guard lock(mutex);
      batch.swap(queue);
    }
    if (endpoint == nullptr) return;
    for (const Copy& copy : batch) endpoint->feed_stray({.from = copy.from, .to = copy.to, .ecn = copy.ecn, .payload = copy.payload});
  }

  Loop& loop;
  Endpoint* endpoint = nullptr;  // of the loop's thread
  std::mutex mutex;
  std::vector<Copy> queue;
  std::atomic<std::uint64_t> dropped{0};
};

StrayExchange::StrayExchange(const std::vector<Loop*>& loops) {
  for (Loop* loop : loops) targets_.push_back(std::make_shared<Target>(*loop));
}
StrayExchange::~StrayExchange() = default;

void StrayExchange::attach(LoopIndex loop, Endpoint& endpoint) { targets_.at(loop.value())->endpoint = &endpoint; }
void StrayExchange::detach(LoopIndex loop) { targets_.at(loop.value())->endpoint = nullptr; }

void StrayExchange::pass_on(LoopIndex to, const net::Datagram& datagram) {
  const std::shared_ptr<Target>& target = targets_.at(to.value());
  {
    std::lock_guard lock(target->mutex);
    if (target->queue.size() >= kMaxQueued) {
      target->dropped.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    target->queue.push_back({datagram.from, datagram.to, datagram.ecn, {datagram.payload.begin(), datagram.payload.end()}});
    if (target->queue.size() > 1) return;  // whoever found the queue empty has posted, or is about to
  }
  target->loop.post([target] { target->deliver(); });
}

std::uint64_t StrayExchange::dropped() const {
  std::uint64_t sum = 0;
  for (const auto& target : targets_) sum += target->dropped.load(std::memory_order_relaxed);
  return sum;
}

}  // namespace fairlead::quic
