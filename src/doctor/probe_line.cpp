#include "doctor/probe_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "link/session.h"
#include "pki/random.h"
#include "quic/probing.h"
#include "runtime/timer.h"

namespace fairlead::doctor {
namespace {

// Enough for the windows of one fast stream.
constexpr std::size_t kMemory = 64_MiB;
// After the last echo: so long for stragglers.
constexpr Duration kStragglers = 1s;
// A NAT that has seen traffic both ways for this long takes it for a conversation (Linux: 2 s).
constexpr std::uint32_t kWarmUp = 12;
constexpr Duration kWarmUpStep = 250ms;

bool is_of_time(pki::RefusalReason reason) { return reason == pki::RefusalReason::expired || reason == pki::RefusalReason::not_yet_valid; }

std::unexpected<ProbeFailure> failed(Error error) { return std::unexpected(ProbeFailure{.error = std::move(error)}); }

// The cloud may have said why.
ProbeFailure failure_of(const net::MuxConnection& connection, Error error) {
  constexpr std::uint64_t kCryptoError = 0x100;  // RFC 9001, 4.8
  const std::optional<net::MuxClose>& close = connection.close_state();
  if (!close) return {.error = std::move(error)};
  ProbeFailure failure{.error = close->to_error()};
  if (close->by_peer && !close->application && close->code >= kCryptoError && close->code < kCryptoError + 0x100)
    failure.theirs = pki::Refusal::from_close(static_cast<std::uint8_t>(close->code - kCryptoError), close->reason);
  return failure;
}

}  // namespace

ProbeLine::ProbeLine(Loop& loop, ProbeAsk ask) : loop_(loop), ask_(std::move(ask)), memory_(kMemory, kMemory / 8) {}
ProbeLine::~ProbeLine() = default;

Task<std::expected<std::unique_ptr<ProbeLine>, ProbeFailure>> ProbeLine::dial(net::Network& network, net::SocketAddress to, ProbeAsk ask) {
  Loop& loop = network.loop();
  std::unique_ptr<ProbeLine> line(new ProbeLine(loop, std::move(ask)));
  const net::SocketAddress any{to.ip.is_v4() ? net::IpAddress() : net::IpAddress::v6({}), 0};
  auto socket = network.bind(any, {});
  if (!socket) co_return failed(socket.error());
  quic::EndpointSecrets secrets;
  pki::random_bytes(secrets.token);
  pki::random_bytes(secrets.reset);
  pki::random_bytes(secrets.ticket);
  quic::EndpointSettings settings;
  settings.engine.chance = loop.random().next();
  line->endpoint_ = std::make_unique<quic::Endpoint>(loop, *std::move(socket), settings, secrets, line->memory_, kMemory);
  quic::Endpoint::ClientOptions options;
  options.tls.credentials = line->ask_.credentials;
  options.tls.alpn = std::string(kProbeAlpn);
  options.tls.server_name = line->server_name();
  auto connection = co_await with_deadline<std::unique_ptr<net::MuxConnection>>(loop, loop.now() + line->ask_.patience, "shake hands",
                                                                                line->endpoint_->connect(to, std::move(options)));
  if (!connection) co_return failed(Error::wrap(fmt::format("dial {}", to), connection.error()));
  line->connection_ = *std::move(connection);
  auto greeting = greet(std::move(line));
  Dialled dialled = co_await greeting;
  co_return dialled;
}

Task<ProbeLine::Dialled> ProbeLine::dial_tcp(net::Network& network, net::SocketAddress to, ProbeAsk ask) {
  Loop& loop = network.loop();
  std::unique_ptr<ProbeLine> line(new ProbeLine(loop, std::move(ask)));
  const TimePoint deadline = loop.now() + line->ask_.patience;
  auto stream = co_await with_deadline<std::unique_ptr<net::Stream>>(loop, deadline, "connect", network.connect(to));
  if (!stream) co_return failed(Error::wrap(fmt::format("dial {} over TCP", to), stream.error()));
  line->tcp_ = std::make_unique<h2::Endpoint>(loop, network, h2::EndpointSettings(), line->memory_, kMemory);
  h2::Endpoint::ClientOptions options{line->ask_.credentials, std::string(kProbeAlpn), line->server_name()};
  auto connection = co_await with_deadline<std::unique_ptr<net::MuxConnection>>(
      loop, deadline, "shake hands", line->tcp_->connect(*std::move(stream), std::move(options)));
  if (!connection) co_return failed(Error::wrap(fmt::format("dial {} over TCP", to), connection.error()));
  line->connection_ = *std::move(connection);
  auto greeting = greet(std::move(line));
  Dialled dialled = co_await greeting;
  co_return dialled;
}

std::string ProbeLine::server_name() const { return net::IpAddress::parse(ask_.cloud.host) ? std::string() : ask_.cloud.host; }

Task<ProbeLine::Dialled> ProbeLine::greet(std::unique_ptr<ProbeLine> line) {
  Loop& loop = line->loop_;
  const std::vector<std::vector<std::byte>> chain = line->connection_->peer_chain();
  const std::vector<Bytes> views(chain.begin(), chain.end());
  auto peer = pki::check_peer(views, line->ask_.credentials->trust(), pki::ExpectCloud{line->ask_.cloud.host}, pki::RevocationList(),
                              loop.wall_now());
  if (!peer && is_of_time(peer.error().reason)) {
    line->wrong_time_ = peer.error();
  } else if (!peer) {
    line->connection_->refuse(peer.error().alert(), peer.error().close_text());
    co_await loop.yield();  // so that it leaves
    co_return std::unexpected(ProbeFailure{.error = peer.error().error(), .ours = peer.error()});
  }
  co_return std::move(line);
}

std::size_t ProbeLine::udp_payload() const {
  const std::size_t most = connection_->max_datagram();
  return most == 0 ? 0 : most + quic::kDatagramOverhead;
}

Task<Result<std::unique_ptr<net::MuxStream>>> ProbeLine::ask_for(ProbeRequest request, ProbeAnswer& answer) {
  auto stream = co_await connection_->open(net::Priority::management, loop_.now() + ask_.patience);
  if (!stream) co_return std::unexpected(stream.error());
  const std::vector<std::byte> frame = encode(request);
  auto written = co_await (*stream)->write(frame);
  if (!written) co_return std::unexpected(written.error());
  auto body = co_await with_deadline<std::vector<std::byte>>(loop_, loop_.now() + ask_.patience, "wait for the cloud's answer",
                                                             link::read_frame(**stream));
  if (!body) co_return std::unexpected(body.error());
  CO_TRY_ASSIGN(answer, decode_probe_answer(*body));
  if (answer.code != ProbeCode::ok) co_return fail(Code::overloaded, "the cloud does not measure now: {}", answer.sentence);
  co_return *std::move(stream);
}

Task<std::expected<ProbeAnswer, ProbeFailure>> ProbeLine::where() {
  ProbeAnswer answer;
  const ProbeRequest request{.kind = ProbeKind::where};
  auto stream = co_await ask_for(request, answer);
  if (!stream) co_return std::unexpected(failure_of(*connection_, stream.error()));
  static_cast<void>((*stream)->shut());
  co_return answer;
}

Task<void> ProbeLine::listen(Echoes& into) {
  for (;;) {
    auto bytes = co_await connection_->receive_datagram();
    if (!bytes) co_return;
    const auto datagram = decode_probe_datagram(*bytes);
    if (!datagram || datagram->kind != ProbeDatagram::Kind::echoed) continue;
    const TimePoint sent{Duration(static_cast<Duration::rep>(datagram->sent_ns))};
    if (sent > loop_.now()) continue;
    into.back++;
    into.rtts.push_back(loop_.now() - sent);
  }
}

Task<Result<Echoes>> ProbeLine::echoes(std::uint32_t count, Duration step) {
  auto before = co_await where();
  if (!before) co_return std::unexpected(before.error().error);
  Echoes echoes;
  {
    Scope listening(loop_);
    listening.spawn(listen(echoes));
    for (std::uint32_t i = 0; i < count && !connection_->close_state(); i++) {
      const std::vector<std::byte> echo =
          encode(ProbeDatagram{.kind = ProbeDatagram::Kind::echo,
                               .number = next_++,
                               .sent_ns = static_cast<std::uint64_t>(loop_.now().time_since_epoch().count())});
      if (connection_->send_datagram(echo, net::Priority::interactive)) echoes.sent++;
      co_await loop_.sleep(step);
    }
    co_await loop_.sleep(std::max<Duration>(kStragglers, 2 * connection_->stats().rtt));
  }
  auto after = co_await where();
  if (!after) co_return std::unexpected(after.error().error);
  echoes.there = std::min(echoes.sent, after->datagrams - std::min(after->datagrams, before->datagrams));
  echoes.back = std::min(echoes.back, echoes.there);  // without duplicates
  co_return echoes;
}

Task<Result<Transferred>> ProbeLine::down(std::uint64_t bytes, Duration time) {
  ProbeAnswer answer;
  const ProbeRequest request{.kind = ProbeKind::source, .bytes = bytes, .time = time};
  auto stream = co_await ask_for(request, answer);
  if (!stream) co_return std::unexpected(stream.error());
  Rate rate;
  const TimePoint end = loop_.now() + time;
  while (loop_.now() < end) {
    auto got = co_await with_deadline<Bytes>(loop_, end, "wait for more", (*stream)->peek());
    if (!got && got.error().code() != Code::timeout) co_return std::unexpected(got.error());
    if (!got || got->empty()) break;
    rate.add(loop_.now(), got->size());
    (*stream)->consume(got->size());
  }
  (*stream)->abort(0);  // what is still under way is of no use
  co_return Transferred{rate.total(), rate.steady()};
}

Task<void> ProbeLine::pour(net::MuxStream& stream, std::uint64_t bytes) {
  static const std::vector<std::byte> noise = [] {
    std::vector<std::byte> made(64_KiB);
    pki::random_bytes(made);
    return made;
  }();
  while (bytes > 0) {
    auto room = co_await stream.prepare();
    if (!room) co_return;
    const std::size_t n = std::min({room->size(), noise.size(), static_cast<std::size_t>(bytes)});
    std::memcpy(room->data(), noise.data(), n);
    stream.commit(n);
    bytes -= n;
  }
  static_cast<void>(stream.shut());
}

Task<Result<Transferred>> ProbeLine::up(std::uint64_t bytes, Duration time) {
  ProbeAnswer head;
  const ProbeRequest request{.kind = ProbeKind::sink, .bytes = bytes, .time = time};
  auto stream = co_await ask_for(request, head);
  if (!stream) co_return std::unexpected(stream.error());
  (*stream)->set_priority(kTransferPriority);
  Scope pouring(loop_);
  pouring.spawn(pour(**stream, std::min(bytes, head.bytes)));
  auto body = co_await with_deadline<std::vector<std::byte>>(loop_, loop_.now() + time + ask_.patience, "wait for what has come",
                                                             link::read_frame(**stream));
  if (!body) co_return std::unexpected(body.error());
  CO_TRY_ASSIGN(const ProbeAnswer tail, decode_probe_answer(*body));
  pouring.cancel_now();
  (*stream)->abort(0);
  co_return Transferred{tail.bytes, {tail.bytes, tail.time}};
}

Task<Result<bool>> ProbeLine::until_woken() {
  for (;;) {
    auto bytes = co_await connection_->receive_datagram();
    if (!bytes) co_return std::unexpected(bytes.error());
    const auto datagram = decode_probe_datagram(*bytes);
    if (datagram && datagram->kind == ProbeDatagram::Kind::wake) co_return true;
  }
}

Task<Result<bool>> ProbeLine::hears_after(Duration silence) {
  auto warm = co_await echoes(kWarmUp, kWarmUpStep);
  if (!warm) co_return std::unexpected(warm.error());
  ProbeAnswer answer;
  {
    const ProbeRequest request{.kind = ProbeKind::wake, .time = silence};
    auto stream = co_await ask_for(request, answer);
    if (!stream) co_return std::unexpected(stream.error());
    static_cast<void>((*stream)->shut());
    auto end = co_await with_deadline<Bytes>(loop_, loop_.now() + ask_.patience, "wait for the end", (*stream)->peek());
    if (!end) co_return std::unexpected(end.error());
  }
  // Three times with 100 ms between, and the way.
  const TimePoint late = loop_.now() + silence + 1s + 2 * connection_->stats().rtt;
  auto woken = co_await with_deadline<bool>(loop_, late, "wait for the cloud's call", until_woken());
  if (woken) co_return true;
  if (woken.error().code() == Code::timeout && !connection_->close_state()) co_return false;
  co_return std::unexpected(woken.error());
}

}  // namespace fairlead::doctor
