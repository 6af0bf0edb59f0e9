#include "link/fallback.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "h2/endpoint.h"

namespace fairlead::link {
namespace {

constexpr Duration kLook = 100ms;
constexpr Duration kAskAgain = 1s;  // while there is no answer

}  // namespace

Fallback::Fallback(Ground ground, FallbackOptions options)
    : ground_(std::move(ground)),
      options_(std::move(options)),
      bound_(options_.retry_first),
      without_quic_since_(ground_.loop.now()),
      tasks_(ground_.loop) {}

Fallback::~Fallback() { tasks_.cancel_now(); }

Task<void> Fallback::run() {
  if (options_.mode == FallbackMode::off) co_return;
  without_quic_since_ = ground_.loop.now();
  if (options_.mode == FallbackMode::automatic) tasks_.spawn(watch());
  while (!draining_) {
    if (is_steady()) {
      bound_ = options_.retry_first;
      must_wait_ = false;
      if (session_) {
        log::info("link", "QUIC is back: new flows take it, those over TCP run to their end");
        tasks_.spawn(retire(std::exchange(session_, nullptr)));
      }
    }
    // TCP waits ever longer before it tries again what was lost in an outage: a new connection finds sooner that the link is back.
    const bool good = session_ && session_->state() != SessionState::suspect;
    if (good || !is_needed()) {
      co_await ground_.loop.sleep(kLook);
      continue;
    }
    if (std::exchange(must_wait_, false)) {
      const auto wait = Duration(static_cast<Duration::rep>(ground_.loop.random().unit() * static_cast<double>(bound_.count())));
      bound_ = std::min(bound_ * 2, options_.retry_cap);
      co_await ground_.loop.sleep(wait);
      continue;
    }
    auto session = co_await dial();
    if (session) {
      if (draining_) {
        (*session)->end(wire::SessionCode::draining, "the edge is going away");
        break;
      }
      last_error_.clear();
      log::info("link", "connected to the cloud at {} over TCP{}: {}", ground_.cloud.to_text(),
                options_.proxy ? fmt::format(" by the proxy {}", options_.proxy->at.to_text()) : "",
                options_.mode == FallbackMode::only ? "UDP is not to be used"
                : silent_                           ? "QUIC is silent"
                                                    : "QUIC does not get through");
      quic_was_there_ = silent_;
      if (session_) tasks_.spawn(retire(std::exchange(session_, nullptr)));
      session_ = *session;
      held_.push_back(*session);
      ended_.fallbacks++;
      ground_.changed();
      tasks_.spawn(hold(*std::move(session)));
      continue;
    }
    if (session.error().code() == Code::cancelled) continue;
    if (std::string text = session.error().describe(); text != last_error_) {
      log::warn("link", "cannot reach the cloud at {} over TCP either: {}", ground_.cloud.to_text(), text);
      last_error_ = std::move(text);
    }
    must_wait_ = true;
  }
}

Task<void> Fallback::watch() {
  for (;;) {
    look();
    co_await ground_.loop.sleep(kLook);
  }
}

// What QUIC is doing. An idle link says nothing until a keep-alive asks; one that is in use is asked here.
void Fallback::look() {
  const TimePoint now = ground_.loop.now();
  const std::shared_ptr<Session> quic = ground_.quic();
  if (!quic || quic->state() == SessionState::over) {
    asked_.reset();
    heard_since_.reset();
    silent_ = false;
    return;
  }
  without_quic_since_ = now;
  quic_was_there_ = true;
  net::MuxConnection& carrier = quic->carrier();
  const TimePoint heard = carrier.last_heard();
  if (const FlowTally& flows = quic->tally(); flows.opened != flows_seen_ || flows.open > 0) {
    flows_seen_ = flows.opened;
    used_ = now;
  }
  if (asked_ && heard >= *asked_) {
    asked_.reset();
    silent_ = false;
  }
  const net::MuxStats stats = carrier.stats();
  if (!asked_) {
    const bool in_use = now - used_ < options_.active || session_ != nullptr;
    const bool quiet = in_use && now - heard >= options_.quiet;
    if (quiet) carrier.ping();
    if (quiet || stats.bytes_in_flight > 0) asked_ = now;
  } else if (now - *asked_ >= std::max(options_.silence, 3 * stats.rtt)) {
    silent_ = true;
    if ((now - *asked_) % kAskAgain < kLook) carrier.ping();
  }
  if (silent_) {
    heard_since_.reset();
  } else if (!heard_since_) {
    heard_since_ = now;
  }
}

bool Fallback::is_needed() const {
  const Duration head_start = quic_was_there_ ? 4 * options_.head_start : options_.head_start;
  return options_.mode == FallbackMode::only || silent_ || ground_.loop.now() - without_quic_since_ >= head_start;
}

bool Fallback::is_steady() const {
  return options_.mode != FallbackMode::only && heard_since_ && ground_.loop.now() - *heard_since_ >= options_.steady;
}

Task<Result<std::shared_ptr<Session>>> Fallback::dial() {
  const net::HostPort to = options_.proxy ? options_.proxy->at : ground_.cloud;
  auto addresses = co_await ground_.network.resolve(to.host);
  if (!addresses) co_return std::unexpected(addresses.error());
  Error last(Code::unreachable, "no address was tried");
  for (const net::IpAddress& ip : *addresses) {
    const net::SocketAddress at{ip, to.port};
    const TimePoint deadline = ground_.loop.now() + options_.connect_timeout;
    auto connecting = ground_.network.connect(at);
    auto transport = co_await with_deadline<std::unique_ptr<net::Stream>>(ground_.loop, deadline, "connect", std::move(connecting));
    if (!transport) {
      last = Error::wrap(fmt::format("dial {} over TCP", at), transport.error());
      continue;
    }
    if (options_.proxy) {
      auto asking = ask_proxy(**transport, *options_.proxy, ground_.cloud);
      auto way = co_await with_deadline<bool>(ground_.loop, deadline, "ask the proxy", std::move(asking));
      if (!way) {
        last = Error::wrap(fmt::format("the proxy {}", to.to_text()), way.error());
        continue;
      }
    }
    h2::Endpoint::ClientOptions options{ground_.trust.credentials(), ground_.alpn,
                                        net::IpAddress::parse(ground_.cloud.host) ? std::string() : ground_.cloud.host};
    auto shaking = ground_.endpoint.connect(*std::move(transport), std::move(options));
    auto carrier = co_await with_deadline<std::unique_ptr<net::MuxConnection>>(ground_.loop, deadline, "TLS handshake", std::move(shaking));
    if (!carrier) {
      last = Error::wrap(fmt::format("dial {} over TCP", at), carrier.error());
      continue;
    }
    if (!is_needed()) co_return fail(Code::cancelled, "QUIC was there first");
    auto greeting = ground_.greet(*std::move(carrier));
    auto session = co_await greeting;
    if (session) co_return *std::move(session);
    last = Error::wrap(fmt::format("greet {} over TCP", at), session.error());
  }
  co_return std::unexpected(last);
}

Task<void> Fallback::hold(std::shared_ptr<Session> session) {
  const TimePoint begun = ground_.loop.now();
  net::MuxClose how = co_await session->run();
  if (ground_.loop.now() - begun >= options_.retry_cap) bound_ = options_.retry_first;
  ended_.add(session->tally(), session->carrier().stats());
  ended_.flows_open = 0;
  std::erase(held_, session);
  if (session_ != session) co_return;
  session_.reset();
  must_wait_ = true;
  last_error_ = how.to_error().describe();
  log::warn("link", "lost the cloud at {} over TCP: {}", ground_.cloud.to_text(), last_error_);
  ground_.changed();
}

Task<void> Fallback::retire(std::shared_ptr<Session> session) {
  ground_.changed();
  auto retiring = session->retire("another carrier has taken over");
  co_await retiring;
}

Task<void> Fallback::drain(Duration limit, std::string reason) {
  draining_ = true;
  const std::vector<std::shared_ptr<Session>> held = held_;
  Scope drains(ground_.loop);
  for (const std::shared_ptr<Session>& session : held) drains.spawn(session->drain(limit, reason));
  co_await drains.done();
}

LinkTotals Fallback::totals() const {
  LinkTotals all = ended_;
  for (const std::shared_ptr<Session>& session : held_) {
    all.add(session->tally(), session->carrier().stats());
    all.sessions++;
    all.over_tcp++;
  }
  return all;
}

void Fallback::renewed(const pki::Identity& peer) {
  for (const std::shared_ptr<Session>& session : held_) session->renewed(peer);
}

void Fallback::check_sessions() {
  for (const std::shared_ptr<Session>& session : held_)
    if (std::optional<pki::Refusal> refusal = pki::refuse_if_ended(session->peer(), *ground_.trust.revoked(), ground_.loop.wall_now()))
      session->carrier().refuse(refusal->alert(), refusal->close_text());
}

}  // namespace fairlead::link
