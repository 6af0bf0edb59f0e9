#include "plugins/kube/kube_egress.h"

#include "plugins/kube/kube_line.h"
#include "route/dial.h"
#include "runtime/timer.h"

namespace fairlead::kube_plugin {

struct KubeEgress::Dialled {
  std::unique_ptr<net::Stream> stream;
  std::string at;
  std::shared_ptr<void> held;
};

KubeEgress::KubeEgress(net::Network& network, observe::AccessLog* access_log)
    : network_(network), access_log_(access_log), api_servers_(network), tunnels_(network.loop()) {}

Task<Result<KubeEgress::Dialled>> KubeEgress::dial(std::string target, TimePoint until) {
  Loop& loop = network_.loop();
  if (target == kApiServer) {
    if (api_servers_.empty()) co_return fail(Code::forbidden, "this side dials no API server: kube.apiServer is not configured here");
    auto connected = co_await api_servers_.connect(until);
    if (!connected) co_return std::unexpected(connected.error());
    co_return Dialled{std::move(connected->stream), connected->at.to_text(), std::move(connected->held)};
  }
  if (!kubelet_ || !policy_) co_return fail(Code::forbidden, "this side dials API servers only, not {}", target);
  net::HostPort to = *kubelet_;
  if (target != kKubelet) {
    CO_TRY_ASSIGN(to, net::HostPort::parse(target));
  }
  const std::shared_ptr<const route::EgressPolicy> policy = policy_;  // stays while we dial, though a new one may come
  auto stream = co_await with_deadline<std::unique_ptr<net::Stream>>(loop, until, "connect", route::dial(network_, *policy, to));
  if (!stream) co_return fail(Error::wrap(target == kKubelet ? "the kubelet at " + to.to_text() : to.to_text(), stream.error()));
  co_return Dialled{*std::move(stream), to.to_text(), nullptr};
}

Task<void> KubeEgress::serve(std::unique_ptr<link::Flow> flow) {
  Loop& loop = network_.loop();
  counters_.flows++;
  const wire::FlowOpen& open = flow->head();
  KubeLine line{.side = "egress", .begun = loop.wall_now(), .start = loop.now(), .node = flow->peer(), .flow = flow->id()};
  line.kind = open.target == kKubelet || open.target == kApiServer ? std::string_view(open.target) : "pod";
  line.asked = open.backend;
  line.target = open.target;
  line.source = open.source;
  line.trace = open.traceparent;

  const TimePoint until = loop.now() + (open.remaining > 0ns ? open.remaining : kOpenTimeout);
  std::string target = open.target;
  auto dialled = co_await dial(std::move(target), until);
  if (!dialled) {
    counters_.refused++;
    line.end = {.code = link::flow_code_of(dialled.error().code()), .refused = true, .message = dialled.error().describe()};
    link::Refusal refusal{line.end.code, link::Delivered::no, line.end.message};
    auto refusing = flow->refuse(std::move(refusal));
    co_await refusing;
  } else {
    line.target = dialled->at;
    auto accepted = co_await flow->accept();
    static_cast<void>(accepted);  // an opener that has broken off by now may have said something before
    Tunnels::Open open_now(tunnels_, *flow);
    line.end = co_await link::splice(*flow, *dialled->stream);
  }
  line.bytes_in = flow->bytes_in();
  line.bytes_out = flow->bytes_out();
  write(access_log_, line, loop.now());
}

}  // namespace fairlead::kube_plugin
