#include "plugins/http/http_egress.h"

#include <vector>

#include "link/splice.h"
#include "plugins/http/backend_pool.h"
#include "plugins/http/egress_line.h"
#include "plugins/http/service_call.h"

namespace fairlead::http_plugin {
namespace {

using link::Delivered;
using link::FlowCode;
using Connection = BackendPool::Connection;

// Memory of requests that are over, for the next ones.
constexpr std::size_t kDesksKept = 64;

// A connection that may take its time, given up when the flow is.
struct Getting {
  explicit Getting(Loop& loop) : over(loop), tasks(loop) {}
  std::optional<link::FlowResult<Connection>> result;
  bool flow_lost = false;
  WaitQueue over;
  Scope tasks;
};

Task<void> get(BackendPool& pool, ServiceAddress to, TimePoint deadline, bool fresh, Getting& getting) {
  auto result = co_await pool.get(to, deadline, fresh);
  getting.result.emplace(std::move(result));
  getting.over.wake_all();
}

Task<void> watch(link::Flow& flow, Getting& getting) {
  Error why = co_await flow.broken();
  getting.flow_lost = true;
  getting.over.wake_all();
}

}  // namespace

struct HttpEgress::Impl {
  Impl(net::Network& network, std::shared_ptr<const route::EgressPolicy> policy, observe::AccessLog* log)
      : access_log(log), dialler(network, std::move(policy)), pool(network.loop(), dialler) {}

  // What one flow needs as long as it is served.
  struct Job {
    Job(Impl& impl, link::Flow& f) : egress(impl), desk(impl.take_desk()), half(f), line(impl.access_log, f, desk->head.request) {}
    ~Job() {
      if (egress.desks.size() < kDesksKept) egress.desks.push_back(std::move(desk));
    }
    Impl& egress;
    std::unique_ptr<ServiceDesk> desk;
    RequestHalf half;
    TimePoint deadline = TimePoint::max();
    EgressLine line;
  };

  std::unique_ptr<ServiceDesk> take_desk() {
    if (desks.empty()) return std::make_unique<ServiceDesk>();
    std::unique_ptr<ServiceDesk> desk = std::move(desks.back());
    desks.pop_back();
    desk->clear();
    return desk;
  }

  Task<void> serve(Job& job);
  // Nothing: the flow is lost.
  Task<std::optional<link::FlowResult<Connection>>> connect(Job& job, bool fresh);
  // False: once more, on a fresh connection.
  Task<bool> call(Job& job, Connection connection);
  Task<void> carry_raw(Job& job, net::Stream& service);
  Task<void> refuse(Job& job, link::Refusal why);

