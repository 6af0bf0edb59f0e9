#include "plugins/kube/connect_ingress.h"

#include <fmt/format.h>

#include <vector>

#include "base/log.h"
#include "plugins/kube/connect_answer.h"
#include "plugins/kube/connect_request.h"
#include "plugins/kube/kube_line.h"
#include "plugins/kube/relay.h"
#include "route/dial.h"
#include "runtime/timer.h"

namespace fairlead::kube_plugin {
namespace {

constexpr Duration kAcceptPause = 50ms;  // out of descriptors: others need some time to end
constexpr Duration kLinger = 1s;         // for the client to take a refusal before its connection is closed
constexpr std::size_t kPiece = 4_KiB;    // of a head

Task<Result<void>> read_to_end(net::Stream& stream) {
  std::vector<std::byte> piece(kPiece);
  for (;;) {
    auto got = co_await stream.read(piece);
    if (!got) co_return std::unexpected(got.error());
    if (*got == 0) co_return Result<void>{};
  }
}

// What listens on loopback here was never meant for the API server's proxy, whatever networks are allowed.
Task<Result<std::unique_ptr<net::Stream>>> dial_neighbour(net::Network& network, const route::EgressPolicy& policy, net::HostPort target) {
  auto addresses = co_await network.resolve(target.host);
  if (!addresses) co_return std::unexpected(addresses.error());
  Error last(Code::unreachable, "the name has no address");
  for (const net::IpAddress& ip : *addresses) {
    if (ip.is_loopback()) {
      last = Error(Code::forbidden, fmt::format("{} is this machine itself", target.to_text()));
      continue;
    }
    net::HostPort literal{ip.to_text(), target.port};
    auto stream = co_await route::dial(network, policy, std::move(literal));
    if (stream) co_return *std::move(stream);
    last = stream.error();
  }
  co_return fail(std::move(last));
}

}  // namespace

struct ConnectIngress::Client {
  std::unique_ptr<net::Stream> stream;
  net::TlsPeer peer;
  ConnectReader head;
  std::optional<ConnectReader::Refusal> malformed;
  std::vector<std::byte> early;  // came with the head
  KubeLine line;
};

ConnectIngress::ConnectIngress(net::Network& network, link::Peers& peers, observe::AccessLog* access_log)
    : network_(network), peers_(peers), access_log_(access_log), tunnels_(network.loop()), connections_(network.loop()) {}

ConnectIngress::~ConnectIngress() = default;

void ConnectIngress::listen(std::unique_ptr<net::Listener> listener, bool with_tls, std::string name) {
  Listening& at = listeners_.emplace_back(network_.loop());
  at.listener = std::move(listener);
  at.with_tls = with_tls;
  at.name = std::move(name);
  at.accepting.spawn(accept_from(at));
}

void ConnectIngress::drain() {
  listeners_.clear();
  tunnels_.end_the_quiet();
}

Task<void> ConnectIngress::accept_from(Listening& at) {
  Loop& loop = network_.loop();
  for (;;) {
    auto incoming = co_await at.listener->accept();
    if (!incoming) {
      log::warn("kube", "accept at {}: {}", at.name, incoming.error());
      co_await loop.sleep(kAcceptPause);
      continue;
    }
    counters_.accepted++;
    if (strangers_ >= kStrangers) continue;
    auto client = std::make_unique<Client>();
    const bool local = (*incoming)->peer() == net::SocketAddress{};
    client->line = {.side = "ingress",
                    .door = "connect",
                    .begun = loop.wall_now(),
                    .start = loop.now(),
                    .source = local ? at.name : (*incoming)->peer().to_text(),
                    .trace = observe::TraceContext::begin(loop.random(), false).to_text()};
    client->stream = network_.adopt(*std::move(incoming));
    strangers_++;
    connections_.spawn(serve(std::move(client), at.with_tls));
  }
}

Task<void> ConnectIngress::serve(std::unique_ptr<Client> client, bool with_tls) {
  Loop& loop = network_.loop();
  KubeLine& line = client->line;
  auto head = co_await with_deadline<void>(loop, line.start + kHeadTimeout, "read a CONNECT", read_head(*client, with_tls));
  strangers_--;
  line.client = client->peer.subject;
  if (!head) {
    counters_.malformed++;
    const link::FlowCode code = head.error().code() == Code::timeout ? link::FlowCode::deadline : link::FlowCode::protocol;
    line.end = {.code = code, .refused = true, .message = head.error().describe()};
    client->stream.reset();
  } else if (client->malformed) {
    counters_.malformed++;
    std::string sentence(client->malformed->text);
    auto refusing = refuse(*client, link::FlowCode::protocol, client->malformed->status, std::move(sentence));
    co_await refusing;
  } else {
    line.asked = client->head.target().to_text();
    co_await tunnel(*client);
  }
  write(access_log_, line, loop.now());
}

// Ends with a whole head, or with what is wrong with it in `malformed`; fails when there is nobody to tell.
Task<Result<void>> ConnectIngress::read_head(Client& client, bool with_tls) {
  if (with_tls) {
    const std::shared_ptr<const net::TlsServer> tls = tls_;
    if (!tls) co_return fail(Code::internal, "there is no certificate for TLS");
    auto secure = co_await tls->accept(network_.loop(), std::move(client.stream), client.peer);
    if (!secure) co_return std::unexpected(Error::wrap("TLS", secure.error()));
    client.stream = *std::move(secure);
  }
  std::vector<std::byte> piece(kPiece);
  for (;;) {
    auto got = co_await client.stream->read(piece);
    if (!got) co_return std::unexpected(got.error());
    if (*got == 0) co_return fail(Code::closed, "the client ended {} its head", client.head.begun() ? "inside" : "before");
    const Bytes bytes = Bytes(piece).first(*got);
    auto taken = client.head.feed(as_text(bytes));
    if (!taken) {
      client.malformed = taken.error();
      co_return Result<void>{};
    }
    if (!client.head.done()) continue;
    const Bytes rest = bytes.subspan(*taken);
    client.early.assign(rest.begin(), rest.end());
    co_return Result<void>{};
  }
}

Task<void> ConnectIngress::tunnel(Client& client) {
  Where where = find_ ? find_(client.head.target()) : Where::refused(link::FlowCode::link_down, "the cluster is not known yet");
  client.line.kind = where.kind;
  switch (where.way) {
    case Where::Way::edge: {
      auto going = to_edge(client, std::move(where));
      co_await going;
      co_return;
    }
    case Where::Way::direct: {
      auto going = to_neighbour(client, std::move(where.target));
      co_await going;
      co_return;
    }
    case Where::Way::none: {
      const link::FlowCode code = where.code;
      auto refusing = refuse(client, code, status_of(code), std::move(where.message));
      co_await refusing;
      co_return;
    }
  }
}

Task<void> ConnectIngress::to_edge(Client& client, Where where) {
  Loop& loop = network_.loop();
  KubeLine& line = client.line;
  line.node = where.node->value();
  line.target = where.target;
  wire::FlowOpen open{.plugin = std::string(kPlugin),
                      .backend = line.asked.substr(0, wire::kMaxName),
                      .target = std::move(where.target),
                      .traffic_class = link::TrafficClass::management,
                      .remaining = kOpenTimeout,
                      .traceparent = line.trace,
                      .source = line.source.substr(0, wire::kMaxName)};
  link::Destination to = link::Destination::to(*where.node);
  auto opened = co_await peers_.open(std::move(to), std::move(open));
  if (!opened) {
    auto refusing = refuse(client, opened.error().code, status_of(opened.error().code), std::move(opened.error().message));
    co_await refusing;
    co_return;
  }
  link::Flow& flow = **opened;
  line.flow = flow.id();
  bool late = false;
  link::FlowResult<wire::FlowReply> reply;
  {
    Timer limit(loop, [&] {
      late = true;
      flow.abort(link::FlowCode::deadline);
    });
    limit.arm(loop.now() + kOpenTimeout);
    auto sent = co_await flow.write(client.early);
    static_cast<void>(sent);  // if it failed, the reply says why
    auto answered = co_await flow.reply();
    reply = std::move(answered);
  }
  client.early = {};
  if (!reply || late) {
    const link::FlowCode code = late ? link::FlowCode::deadline : reply.error().code;
    std::string sentence = late ? fmt::format("node {} has not answered in {}", line.node, to_text(kOpenTimeout)) : reply.error().message;
    auto refusing = refuse(client, code, status_of(code), std::move(sentence));
    co_await refusing;
    co_return;
  }
  line.status = 200;
  auto told = co_await client.stream->write(as_bytes(kEstablished));
  if (!told) {
    line.end = {.code = link::flow_code_of(told.error().code()), .message = told.error().describe()};
    co_return;
  }
  counters_.established++;
  Tunnels::Open open_now(tunnels_, flow);
  line.end = co_await link::splice(flow, *client.stream);
  line.bytes_in = flow.bytes_out();
  line.bytes_out = flow.bytes_in();
}

// `instead`: of what was asked for; "" if that is it.
Task<void> ConnectIngress::to_neighbour(Client& client, std::string instead) {
  Loop& loop = network_.loop();
  KubeLine& line = client.line;
  line.target = instead.empty() ? line.asked : instead;
  const std::shared_ptr<const route::EgressPolicy> policy = direct_;
  if (!policy) {
    auto refusing = refuse(client, link::FlowCode::forbidden, 403,
                           fmt::format("{} belongs to no edge, and kube.connect.direct does not allow it", line.asked));
    co_await refusing;
    co_return;
  }
  net::HostPort target = client.head.target();
  if (!instead.empty()) {
    if (auto other = net::HostPort::parse(instead)) target = *std::move(other);
  }
  auto service = co_await with_deadline<std::unique_ptr<net::Stream>>(loop, loop.now() + kOpenTimeout, "connect",
                                                                      dial_neighbour(network_, *policy, std::move(target)));
  if (!service) {
    const link::FlowCode code = link::flow_code_of(service.error().code());
    auto refusing = refuse(client, code, status_of(code), service.error().describe());
    co_await refusing;
    co_return;
  }
  auto sent = co_await (*service)->write(client.early);
  const std::size_t early = client.early.size();
  client.early = {};
  if (!sent) {
    const link::FlowCode code = link::flow_code_of(sent.error().code());
    auto refusing = refuse(client, code, status_of(code), sent.error().describe());
    co_await refusing;
    co_return;
  }
  line.status = 200;
  auto told = co_await client.stream->write(as_bytes(kEstablished));
  if (!told) {
    line.end = {.code = link::flow_code_of(told.error().code()), .message = told.error().describe()};
    co_return;
  }
  counters_.established++;
  neighbours_++;
  auto end = co_await relay(loop, *client.stream, **service);
  neighbours_--;
  line.bytes_in = end.bytes_in + early;
  line.bytes_out = end.bytes_out;
  line.end = std::move(end.end);
}

Task<void> ConnectIngress::refuse(Client& client, link::FlowCode code, unsigned status, std::string sentence) {
  Loop& loop = network_.loop();
  KubeLine& line = client.line;
  if (code != link::FlowCode::protocol) counters_.refused++;
  line.status = status;
  line.end = {.code = code, .by_flow = !line.node.empty(), .refused = true, .message = std::move(sentence)};
  const std::string text = refusal_text(status, line.end.message);
  auto told = co_await with_deadline<void>(loop, loop.now() + kLinger, "refuse", client.stream->write(as_bytes(text)));
  // A connection that is closed with bytes unread is reset, and the client may lose the answer: let it read first.
  if (!told || !client.stream->shut()) co_return;
  auto ended = co_await with_deadline<void>(loop, loop.now() + kLinger, "end", read_to_end(*client.stream));
  static_cast<void>(ended);
}

}  // namespace fairlead::kube_plugin
