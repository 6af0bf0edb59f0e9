#include "link/edge_link.h"

#include <fmt/format.h>

#include "base/log.h"
#include "link/cloud_link.h"

namespace fairlead::link {
namespace {
constexpr Duration kRetryOverTcp = 3s;  // bound of the wait between tries of QUIC while there is another way

class Counted {
 public:
  explicit Counted(int& count) : count_(count) { count_++; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { count_--; }

 private:
  int& count_;
};

}  // namespace

std::string_view name(EdgeState state) {
  switch (state) {
    case EdgeState::dialling: return "dialling";
    case EdgeState::connected: return "connected";
    case EdgeState::suspect: return "suspect";
    case EdgeState::waiting: return "waiting";
    case EdgeState::stopped: return "stopped";
  }
  return "stopped";
}

EdgeLink::EdgeLink(Loop& loop, net::Network& network, MakeEndpoint make_endpoint, const Trust& trust, const EgressTable& egresses,
                   Options options)
    : loop_(loop),
      network_(network),
      make_endpoint_(std::move(make_endpoint)),
      trust_(trust),
      egresses_(egresses),
      options_(std::move(options)),
      changed_(loop),
      paths_(loop, network, options_.paths) {
  status_.cloud = options_.cloud.to_text();
  status_.since = loop_.wall_now();
}

EdgeLink::~EdgeLink() { tasks_.cancel_now(); }

void EdgeLink::set_fallback(h2::Endpoint& endpoint, FallbackOptions options) {
  if (options.mode == FallbackMode::off) return;
  fallback_ = std::make_unique<Fallback>(Fallback::Ground{.loop = loop_,
                                                          .network = network_,
                                                          .endpoint = endpoint,
                                                          .trust = trust_,
                                                          .cloud = options_.cloud,
                                                          .alpn = std::string(CloudLink::kAlpn),
                                                          .greet = [this](auto carrier) { return greet(std::move(carrier)); },
                                                          .quic = [this] { return session_; },
                                                          .changed = [this] { changed_.wake_all(); }},
                                         std::move(options));
}

// While there is another way, QUIC's is tried more often, and given up sooner.
Duration EdgeLink::connect_timeout() const {
  constexpr Duration kWhileOverTcp = 4s;
  return fallback_ && fallback_->any() ? std::min(options_.connect_timeout, kWhileOverTcp) : options_.connect_timeout;
}

std::shared_ptr<Session> EdgeLink::session() const {
  const std::shared_ptr<Session> other = fallback_ ? fallback_->session() : nullptr;
  const bool good = session_ && session_->state() == SessionState::live && !(fallback_ && fallback_->quic_is_silent());
  if (good || !other) return session_;
  return other->state() == SessionState::live || !session_ ? other : session_;
}

void EdgeLink::set_state(EdgeState state) {
  if (status_.state != state) status_.since = loop_.wall_now();
  status_.state = state;
}

Task<void> EdgeLink::run() {
  if (fallback_) tasks_.spawn(fallback_->run());
  if (fallback_ && fallback_->only()) {
    while (!stopped_) co_await changed_.wait();
    set_state(EdgeState::stopped);
    co_return;
  }
  Duration bound = options_.retry_first;
  while (!stopped_) {
    set_state(EdgeState::dialling);
    status_.attempts++;
    was_connected_ = false;
    lasted_ = {};
    Error why = co_await attempt();
    if (stopped_) break;
    // The same reason again and again is said once: an edge may try for days.
    if (std::string text = why.describe(); text != status_.last_error || was_connected_) {
      log::warn("link", "{} the cloud at {}: {}", was_connected_ ? "lost" : "cannot reach", status_.cloud, text);
      status_.last_error = std::move(text);
    }
    if (was_connected_) status_.attempts = 0;
    // A session that is ended at once again (by a twin that has the same name, by a cloud that is no good) is no reason to hurry.
    if (lasted_ >= options_.retry_cap) bound = options_.retry_first;
    set_state(EdgeState::waiting);
    const auto wait = Duration(static_cast<Duration::rep>(loop_.random().unit() * static_cast<double>(bound.count())));
    bound = std::min(bound * 2, fallback_ && fallback_->any() ? kRetryOverTcp : options_.retry_cap);
    const bool news = co_await paths_.pause(wait);
    if (news) bound = options_.retry_first;
  }
  set_state(EdgeState::stopped);
  changed_.wake_all();
}

Task<Error> EdgeLink::attempt() {
  auto addresses = co_await network_.resolve(options_.cloud.host);
  if (!addresses) co_return addresses.error();

  Error last(Code::unreachable, "no address was tried");
  for (const net::IpAddress& ip : *addresses) {
    if (stopped_) break;
    const net::SocketAddress to{ip, options_.cloud.port};
    status_.address = to;
    paths_.release();
    auto ready = co_await paths_.prepare(to);
    if (!ready) {
      last = ready.error();
      continue;
    }
    auto endpoint = make_endpoint_(to);
    if (!endpoint) {
      last = endpoint.error();
      continue;
    }
    endpoint_ = *std::move(endpoint);
    paths_.use(*endpoint_);
    quic::Endpoint::ClientOptions options;
    options.tls.credentials = trust_.credentials();
    options.tls.alpn = std::string(CloudLink::kAlpn);
    if (!net::IpAddress::parse(options_.cloud.host)) options.tls.server_name = options_.cloud.host;
    if (std::exchange(resumed_as_, options.tls.credentials) != options.tls.credentials) resumption_.reset();
    if (resumption_) options.resumption = &*resumption_;
    options.on_resumption = [this](const quic::Resumption& resumption) { resumption_ = resumption; };
    auto carrier = co_await with_deadline<std::unique_ptr<net::MuxConnection>>(loop_, loop_.now() + connect_timeout(), "connect",
                                                                               endpoint_->connect(to, std::move(options)));
    if (!carrier) {
      // What cannot be resumed is dialled from nothing the next time.
      resumption_.reset();
      last = Error::wrap(fmt::format("dial {}", to), carrier.error());
      continue;
    }
    auto session = co_await greet(*std::move(carrier));
    if (!session) {
      resumption_.reset();
      last = Error::wrap(fmt::format("greet {}", to), session.error());
      continue;
    }
    if (stopped_) {  // meanwhile
      (*session)->end(wire::SessionCode::draining, "the edge is going away");
      break;
    }
    was_connected_ = true;
    session_ = *session;
    const TimePoint begun = loop_.now();
    set_state(EdgeState::connected);
    changed_.wake_all();
    log::info("link", "connected to the cloud at {} ({})", status_.cloud, to);
    paths_.watch(&session_->carrier());
    net::MuxClose how = co_await session_->run();
    paths_.watch(nullptr);
    lasted_ = loop_.now() - begun;
    ended_.add(session_->tally(), session_->carrier().stats());
    ended_.flows_open = 0;
    session_.reset();
    co_return how.to_error();
  }
  co_return last;
}

namespace {

Task<Result<wire::HelloReply>> exchange_hello(net::MuxStream& control, wire::Hello hello) {
  const std::vector<std::byte> frame = wire::encode(hello);
  auto written = co_await control.write(frame);
  if (!written) co_return std::unexpected(written.error());
  auto body = co_await read_frame(control);
  if (!body) co_return std::unexpected(body.error());
  co_return wire::decode_hello_reply(*body);
}

// The cloud's own words about why it closed say more than our failed read.
Error better_reason(const net::MuxConnection& carrier, Error error) {
  return carrier.close_state() ? carrier.close_state()->to_error() : std::move(error);
}

}  // namespace

Task<Result<std::shared_ptr<Session>>> EdgeLink::greet(std::unique_ptr<net::MuxConnection> carrier) {
  const std::vector<std::vector<std::byte>> chain = carrier->peer_chain();
  const std::vector<Bytes> views(chain.begin(), chain.end());
  auto peer =
      pki::check_peer(views, trust_.credentials()->trust(), pki::ExpectCloud{options_.cloud.host}, *trust_.revoked(), loop_.wall_now());
  if (!peer) {
    carrier->refuse(peer.error().alert(), peer.error().close_text());
    co_return std::unexpected(peer.error().error());
  }
  const TimePoint deadline = loop_.now() + options_.session.hello_timeout;
  auto control = co_await carrier->open(net::Priority::control, deadline);
  if (!control) co_return std::unexpected(better_reason(*carrier, control.error()));
  std::vector<std::string> features = features_of(egresses_);
  if (session_ || greeting_ > 0 || (fallback_ && fallback_->any())) features.emplace_back(kBesideFeature);
  const Counted counted(greeting_);
  wire::Hello hello{.features = std::move(features),
                    .node = options_.node.value(),
                    .boot_id = options_.boot,
                    .labels = options_.labels,
                    .unix_ms = std::chrono::duration_cast<std::chrono::milliseconds>(loop_.wall_now().time_since_epoch()).count(),
                    .software = options_.software};
  auto reply = co_await with_deadline<wire::HelloReply>(loop_, deadline, "wait for HelloReply", exchange_hello(**control, hello));
  if (!reply) co_return std::unexpected(better_reason(*carrier, reply.error()));
  if (reply->code != wire::SessionCode::ok) {
    carrier->close(0, "refused");
    co_return fail(reply->code == wire::SessionCode::identity ? Code::unauthenticated : Code::refused,
                   "the cloud refused the session ({}): {}", name(reply->code), reply->message);
  }
  if (reply->version < wire::kVersionMin || reply->version > wire::kVersionMax) {
    carrier->close(static_cast<std::uint64_t>(wire::SessionCode::version), "no common version");
    co_return fail(Code::unsupported, "the cloud chose version {} of the protocol, which this edge does not speak", reply->version);
  }
  hello.software = reply->software;
  auto session = std::make_shared<Session>(loop_, std::move(carrier), *std::move(control), *std::move(peer), std::move(hello),
                                           std::move(reply->features), egresses_, options_.session);
  session->on_trust_changed = [this] {
    if (options_.on_trust_changed) options_.on_trust_changed();
  };
  co_return session;
}

Task<void> EdgeLink::drain(Duration limit, std::string reason) {
  stopped_ = true;
  const std::shared_ptr<Session> held = session_;
  Scope drains(loop_);
  if (held) drains.spawn(held->drain(limit, reason));
  if (fallback_) drains.spawn(fallback_->drain(limit, reason));
  co_await drains.done();
  changed_.wake_all();
}

Task<void> EdgeLink::connected() {
  while (!session() && status_.state != EdgeState::stopped) co_await changed_.wait();
}

EdgeStatus EdgeLink::status() const {
  EdgeStatus status = status_;
  status.paths = paths_.status();
  if (fallback_) (fallback_->only() ? status.last_error : status.last_fallback_error) = fallback_->last_error();
  if (const std::shared_ptr<Session> session = this->session()) {
    status.state = session->state() == SessionState::suspect ? EdgeState::suspect : EdgeState::connected;
    status.silent_since = session->silent_since();
    if (session != session_) status.since = session->since();
    status.address = session->carrier().peer();
    status.carrier = session->carrier().stats();
    status.transport = session->carrier().transport();
    status.flows = session->tally();
  }
  return status;
}

LinkTotals EdgeLink::totals() const {
  LinkTotals all = ended_;
  if (session_) {
    all.add(session_->tally(), session_->carrier().stats());
    all.sessions = 1;
    all.suspect = session_->state() == SessionState::suspect ? 1 : 0;
  }
  if (fallback_) all.add(fallback_->totals());
  return all;
}

void EdgeLink::check_session() {
  if (fallback_) fallback_->check_sessions();
  if (!session_) return;
  if (std::optional<pki::Refusal> refusal = pki::refuse_if_ended(session_->peer(), *trust_.revoked(), loop_.wall_now()))
    session_->carrier().refuse(refusal->alert(), refusal->close_text());
}

Result<void> EdgeLink::cloud_has_renewed(pki::PeerCertificateChain chain) {
  auto peer =
      pki::check_peer(chain, trust_.credentials()->trust(), pki::ExpectCloud{options_.cloud.host}, *trust_.revoked(), loop_.wall_now());
  if (!peer) return std::unexpected(peer.error().error());
  if (session_) session_->renewed(*peer);
  if (fallback_) fallback_->renewed(*peer);
  return {};
}

std::optional<LoopIndex> EdgeLink::home(const Destination& to) const {
  return to.node || !session() ? std::nullopt : std::optional(LoopIndex(0));
}

Task<FlowResult<std::unique_ptr<Flow>>> EdgeLink::open(Destination to, wire::FlowOpen open) {
  if (to.node) co_return refuse(FlowCode::no_route, fmt::format("this edge reaches the cloud, not node {}", *to.node));
  std::shared_ptr<Session> session = this->session();
  if (!session) co_return refuse(FlowCode::link_down, fmt::format("not connected to the cloud: {}", status().last_error));
  auto flow = co_await session->open(std::move(open));
  co_return flow;
}

}  // namespace fairlead::link
