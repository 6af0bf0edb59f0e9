#include "plugins/http/http_egress.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "http/target.h"
#include "link/splice.h"
#include "net/proxy_protocol.h"
#include "net/tls.h"
#include "observe/trace.h"
#include "plugins/http/backend_pool.h"
#include "plugins/http/payload.h"
#include "plugins/http/service_call.h"
#include "route/dial.h"
#include "runtime/timer.h"

namespace fairlead::http_plugin {
namespace {

using link::Delivered;
using link::FlowCode;
using Connection = BackendPool::Connection;

// Longer than a lost SYN and its second try take, shorter than users wait.
constexpr Duration kConnectTimeout = 10s;
// Under the 60 s after which common servers close a connection.
constexpr Duration kIdle = 55s;
// Authorities of services: a handful in use. Beyond, all are made anew.
constexpr std::size_t kMaxTlsClients = 64;

// What may be sent twice without harm (RFC 9110, 9.2.2).
bool is_idempotent(std::string_view method) {
  static constexpr std::string_view kMethods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
  return std::ranges::find(kMethods, method) != std::end(kMethods);
}

}  // namespace

struct HttpEgress::Impl {
  Impl(net::Network& n, std::shared_ptr<const route::EgressPolicy> p, observe::AccessLog* log)
      : network(n), policy(std::move(p)), access_log(log), pool(n.loop()) {}

  // What one request needs from its beginning to its line in the log.
  struct Job {
    std::unique_ptr<link::Flow> flow;
    wire::DecodedHttpRequest head;
    TimePoint start;
    WallTime begun;
    TimePoint until = TimePoint::max();  // of the whole try
    link::Refusal failure{FlowCode::ok, Delivered::no, ""};
    bool by_flow = false, reused = false;
    unsigned status = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
  };

  Task<void> serve(Job& job);
  Task<Result<std::unique_ptr<Connection>>> connect(const Job& job, net::HostPort target, bool fresh);
  Task<Result<std::unique_ptr<net::Stream>>> dial(const Job& job, net::HostPort target);
  Task<void> carry_raw(Job& job, Connection& connection);
  Result<std::shared_ptr<const net::TlsClient>> tls_client(const std::string& ca_pem);
  void write_line(const Job& job);

