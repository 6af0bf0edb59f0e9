#include "link/session.h"

#include <fmt/format.h>

#include <atomic>

#include "base/log.h"

namespace fairlead::link {

std::string_view name(SessionState state) {
  switch (state) {
    case SessionState::live: return "live";
    case SessionState::suspect: return "suspect";
    case SessionState::draining: return "draining";
    case SessionState::over: return "over";
  }
  return "over";
}

std::vector<std::string> features_of(const EgressTable& egresses) {
  std::vector<std::string> features = egresses.features();
  features.emplace_back(kDatagramFeature);
  features.emplace_back(kCopyFeature);
  return features;
}

Session::Session(Loop& loop, std::unique_ptr<net::MuxConnection> carrier, std::unique_ptr<net::MuxStream> control, pki::Identity peer,
                 wire::Hello hello, std::vector<std::string> peer_features, const EgressTable& egresses, SessionOptions options)
    : loop_(loop),
      carrier_(std::move(carrier)),
      control_(std::move(control)),
      peer_(std::move(peer)),
      hello_(std::move(hello)),
      features_(peer_features.begin(), peer_features.end()),
      egresses_(egresses),
      options_(options),
      since_(loop.wall_now()),
      datagrams_(std::make_shared<FlowDatagrams>(loop, *carrier_)),
      tasks_(loop) {
  if (peer_has(kCopyFeature)) carrier_->peer_knows_copies();
  tally_->peer = peer_.node ? peer_.node->value() : "cloud";
}

Session::~Session() { datagrams_->end(Error(Code::closed, "the session is over")); }

FlowId Session::next_flow_id() {
  static std::atomic<std::uint64_t> next{1};  // one count for the process: an id in a log means one flow
  return FlowId(next.fetch_add(1, std::memory_order_relaxed));
}

SessionState Session::state() const {
  if (carrier_->close_state()) return SessionState::over;
  // Heard again, before the next look at the silence.
  if (suspect_ && loop_.now() - carrier_->last_heard() > options_.suspect_after) return SessionState::suspect;
  if (we_drain_ || peer_drains_ || retires_) return SessionState::draining;
  return SessionState::live;
}

Task<net::MuxClose> Session::run() {
  tasks_.spawn(read_control());
  tasks_.spawn(accept_flows());
  tasks_.spawn(take_datagrams());
  tasks_.spawn(watch_silence());
  net::MuxClose how = co_await carrier_->closed();
  datagrams_->end(how.to_error());
  // Flows of the peer notice by themselves, for every call on their streams fails now; what still runs is destroyed.
  tasks_.cancel_now();
  co_return how;
}

Task<FlowResult<std::unique_ptr<Flow>>> Session::open(wire::FlowOpen open) {
  switch (state()) {
    case SessionState::over: co_return link::refuse(FlowCode::link_down, fmt::format("the session with {} is over", peer_));
    case SessionState::suspect:
      co_return link::refuse(FlowCode::link_down,
                             fmt::format("{} has not been heard for {}", peer_, to_text(loop_.now() - carrier_->last_heard())));
    case SessionState::draining: co_return link::refuse(FlowCode::draining, fmt::format("{} is going away: {}", peer_, drain_reason_));
    case SessionState::live: break;
  }
  if (!peer_has("plugin/" + open.plugin))
    co_return link::refuse(FlowCode::unsupported, fmt::format("{} has no plug-in \"{}\"", peer_, open.plugin));
  if (open.datagrams && !peer_has(kDatagramFeature))
    co_return link::refuse(FlowCode::unsupported, fmt::format("{} is of a version without flows of datagrams", peer_));

  if (open.head.size() > wire::kMaxFlowHead)
    co_return link::refuse(FlowCode::protocol,
                           fmt::format("a flow's head of {} bytes: at most {} are allowed", open.head.size(), wire::kMaxFlowHead));

  const TimePoint deadline = loop_.now() + (open.remaining > 0ns ? open.remaining : options_.open_timeout);
  auto stream = co_await carrier_->open(priority_of(open.traffic_class), deadline);
  if (!stream) {
    const FlowCode code = carrier_->close_state() ? FlowCode::link_down : flow_code_of(stream.error().code());
    co_return link::refuse(code, stream.error().describe());
  }
  if (open.remaining > 0ns) open.remaining = std::max<Duration>(deadline - loop_.now(), 1ms);

  const std::vector<std::byte> frame = wire::encode(open);
  const std::uint64_t id = (*stream)->id();
  auto flow = std::make_unique<Flow>(loop_, *std::move(stream), std::move(open), next_flow_id(), tally_);
  if (flow->head().datagrams) flow->carry_datagrams(datagrams_->open(id));
  auto written = co_await flow->write_head(frame);
  if (!written) co_return link::refuse(FlowCode::link_down, written.error().describe());
  co_return flow;
}

Task<void> Session::accept_flows() {
  for (;;) {
    auto stream = co_await carrier_->accept();
    if (!stream) co_return;
    if (serving_ >= options_.flows || we_drain_) {
      // Still one answer that says why, instead of a reset that does not.
      const bool draining = we_drain_;
      Refusal refusal{draining ? FlowCode::draining : FlowCode::overloaded, Delivered::no, draining ? drain_reason_ : "too many flows"};
      tasks_.spawn(turn_away(*std::move(stream), std::move(refusal)));  // it may have to wait for memory; the next ones do not
      continue;
    }
    serving_++;
    tasks_.spawn(serve(*std::move(stream)));
  }
}

Task<void> Session::turn_away(std::unique_ptr<net::MuxStream> stream, Refusal refusal) {
  auto refusing = refuse_stream(*stream, std::move(refusal));
  co_await refusing;
}

Task<void> Session::refuse_stream(net::MuxStream& stream, Refusal refusal) {
  tally_->refused++;
  const std::vector<std::byte> frame =
      wire::encode(wire::FlowReply{.code = refusal.code, .delivered = refusal.delivered, .message = std::move(refusal.message)});
  // A fresh stream always has room for one small frame.
  auto written = co_await stream.write(frame);
  if (written) static_cast<void>(stream.shut());
}

namespace {
struct Serving {
  std::size_t& count;
  ~Serving() { count--; }
};
}  // namespace

Task<void> Session::serve(std::unique_ptr<net::MuxStream> stream) {
  Serving serving{serving_};
  auto body =
      co_await with_deadline<std::vector<std::byte>>(loop_, loop_.now() + options_.head_timeout, "read FlowOpen", read_frame(*stream));
  if (!body) {
    stream->abort(static_cast<std::uint64_t>(body.error().code() == Code::timeout ? FlowCode::deadline : FlowCode::protocol));
    co_return;
  }
  auto open = wire::decode_flow_open(*body);
  if (!open) {
    log::warn("link", "{} sent a flow that cannot be: {}", peer_, open.error());
    Refusal refusal{FlowCode::protocol, Delivered::no, open.error().describe()};
    auto refusing = refuse_stream(*stream, std::move(refusal));
    co_await refusing;
    co_return;
  }
  Egress* egress = egresses_.find(open->plugin);
  if (egress == nullptr) {
    Refusal refusal{FlowCode::unsupported, Delivered::no, fmt::format("there is no plug-in \"{}\" here", open->plugin)};
    auto refusing = refuse_stream(*stream, std::move(refusal));
    co_await refusing;
    co_return;
  }
  stream->set_priority(priority_of(open->traffic_class));
  const std::uint64_t id = stream->id();
  auto flow = std::make_unique<Flow>(loop_, std::move(stream), *std::move(open), next_flow_id(), tally_);
  if (flow->head().datagrams) flow->carry_datagrams(datagrams_->open(id));
  auto serving_it = egress->serve(std::move(flow));
  co_await serving_it;
}

Task<void> Session::take_datagrams() {
  for (;;) {
    auto datagram = co_await carrier_->receive_datagram();
    if (!datagram) co_return;
    datagrams_->take(*std::move(datagram));
  }
}

Task<void> Session::read_control() {
  for (;;) {
    auto body = co_await read_frame(*control_);
    if (!body) {
      if (!carrier_->close_state()) end(wire::SessionCode::protocol, "the control stream ended: " + body.error().describe());
      co_return;
    }
    auto control = wire::decode_control(*body);
    if (!control) {
      end(wire::SessionCode::protocol, control.error().describe());
      co_return;
    }
    switch (control->kind) {
      case wire::Control::Kind::drain:
        peer_drains_ = true;
        drain_reason_ = control->drain_reason;
        log::info("link", "{} takes no new flows: {}", peer_, drain_reason_);
        if (on_drain) on_drain();
        break;
      case wire::Control::Kind::labels:
        hello_.labels = control->labels;
        if (on_labels) on_labels(hello_.labels);
        break;
      case wire::Control::Kind::trust:
        if (on_trust_changed) on_trust_changed();
        break;
      case wire::Control::Kind::none: break;
    }
  }
}

// Silence means something only while an answer is due: an idle carrier is quiet until a keep-alive of either side asks. So it is
// counted from when the peer was heard last, or nothing was in flight, whichever is later.
Task<void> Session::watch_silence() {
  TimePoint idle = loop_.now();
  for (;;) {
    co_await loop_.sleep(options_.suspect_after / 4);
    const TimePoint now = loop_.now();
    if (carrier_->stats().bytes_in_flight == 0) idle = now;
    const Duration silence = now - std::max(carrier_->last_heard(), suspect_ ? TimePoint{} : idle);
    const bool suspect = silence > options_.suspect_after;
    if (suspect != suspect_) {
      suspect_ = suspect;
      silent_since_ = suspect ? std::optional(loop_.wall_now() - silence) : std::nullopt;
      if (suspect)
        log::warn("link", "{} has been silent for {}: new flows fail until it is heard again", peer_, to_text(silence));
      else
        log::info("link", "{} is heard again", peer_);
    }
    if (suspect && silence > options_.survive) {
      end(wire::SessionCode::ok, fmt::format("silent for {}", to_text(silence)));
      co_return;
    }
  }
}

Task<void> Session::drain(Duration limit, std::string reason) {
  if (carrier_->close_state()) co_return;
  we_drain_ = true;
  drain_reason_ = reason;
  const std::vector<std::byte> frame =
      wire::encode(wire::Control{.kind = wire::Control::Kind::drain, .drain_remaining = limit, .drain_reason = reason});
  auto written = co_await control_->write(frame);
  static_cast<void>(written);
  const TimePoint end_at = loop_.now() + limit;
  // What flows that are over had still to send is in streams. A silent peer takes none of it.
  const auto busy = [this] { return tally_->open > 0 || (!suspect_ && carrier_->stats().streams > 1); };
  while (busy() && loop_.now() < end_at && !carrier_->close_state()) {
    // Flows that we opened end without a word to us: look again now and then.
    co_await loop_.sleep(std::min<Duration>(50ms, limit));
  }
  end(wire::SessionCode::draining, reason);
}

// What the peer has opened before it heard of this is served. So a flow is over only when nothing came for a while.
Task<void> Session::retire(std::string reason) {
  constexpr Duration kLook = 100ms;
  constexpr int kQuietLooks = 20;
  retires_ = true;
  drain_reason_ = reason;
  const std::vector<std::byte> frame =
      wire::encode(wire::Control{.kind = wire::Control::Kind::drain, .drain_remaining = {}, .drain_reason = reason});
  auto written = co_await control_->write(frame);
  static_cast<void>(written);
  for (int quiet = 0; quiet < kQuietLooks && !carrier_->close_state(); quiet++) {
    if (tally_->open > 0 || serving_ > 0 || carrier_->stats().streams > 1) quiet = 0;
    co_await loop_.sleep(kLook);
  }
  end(wire::SessionCode::draining, reason);
}

void Session::tell_trust_changed() {
  if (!carrier_->close_state()) tasks_.spawn(send(wire::encode(wire::Control{.kind = wire::Control::Kind::trust})));
}

Task<void> Session::send(std::vector<std::byte> control_frame) {
  auto written = co_await control_->write(control_frame);
  static_cast<void>(written);  // a session that ends needs it no more
}

void Session::end(wire::SessionCode code, std::string reason) {
  if (carrier_->close_state()) return;
  carrier_->close(static_cast<std::uint64_t>(code), std::move(reason));
}

}  // namespace fairlead::link