  observe::AccessLog* access_log;
  std::uint64_t requests = 0, refused = 0;
  ServiceDialler dialler;
  BackendPool pool;
  std::vector<std::unique_ptr<ServiceDesk>> desks;
};

HttpEgress::HttpEgress(net::Network& network, std::shared_ptr<const route::EgressPolicy> policy, observe::AccessLog* access_log)
    : impl_(std::make_unique<Impl>(network, std::move(policy), access_log)) {}

HttpEgress::~HttpEgress() = default;

std::string_view HttpEgress::plugin() const { return kPlugin; }

void HttpEgress::set_policy(std::shared_ptr<const route::EgressPolicy> policy) {
  impl_->dialler.set_policy(std::move(policy));
  impl_->pool.policy_changed();
}

HttpEgressCounters HttpEgress::counters() const {
  return {.requests = impl_->requests,
          .refused = impl_->refused,
          .dialled = impl_->dialler.dialled(),
          .reused = impl_->pool.reused(),
          .pooled = impl_->pool.pooled()};
}

Task<void> HttpEgress::serve(std::unique_ptr<link::Flow> flow) {
  impl_->requests++;
  Impl::Job job(*impl_, *flow);
  co_await impl_->serve(job);
}

Task<void> HttpEgress::Impl::serve(Job& job) {
  const wire::FlowOpen& open = job.half.flow.head();
  auto decoded = job.desk->head.decode(as_bytes(open.head));
  if (!decoded) {
    job.desk->head.request = {};
    link::Refusal why{FlowCode::protocol, Delivered::no, decoded.error().describe()};
    co_await refuse(job, std::move(why));
    co_return;
  }
  if (open.remaining > 0ns) job.deadline = job.line.start + open.remaining;
  for (bool fresh = false;; fresh = true) {
    auto connection = co_await connect(job, fresh);
    if (!connection) {
      job.line.code = job.half.flow.peer_code();
      job.line.message = "the other side gave up before there was a connection";
      co_return;
    }
    if (!*connection) {
      co_await refuse(job, std::move(connection->error()));
      co_return;
    }
    const bool done = co_await call(job, *std::move(*connection));
    if (done) co_return;
  }
}

Task<std::optional<link::FlowResult<Connection>>> HttpEgress::Impl::connect(Job& job, bool fresh) {
  link::Flow& flow = job.half.flow;
  const ServiceAddress to{flow.head().target, &job.desk->head.service, flow.head().source};
  if (!fresh)
    if (auto waiting = pool.take_waiting(to)) co_return std::move(*waiting);
  Getting getting(flow.loop());
  getting.tasks.spawn(get(pool, to, job.deadline, fresh, getting));
  getting.tasks.spawn(watch(flow, getting));
  while (!getting.result && !getting.flow_lost) co_await getting.over.wait();
  getting.tasks.cancel_now();
  co_return std::move(getting.result);
}

Task<bool> HttpEgress::Impl::call(Job& job, Connection connection) {
  job.line.reused = connection.reused();
  const ServiceCall::Limits limits{job.deadline, job.desk->head.service.response};
  std::optional<ServiceCall> call(std::in_place, *job.desk, job.half, connection, limits);
  const ServiceCall::End end = co_await call->run();
  job.line.status = call->status();
  job.line.bytes_in = call->bytes_in();
  job.line.bytes_out = call->bytes_out();
  switch (end) {
    case ServiceCall::End::stale: co_return false;
    case ServiceCall::End::answered:
      job.line.code = FlowCode::ok;
      if (call->reusable())
        pool.put_back(std::move(connection));
      else if (call->sent_all())
        connection.close();
      break;
    case ServiceCall::End::upgraded:
      call.reset();
      co_await carry_raw(job, connection.stream());
      break;
    case ServiceCall::End::flow_lost:
      job.line.code = call->why().code;
      job.line.message = call->why().message;
      break;
    case ServiceCall::End::failed: {
      link::Refusal why = call->why();
      const bool accepted = call->accepted();
      call.reset();
      connection.stream().reset();
      if (accepted) {
        job.half.flow.abort(why.code);
        job.line.by_flow = false;
        job.line.code = why.code;
        job.line.message = std::move(why.message);
      } else {
        co_await refuse(job, std::move(why));
      }
      break;
    }
  }
  co_return true;
}

// The protocol has changed: bytes both ways, first those that were read with the answer's head.
Task<void> HttpEgress::Impl::carry_raw(Job& job, net::Stream& service) {
  link::Flow& flow = job.half.flow;
  const std::uint64_t in = flow.bytes_in(), out = flow.bytes_out();
  link::SpliceEnd end;
  const Bytes early = as_bytes(job.desk->in.rest());
  auto sent = co_await flow.write(early);
  if (sent)
    end = co_await link::splice(flow, service);
  else
    end = {.code = flow.peer_code(), .by_flow = true, .message = sent.error().describe()};
  job.line.bytes_in = flow.bytes_in() - in;
  job.line.bytes_out = flow.bytes_out() - out;
  job.line.code = end.code;
  job.line.by_flow = end.by_flow;
  job.line.message = std::move(end.message);
}

Task<void> HttpEgress::Impl::refuse(Job& job, link::Refusal why) {
  refused++;
  job.line.refused = true;
  job.line.by_flow = false;
  job.line.code = why.code;
  job.line.message = why.message;
  co_await job.half.flow.refuse(std::move(why));
}

}  // namespace fairlead::http_plugin
