#include "doctor/probe_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/log.h"
#include "doctor/rate.h"
#include "link/session.h"
#include "pki/identity.h"
#include "quic/probing.h"
#include "runtime/timer.h"

namespace fairlead::doctor {
namespace {

constexpr Duration kRequestTimeout = 10s;
// A wake-up that is lost must not look like a NAT that has forgotten.
constexpr std::uint32_t kWakes = 3;
constexpr Duration kWakeStep = 100ms;

// What cannot be made smaller by anybody on the way.
const std::array<std::byte, 64_KiB>& noise() {
  static const std::array<std::byte, 64_KiB> bytes = [] {
    std::array<std::byte, 64_KiB> made;
    pki::random_bytes(made);
    return made;
  }();
  return bytes;
}

}  // namespace

struct ProbeServer::Guest {
  net::MuxConnection& connection;
  const NodeName& node;
  std::uint64_t datagrams = 0;
};

ProbeServer::ProbeServer(Loop& loop, const link::Trust& trust, ProbeQuota& quota, Options options)
    : loop_(loop), trust_(trust), quota_(quota), options_(std::move(options)), tasks_(loop) {}

bool ProbeServer::take(std::unique_ptr<net::MuxConnection>& connection) {
  if (connection->alpn() != kProbeAlpn) return false;
  const std::vector<std::vector<std::byte>> chain = connection->peer_chain();
  const std::vector<Bytes> views(chain.begin(), chain.end());
  auto peer = pki::check_peer(views, trust_.credentials()->trust(), pki::ExpectEdge{}, *trust_.revoked(), loop_.wall_now());
  if (!peer) {
    counters_.refused++;
    log::info("doctor", "refused {} that wanted to measure its way: {}", connection->peer(), peer.error().message);
    connection->refuse(peer.error().alert(), peer.error().close_text());
  } else if (!quota_.enter(*peer->node, loop_.now())) {
    counters_.limited++;
    connection->close(static_cast<std::uint64_t>(ProbeCode::busy), "too many measurements at this moment");
  } else {
    counters_.served++;
    tasks_.spawn(serve(std::move(connection), *std::move(peer->node)));
  }
  connection.reset();
  return true;
}

Task<void> ProbeServer::serve(std::unique_ptr<net::MuxConnection> connection, NodeName node) {
  struct Place {
    ProbeServer& server;
    const NodeName& node;
    ~Place() { server.quota_.leave(node, server.loop_.now()); }
  } place{*this, node};
  Guest guest{.connection = *connection, .node = node};
  Timer age(loop_, [&guest] { guest.connection.close(static_cast<std::uint64_t>(ProbeCode::busy), "measured for long enough"); });
  age.arm(loop_.now() + options_.age);
  log::debug("doctor", "node {} measures its way from {}", node, connection->peer());
  Scope work(loop_);
  work.spawn(echo(guest));
  for (;;) {
    auto stream = co_await connection->accept();
    if (!stream) co_return;
    if (work.size() > options_.streams)
      (*stream)->abort(static_cast<std::uint64_t>(ProbeCode::busy));
    else
      work.spawn(answer(guest, *std::move(stream)));
  }
}

Task<void> ProbeServer::echo(Guest& guest) {
  for (;;) {
    auto bytes = co_await guest.connection.receive_datagram();
    if (!bytes) co_return;
    auto datagram = decode_probe_datagram(*bytes);
    if (!datagram || datagram->kind != ProbeDatagram::Kind::echo) continue;
    datagram->kind = ProbeDatagram::Kind::echoed;
    datagram->come = static_cast<std::uint32_t>(++guest.datagrams);
    const std::vector<std::byte> reply = encode(*datagram);
    guest.connection.send_datagram(reply, net::Priority::interactive);
  }
}

Task<Result<void>> ProbeServer::say(Guest& guest, net::MuxStream& stream, ProbeAnswer answer) {
  answer.clock = loop_.wall_now();
  answer.address = guest.connection.peer().to_text();
  answer.datagrams = guest.datagrams;
  const std::size_t most = guest.connection.max_datagram();
  answer.udp_payload = most == 0 || guest.connection.transport() != "quic" ? 0 : most + quic::kDatagramOverhead;
  answer.software = options_.software;
  const std::vector<std::byte> frame = encode(answer);
  auto written = co_await stream.write(frame);
  co_return written;
}

Task<void> ProbeServer::answer(Guest& guest, std::unique_ptr<net::MuxStream> stream) {
  auto body = co_await with_deadline<std::vector<std::byte>>(loop_, loop_.now() + kRequestTimeout, "wait for a ProbeRequest",
                                                             link::read_frame(*stream));
  if (!body) co_return;
  auto request = decode_probe_request(*body);
  if (!request) {
    ProbeAnswer no{.code = ProbeCode::bad_request, .sentence = request.error().describe()};
    auto said = co_await say(guest, *stream, std::move(no));
    if (said) static_cast<void>(stream->shut());
    co_return;
  }
  if (request->kind == ProbeKind::where) {
    ProbeAnswer plain;
    auto said = co_await say(guest, *stream, std::move(plain));
    if (said) static_cast<void>(stream->shut());
  } else if (request->kind == ProbeKind::wake) {
    auto waking = wake(guest, *stream, request->time);
    co_await waking;
  } else {
    const bool sends = request->kind == ProbeKind::source;
    auto moving = sends ? source(guest, *stream, *request) : sink(guest, *stream, *request);
    co_await moving;
  }
}

namespace {

// One transfer within the quota, told how much it moved when it ends however it ends.
struct Transfer {
  Transfer(ProbeQuota& q, const NodeName& n, std::uint64_t wanted, TimePoint now)
      : quota(q), node(n), granted(q.begin_transfer(n, wanted, now)) {}
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    if (granted) quota.end_transfer(node, moved);
  }
  ProbeQuota& quota;
  const NodeName& node;
  const std::optional<std::uint64_t> granted;
  std::uint64_t moved = 0;
};

ProbeAnswer busy() {
  return {.code = ProbeCode::busy, .sentence = "another transfer of this node is under way, or it has moved enough for now: try later"};
}

}  // namespace

