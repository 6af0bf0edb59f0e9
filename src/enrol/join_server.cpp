#include "enrol/join_server.h"

#include <fmt/format.h>

#include "base/log.h"
#include "link/session.h"
#include "pki/printable.h"

namespace fairlead::enrol {
namespace {

constexpr std::size_t kMaxCloseText = pki::Refusal::kMaxCloseText;

std::string close_text(std::string_view sentence) { return pki::printable(sentence, kMaxCloseText); }

Task<Result<bool>> until_closed(net::MuxConnection& connection) {
  net::MuxClose how = co_await connection.closed();
  co_return how.by_peer;
}

}  // namespace

JoinServer::JoinServer(Loop& loop, const Issuer& issuer, RegistryDesk& desk, const link::Trust& trust, TryLimiter& limiter,
                       RetireKey retire_key, Options options)
    : loop_(loop),
      issuer_(issuer),
      desk_(desk),
      trust_(trust),
      limiter_(limiter),
      retire_key_(std::move(retire_key)),
      options_(options),
      tasks_(loop) {}

bool JoinServer::take(std::unique_ptr<net::MuxConnection>& connection) {
  if (connection->alpn() != kJoinAlpn) return false;
  const net::SocketAddress from = connection->peer();
  // First of all, so that a flood from one source leaves the places to others.
  const TryLimiter::Verdict verdict = limiter_.begin(from.ip, loop_.now());
  if (!verdict.allowed) {
    if (verdict.tell)
      note_refusal(from.to_text(), {JoinCode::too_many_tries, fmt::format("{} tries of this source were over the limit", verdict.untold)});
    turn_away(*connection, JoinCode::too_many_tries, "too many failed tries to join from this address");
  } else if (tasks_.size() >= options_.concurrent && !make_room()) {
    limiter_.give_back(from.ip);
    turn_away(*connection, JoinCode::overloaded, "too many edges join at this moment");
  } else {
    tasks_.spawn(serve(std::move(connection)));
  }
  connection.reset();
  return true;
}

// The place is free as soon as its task has seen the end.
bool JoinServer::make_room() {
  Waiting* longest = waiting_.pop_front();
  if (longest == nullptr) return false;
  turn_away(longest->connection, JoinCode::overloaded, "too many edges join at this moment");
  return true;
}

void JoinServer::turn_away(net::MuxConnection& connection, JoinCode code, std::string sentence) {
  counters_.limited++;
  connection.close(static_cast<std::uint64_t>(code), std::move(sentence));
}

void JoinServer::note_refusal(const std::string& from, const JoinRefusal& refusal) {
  log::warn("enrol", "refused a join from {}: {}", from, refusal.text());
  desk_.note({.at = loop_.wall_now(),
              .who = "edge",
              .from = from,
              .what = "join.refused",
              .subject = std::string(name(refusal.code)),
              .detail = refusal.sentence});
}

Task<Result<JoinRequest>> JoinServer::ask(net::MuxConnection& connection, std::unique_ptr<net::MuxStream>& stream, Nonce nonce) {
  auto opened = co_await connection.open(net::Priority::control, TimePoint::max());
  if (!opened) co_return std::unexpected(opened.error());
  stream = *std::move(opened);
  const std::vector<std::byte> frame = encode(JoinChallenge{.nonce = nonce, .unix_ms = unix_ms(loop_.wall_now())});
  auto written = co_await stream->write(frame);
  if (!written) co_return std::unexpected(written.error());
  auto body = co_await link::read_frame(*stream);
  if (!body) co_return std::unexpected(body.error());
  co_return decode_join_request(*body);
}

Task<void> JoinServer::serve(std::unique_ptr<net::MuxConnection> connection) {
  const net::SocketAddress peer = connection->peer();
  const std::string from = peer.to_text();
  Nonce nonce;
  pki::random_bytes(nonce);
  std::unique_ptr<net::MuxStream> stream;
  Waiting waiting(*connection);
  waiting_.push_back(waiting);
  auto request = co_await with_deadline<JoinRequest>(loop_, loop_.now() + options_.step, "wait for the join's request",
                                                     ask(*connection, stream, nonce));
  waiting.unlink();
  if (const std::optional<net::MuxClose>& close = connection->close_state()) {
    if (!close->by_peer && close->orderly) co_return;  // made room for another
    counters_.cut++;
    for (const JoinCode code : {JoinCode::wrong_pin, JoinCode::wrong_ca, JoinCode::wrong_time})
      if (close->by_peer && close->application && close->code == static_cast<std::uint64_t>(code))
        note_refusal(from, {code, "the edge turned away: " + pki::printable(close->reason, kMaxCloseText)});
    log::debug("enrol", "{} closed before it asked to join: {}", from, close->to_error());
    co_return;
  }

  std::expected<Admitted, JoinRefusal> decided = std::unexpected(JoinRefusal{JoinCode::bad_request, ""});
  if (request) {
    std::move_only_function<std::expected<Admitted, JoinRefusal>(Registry&)> decide =
        [desk = AdmissionDesk{issuer_.current(), trust_.revoked(), retire_key_}, asked = *std::move(request), nonce,
         by = Actor{"edge", from}, now = loop_.wall_now()](Registry& registry) { return admit(registry, desk, asked, nonce, by, now); };
    decided = co_await call<std::expected<Admitted, JoinRefusal>>(loop_, desk_, std::move(decide));
  } else {
    const bool late = request.error().code() == Code::timeout;
    decided.error() = {late ? JoinCode::deadline : JoinCode::bad_request,
                       late ? "no request to join came in time" : fmt::format("the request to join cannot be read: {}", request.error())};
  }

  JoinAnswer reply{.unix_ms = unix_ms(loop_.wall_now())};
  if (decided) {
    limiter_.give_back(peer.ip);
    counters_.joined++;
    log::info("enrol", "node {} has joined from {}", decided->node, from);
    reply.certificate_pem = decided->certificate.to_pem();
    reply.trust_pem = decided->trust_pem;
  } else {
    counters_.refused++;
    note_refusal(from, decided.error());
    reply.code = decided.error().code;
    reply.sentence = decided.error().sentence;
  }
  if (!stream) {
    connection->close(static_cast<std::uint64_t>(reply.code), close_text(reply.sentence));
    co_return;
  }
  auto answering = answer(*connection, *stream, std::move(reply));
  co_await answering;
}

Task<void> JoinServer::answer(net::MuxConnection& connection, net::MuxStream& stream, JoinAnswer answer) {
  const std::vector<std::byte> frame = encode(answer);
  auto written = co_await stream.write(frame);
  if (written) written = stream.shut();
  // The edge closes when it has read the answer; a close of ours would overtake it.
  Waiting waiting(connection);
  waiting_.push_back(waiting);
  auto closed =
      co_await with_deadline<bool>(loop_, loop_.now() + options_.farewell, "wait for the edge to close", until_closed(connection));
  static_cast<void>(closed);
  connection.close(static_cast<std::uint64_t>(answer.code), close_text(answer.sentence));
}

}  // namespace fairlead::enrol
