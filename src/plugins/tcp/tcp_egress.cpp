#include "plugins/tcp/tcp_egress.h"

#include <fmt/format.h>

#include "plugins/tcp/flow_line.h"
#include "route/dial.h"
#include "runtime/timer.h"

namespace fairlead::tcp {
namespace {

// For a flow without a deadline: longer than a lost SYN and its second try take, shorter than users wait.
constexpr Duration kConnectTimeout = 10s;

}  // namespace

TcpEgress::TcpEgress(net::Network& network, std::shared_ptr<const route::EgressPolicy> policy, observe::AccessLog* access_log)
    : network_(network), policy_(std::move(policy)), access_log_(access_log) {}

Task<void> TcpEgress::serve(std::unique_ptr<link::Flow> flow) {
  Loop& loop = network_.loop();
  const TimePoint start = loop.now();
  FlowLine line{.side = "egress", .begun = loop.wall_now(), .node = flow->peer(), .open = &flow->head(), .flow = flow->id()};

  auto target = net::HostPort::parse(flow->head().target);
  Result<std::unique_ptr<net::Stream>> socket = std::unexpected(Error(Code::invalid, "no target"));
  if (!target) {
    socket = std::unexpected(Error::wrap("target of the flow", target.error()));
  } else {
    const Duration limit = flow->head().remaining > 0ns ? flow->head().remaining : kConnectTimeout;
    const std::shared_ptr<const route::EgressPolicy> policy = policy_;  // stays while we dial, though a new one may come
    socket = co_await with_deadline<std::unique_ptr<net::Stream>>(loop, start + limit, "connect", route::dial(network_, *policy, *target));
  }
  if (!socket) {
    line.end = {.code = link::flow_code_of(socket.error().code()), .refused = true, .message = socket.error().describe()};
    link::Refusal refusal{line.end.code, link::Delivered::no, line.end.message};
    auto refusing = flow->refuse(std::move(refusal));
    co_await refusing;
  } else {
    auto accepted = co_await flow->accept();
    static_cast<void>(accepted);  // an opener that has broken off by now may have said something before
    line.end = co_await link::splice(*flow, **socket);
  }
  line.took = loop.now() - start;
  line.bytes_in = flow->bytes_in();
  line.bytes_out = flow->bytes_out();
  write(access_log_, line);
}

}  // namespace fairlead::tcp
