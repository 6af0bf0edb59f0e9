#include "plugins/udp/udp_egress.h"

#include <fmt/format.h>

#include "link/datagram_channel.h"
#include "plugins/udp/association_line.h"
#include "plugins/udp/batch_sender.h"
#include "route/dial.h"
#include "runtime/timer.h"
#include "wire/udp_message.h"

namespace fairlead::udp {
namespace {

constexpr Duration kResolveTimeout = 10s;  // for a flow without a deadline
constexpr std::size_t kBurst = 16;         // as a listener's (door.cpp)

Task<Result<route::DatagramService>> dial(net::Network& network, std::shared_ptr<const route::EgressPolicy> policy, std::string target) {
  if (!policy) co_return fail(Code::forbidden, "there are no rules yet");
  auto parsed = net::HostPort::parse(target);
  if (!parsed) co_return fail(Error::wrap("target of the flow", parsed.error()));
  auto dialling = route::dial_datagrams(network, *policy, *std::move(parsed));
  auto service = co_await dialling;
  co_return service;
}

}  // namespace

class UdpEgress::Association {
 public:
  Association(link::Flow& flow, net::DatagramSocket& socket, net::SocketAddress service, const wire::UdpOpen& open,
              UdpEgressCounters& counters)
      : flow_(flow),
        socket_(socket),
        service_(std::move(service)),
        counters_(counters),
        idle_(open.idle > 0ns ? open.idle + kIdleBeyond : kIdle),
        channel_(flow, open.large_in_stream),
        changed_(flow.loop()),
        probation_(flow.loop(), [this] { begin(); }),
        idle_timer_(flow.loop(), [this] { look_if_idle(); }),
        tasks_(flow.loop()) {}

  Task<End> run() {
    const TimePoint now = flow_.loop().now();
    last_ = now;
    probation_.arm(now + kProbation);
    idle_timer_.arm(now + idle_);
    channel_.hold_records();
    channel_.read_stream();
    tasks_.spawn(up());
    tasks_.spawn(down());
    while (!begun_ && !end_) co_await changed_.wait();
    if (end_ && end_->code != link::FlowCode::ok && !end_->by_flow) {
      tasks_.cancel_now();
      end_->refused = true;
      link::Refusal refusal{end_->code, link::Delivered::no, end_->message};
      auto refusing = flow_.refuse(std::move(refusal));
      co_await refusing;
      co_return *end_;
    }
    auto accepted = co_await flow_.accept();
    if (!accepted) finish({.code = flow_.peer_code(), .by_flow = true, .refused = false, .message = accepted.error().describe()});
    channel_.release_records();
    while (!end_) co_await changed_.wait();
    tasks_.cancel_now();
    if (end_->code == link::FlowCode::ok)
      static_cast<void>(flow_.shut());
    else if (!end_->by_flow)
      flow_.abort(end_->code);
    co_return *end_;
  }
  link::DatagramChannel::Counters counted() const { return channel_.counters(); }
  // On this side, of both directions.
  std::uint64_t dropped() const { return dropped_ + counted().pushed_out + counted().too_large; }

 private:
  void begin() {
    begun_ = true;
    changed_.wake_all();
  }
  void finish(End end) {
    if (!end_) end_ = std::move(end);
    changed_.wake_all();
  }
  void look_if_idle() {
    if (last_ + idle_ > flow_.loop().now()) return idle_timer_.arm(last_ + idle_);
    finish({.message = "idle"});
  }

  Task<void> up() {
    for (;;) {
      auto arrived = co_await channel_.arrived();
      if (!arrived) break;
      BatchSender out(socket_, service_);
      while (std::optional<link::ReceivedDatagram> datagram = channel_.take()) {
        counters_.datagrams_in++;
        out.add(datagram->payload());
      }
      out.flush();
      dropped_ += out.dropped();
      last_ = flow_.loop().now();
      count_drops();
      look_for_error();
    }
    if (channel_.shut_by_peer())
      finish({.by_flow = true, .message = "ended by the other side"});
    else
      finish({.code = flow_.peer_code(), .by_flow = true, .message = "the flow was broken off"});
  }

  Task<void> down() {
    for (;;) {
      co_await socket_.readable();
      const std::size_t n = socket_.receive(kBurst, [this](const net::Datagram& d) { channel_.send(d.payload); });
      count_drops();
      look_for_error();
      if (n == 0) continue;
      counters_.datagrams_out += n;
      last_ = flow_.loop().now();
      begin();
    }
  }

  void count_drops() {
    const std::uint64_t now = dropped();
    counters_.dropped += now - std::exchange(dropped_counted_, now);
  }
  void look_for_error() {
    if (auto error = socket_.take_error()) finish({.code = link::flow_code_of(error->code()), .message = error->describe()});
  }

  link::Flow& flow_;
  net::DatagramSocket& socket_;
  const net::SocketAddress service_;
  UdpEgressCounters& counters_;
  const Duration idle_;
  link::DatagramChannel channel_;
  TimePoint last_{};
  bool begun_ = false;         // it is time to answer
  std::uint64_t dropped_ = 0;  // that the socket did not take
  std::uint64_t dropped_counted_ = 0;
  std::optional<End> end_;
  WaitQueue changed_;
  Timer probation_, idle_timer_;
  Scope tasks_;
};

UdpEgress::UdpEgress(net::Network& network, std::shared_ptr<const route::EgressPolicy> policy, observe::AccessLog* access_log)
    : network_(network), policy_(std::move(policy)), access_log_(access_log) {}

namespace {
struct Open {
  explicit Open(std::uint64_t& n) : count(n) { count++; }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
  ~Open() { count--; }
  std::uint64_t& count;
};
}  // namespace

Task<void> UdpEgress::serve(std::unique_ptr<link::Flow> flow) {
  Open open(counters_.open);
  counters_.flows++;
  Loop& loop = network_.loop();
  const TimePoint start = loop.now();
  AssociationLine line{.side = "egress", .begun = loop.wall_now(), .node = flow->peer(), .open = &flow->head(), .flow = flow->id()};

  Result<wire::UdpOpen> head = wire::decode_udp_open(flow->head().head);
  Result<route::DatagramService> service = std::unexpected(Error(Code::invalid, "a udp flow without datagrams"));
  if (!head) {
    service = std::unexpected(head.error());
  } else if (flow->has_datagrams()) {
    const Duration limit = flow->head().remaining > 0ns ? flow->head().remaining : kResolveTimeout;
    const std::shared_ptr<const route::EgressPolicy> policy = policy_;  // stays while we dial, though a new one may come
    service = co_await with_deadline<route::DatagramService>(loop, start + limit, "resolve", dial(network_, policy, flow->head().target));
  }
  if (!service) {
    line.end = {.code = link::flow_code_of(service.error().code()), .refused = true, .message = service.error().describe()};
    link::Refusal refusal{line.end.code, link::Delivered::no, line.end.message};
    auto refusing = flow->refuse(std::move(refusal));
    co_await refusing;
  } else {
    Association association(*flow, *service->socket, service->at, *head, counters_);
    auto running = association.run();
    line.end = co_await running;
    const link::DatagramChannel::Counters counted = association.counted();
    line.bytes_in = counted.bytes_received;
    line.datagrams_in = counted.received;
    line.bytes_out = counted.bytes_sent;
    line.datagrams_out = counted.sent;
    line.dropped = association.dropped();
  }
  if (line.end.refused) counters_.refused++;
  line.took = loop.now() - start;
  write(access_log_, line);
}

}  // namespace fairlead::udp