Task<void> ProbeServer::source(Guest& guest, net::MuxStream& stream, ProbeRequest request) {
  Transfer transfer(quota_, guest.node, request.bytes, loop_.now());
  ProbeAnswer head = transfer.granted ? ProbeAnswer{.bytes = *transfer.granted} : busy();
  auto said = co_await say(guest, stream, std::move(head));
  if (!said) co_return;
  stream.set_priority(kTransferPriority);
  const TimePoint end = loop_.now() + request.time;
  while (transfer.moved < transfer.granted.value_or(0) && loop_.now() < end) {
    auto room = co_await stream.prepare();
    if (!room) co_return;
    const std::size_t n = std::min({room->size(), noise().size(), static_cast<std::size_t>(*transfer.granted - transfer.moved)});
    std::memcpy(room->data(), noise().data(), n);
    stream.commit(n);
    transfer.moved += n;
    counters_.bytes += n;
  }
  static_cast<void>(stream.shut());
}

Task<void> ProbeServer::sink(Guest& guest, net::MuxStream& stream, ProbeRequest request) {
  Transfer transfer(quota_, guest.node, request.bytes, loop_.now());
  ProbeAnswer head = transfer.granted ? ProbeAnswer{.bytes = *transfer.granted} : busy();
  auto said = co_await say(guest, stream, std::move(head));
  if (!said) co_return;
  Rate rate;
  // By our clock, so that what the edge has yet to send when the time is over does not hold the answer up.
  TimePoint end = loop_.now() + kRequestTimeout;
  while (transfer.granted && transfer.moved < *transfer.granted) {
    auto bytes = co_await with_deadline<Bytes>(loop_, end, "wait for more", stream.peek());
    if (!bytes && bytes.error().code() != Code::timeout) co_return;
    if (!bytes || bytes->empty()) break;
    if (transfer.moved == 0) end = loop_.now() + request.time;
    const std::size_t n = bytes->size();
    stream.consume(n);
    rate.add(loop_.now(), n);
    transfer.moved += n;
    counters_.bytes += n;
    if (loop_.now() >= end) break;
  }
  const Rate::Part steady = rate.steady();
  ProbeAnswer tail{.bytes = steady.bytes, .time = steady.time};
  said = co_await say(guest, stream, std::move(tail));
  if (said) static_cast<void>(stream.shut());
}

Task<void> ProbeServer::wake(Guest& guest, net::MuxStream& stream, Duration after) {
  ProbeAnswer plain;
  auto said = co_await say(guest, stream, std::move(plain));
  if (!said || !stream.shut()) co_return;
  co_await loop_.sleep(after);
  for (std::uint32_t i = 0; i < kWakes; i++) {
    const std::vector<std::byte> call = encode(ProbeDatagram{.kind = ProbeDatagram::Kind::wake, .number = i});
    guest.connection.send_datagram(call, net::Priority::control);
    co_await loop_.sleep(kWakeStep);
  }
}

}  // namespace fairlead::doctor