  net::Network& network;
  std::shared_ptr<const route::EgressPolicy> policy;
  observe::AccessLog* access_log;
  HttpEgressCounters counters;
  std::map<std::string, std::shared_ptr<const net::TlsClient>> tls_clients;  // by the PEM text of whom they trust
  BackendPool pool;
};

HttpEgress::HttpEgress(net::Network& network, std::shared_ptr<const route::EgressPolicy> policy, observe::AccessLog* access_log)
    : impl_(std::make_unique<Impl>(network, std::move(policy), access_log)) {}

HttpEgress::~HttpEgress() = default;

std::string_view HttpEgress::plugin() const { return kPlugin; }

void HttpEgress::set_policy(std::shared_ptr<const route::EgressPolicy> policy) {
  impl_->policy = std::move(policy);
  impl_->pool.close_if([&](const Connection& c) { return !impl_->policy->check(c.stream->peer()).has_value(); });
}

HttpEgressCounters HttpEgress::counters() const {
  HttpEgressCounters now = impl_->counters;
  now.pooled = impl_->pool.waiting();
  return now;
}

Task<void> HttpEgress::serve(std::unique_ptr<link::Flow> flow) {
  Impl::Job job;
  job.flow = std::move(flow);
  auto serving = impl_->serve(job);
  co_await serving;
  impl_->write_line(job);
}

Task<void> HttpEgress::Impl::serve(Job& job) {
  link::Flow& flow = *job.flow;
  job.start = network.loop().now();
  job.begun = network.loop().wall_now();
  counters.requests++;
  if (flow.head().remaining > 0ns) job.until = job.start + flow.head().remaining;

  auto decoded = job.head.decode(as_bytes(flow.head().head));
  auto target = net::HostPort::parse(flow.head().target);
  bool accepted = false;
  if (!decoded) {
    job.failure = {FlowCode::protocol, Delivered::no, decoded.error().describe()};
  } else if (!target) {
    job.failure = {FlowCode::protocol, Delivered::no, Error::wrap("target of the flow", target.error()).describe()};
  } else {
    RecordReader reader(flow);
    for (bool fresh = false;; fresh = true) {
      auto connecting = connect(job, *target, fresh);
      auto connection = co_await connecting;
      if (!connection) {
        const Code code = connection.error().code();
        job.failure = {code == Code::unauthenticated ? FlowCode::forbidden : link::flow_code_of(code), Delivered::no,
                       connection.error().describe()};
        break;
      }
      const Duration answer_in = job.head.service.response;
      const TimePoint answer_by = answer_in > 0ns ? std::min(job.until, network.loop().now() + answer_in) : job.until;
      std::optional<ServiceCall> call(std::in_place, flow, reader, job.head.request, **connection, answer_by);
      auto calling = call->run();
      co_await calling;
      job.reused = (*connection)->reused;
      job.bytes_in = call->bytes_in();
      job.bytes_out = call->bytes_out();
      job.status = call->status();
      job.by_flow = call->by_flow();
      accepted = call->accepted();
      if (call->stale() && !job.by_flow && !fresh && is_idempotent(job.head.request.method)) continue;
      if (call->failure()) {
        job.failure = *call->failure();
      } else if (call->upgraded()) {
        call.reset();
        auto carrying = carry_raw(job, **connection);
        co_await carrying;
      } else if (call->reusable() && job.head.service.proxy_protocol == 0) {
        pool.give_back(*std::move(connection), job.head.service.idle > 0ns ? job.head.service.idle : kIdle);
      }
      break;
    }
  }
  if (job.failure.code != FlowCode::ok && !accepted) {
    counters.refused++;
    link::Refusal refusal = job.failure;
    auto refusing = flow.refuse(std::move(refusal));
    co_await refusing;
  }
}

Task<Result<std::unique_ptr<Connection>>> HttpEgress::Impl::connect(const Job& job, net::HostPort target, bool fresh) {
  const wire::HttpService& service = job.head.service;
  std::string key = fmt::format("{} {} {} {}", target.to_text(), service.tls, service.server_name, std::hash<std::string>{}(service.ca_pem));
  // A service that authenticates by the PROXY header must not see one user's request on another's connection.
  if (service.proxy_protocol != 0) key += " " + job.flow->head().source;
  const Duration limit = service.connect > 0ns ? service.connect : kConnectTimeout;
  const TimePoint until = std::min(job.until, network.loop().now() + limit);
  const std::size_t most = service.max_connections > 0 ? service.max_connections : BackendPool::kMaxConnections;
  auto taking = pool.take(std::move(key), most, until, fresh);
  auto connection = co_await taking;
  if (!connection) co_return std::unexpected(connection.error());
  if ((*connection)->stream) {
    counters.reused++;
    co_return *std::move(connection);
  }
  counters.dialled++;
  auto stream = co_await with_deadline<std::unique_ptr<net::Stream>>(network.loop(), until, "connect", dial(job, std::move(target)));
  if (!stream) co_return std::unexpected(stream.error());
  (*connection)->stream = *std::move(stream);
  co_return *std::move(connection);
}

Task<Result<std::unique_ptr<net::Stream>>> HttpEgress::Impl::dial(const Job& job, net::HostPort target) {
  const std::shared_ptr<const route::EgressPolicy> now = policy;  // stays while we dial, though a new one may come
  const wire::HttpService& service = job.head.service;
  const std::string host = target.host;
  auto dialling = route::dial(network, *now, std::move(target));
  auto stream = co_await dialling;
  if (!stream) co_return stream;
  if (service.proxy_protocol != 0) {
    auto source = net::SocketAddress::parse(job.flow->head().source);
    const std::string header = net::make_proxy_header(service.proxy_protocol, source ? *source : net::SocketAddress{}, (*stream)->peer());
    auto writing = (*stream)->write(as_bytes(header));
    auto written = co_await writing;
    if (!written) co_return std::unexpected(written.error());
  }
  if (!service.tls) co_return stream;
  auto client = tls_client(service.ca_pem);
  if (!client) co_return std::unexpected(client.error());
  std::string server_name = service.server_name.empty() ? host : service.server_name;
  auto handshake = (*client)->connect(network.loop(), *std::move(stream), std::move(server_name));
  auto secured = co_await handshake;
  if (!secured) co_return fail(Error::wrap("TLS with the service", secured.error()));
  co_return secured;
}

Result<std::shared_ptr<const net::TlsClient>> HttpEgress::Impl::tls_client(const std::string& ca_pem) {
  if (auto known = tls_clients.find(ca_pem); known != tls_clients.end()) return known->second;
  TRY_ASSIGN(std::shared_ptr<const net::TlsClient> made, net::TlsClient::make({.ca_pem = ca_pem}));
  if (tls_clients.size() >= kMaxTlsClients) tls_clients.clear();
  tls_clients.emplace(ca_pem, made);
  return made;
}

// The protocol has changed: bytes both ways, those that were read with the answer's head first.
Task<void> HttpEgress::Impl::carry_raw(Job& job, Connection& connection) {
  auto writing = job.flow->write(as_bytes(connection.input));
  auto written = co_await writing;
  link::SpliceEnd end;
  if (!written) {
    end = {.code = job.flow->peer_code(), .by_flow = true, .message = written.error().describe()};
  } else {
    const std::uint64_t in = job.flow->bytes_in(), out = job.flow->bytes_out();
    auto splicing = link::splice(*job.flow, *connection.stream);
    end = co_await splicing;
    job.bytes_in = job.flow->bytes_in() - in;
    job.bytes_out = job.flow->bytes_out() - out + connection.input.size();
  }
  job.failure = {end.code, Delivered::maybe, std::move(end.message)};
  job.by_flow = end.by_flow;
}

void HttpEgress::Impl::write_line(const Job& job) {
  if (access_log == nullptr) return;
  const wire::FlowOpen& open = job.flow->head();
  const http::Request& r = job.head.request;
  observe::JsonLine json;
  json.add("time", job.begun).add("plugin", kPlugin).add("side", "egress").add("flow", job.flow->id().value());
  if (auto trace = observe::TraceContext::parse(open.traceparent)) json.add("trace", std::string_view(trace->trace_text()));
  json.add("node", std::string_view(job.flow->peer())).add("backend", std::string_view(open.backend));
  json.add("target", std::string_view(open.target)).add("source", std::string_view(open.source));
  if (!r.method.empty()) json.add("method", r.method).add("host", r.authority).add("path", http::split_target(r.target).path);
  json.add("status", job.status).add("reused", job.reused).add("bytes_in", job.bytes_in).add("bytes_out", job.bytes_out);
  json.add("seconds", network.loop().now() - job.start).add("outcome", name(job.failure.code));
  if (job.failure.code != FlowCode::ok)
    json.add("by", job.by_flow ? "link" : "service").add("message", std::string_view(job.failure.message));
  access_log->write(std::move(json));
}

}  // namespace fairlead::http_plugin
