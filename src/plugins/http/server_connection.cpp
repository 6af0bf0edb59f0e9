#include "plugins/http/server_connection.h"

#include <algorithm>

#include "base/log.h"
#include "net/proxy_protocol.h"
#include "plugins/http/access_line.h"
#include "runtime/timer.h"

namespace fairlead::http_plugin {
namespace {

// For the client to read the last answer and to end its half: after a reset its system might drop what it has not read yet.
constexpr Duration kLinger = 2s;
// Behind a head, so that its body can be read without moving it; of a chunked one a whole line must fit.
constexpr std::size_t kBodyRoom = 4_KiB;
constexpr std::size_t kChunkedRoom = 20_KiB;
// A connection moves to another loop after so many requests in a row were served there: a move costs about as much as two of them do
// from afar. Twice as many each time, so that one whose requests go here and there soon stays where it is.
constexpr unsigned kRequestsBeforeMove = 2;
constexpr unsigned kMaxMoves = 16;

}  // namespace

ServerConnection::ServerConnection(Ingress& ingress, std::unique_ptr<net::Stream> stream, const net::SocketAddress& at)
    : ingress_(ingress), stream_(std::move(stream)), work_(ingress.loop()) {
  origin_.at = at;
  origin_.peer = origin_.client = stream_->peer();
  origin_.local = stream_->local();
  ingress_.open.push_back(*this);
}

ServerConnection::ServerConnection(Ingress& ingress, std::unique_ptr<net::Stream> stream, const MovedConnection& moved)
    : ingress_(ingress), origin_(moved.origin), moves_(moved.moves), moved_here_(true), stream_(std::move(stream)), work_(ingress.loop()) {
  ingress_.open.push_back(*this);
}

ServerConnection::~ServerConnection() {
  work_.cancel_now();
  put_desk_away();
  if (!counted_) return;
  const auto entry = ingress_.per_source.find(origin_.client.ip);
  if (--entry->second == 0) ingress_.per_source.erase(entry);
}

const route::ListenerPolicy& ServerConnection::policy() const {
  static const route::ListenerPolicy kDefaults;
  const route::HttpPort* port = ingress_.rules->port(origin_.at);
  return port != nullptr ? port->policy : kDefaults;
}

void ServerConnection::begin_drain() {
  if (client_) client_->changed.wake_all();
}

bool ServerConnection::count_source(const net::IpAddress& source) {
  const std::uint32_t limit = moved_here_ ? 0 : policy().max_connections_per_source;
  std::uint32_t& now = ingress_.per_source[source];
  if (limit != 0 && now >= limit) {
    log::debug("http", "a connection of {} is refused: it has {}", source, now);
    return false;
  }
  now++;
  return counted_ = true;
}

Task<void> ServerConnection::run() {
  const bool begun = co_await begin();
  if (!begun) co_return;
  client_->watch();
  for (;;) {
    const bool there = co_await next_head();
    if (!there) break;
    std::optional<LoopIndex> home;
    const Exchange::After after = co_await serve_one(home);
    client_->desk->in.unpin();
    client_->desk->parser.reset();
    if (after == Exchange::After::done) co_return;
    if (after == Exchange::After::reset) {
      client_->stream().reset();
      co_return;
    }
    if (after == Exchange::After::close) break;
    if (ingress_.hand_over && move(home)) co_return;
  }
  co_await linger();
}

bool ServerConnection::move(std::optional<LoopIndex> home) {
  if (!home || *home == ingress_.peers.loop_index() || moves_ == kMaxMoves) {
    requests_elsewhere_ = 0;
    return false;
  }
  if (home != elsewhere_) requests_elsewhere_ = 0;
  elsewhere_ = home;
  if (++requests_elsewhere_ < kRequestsBeforeMove << moves_) return false;
  // What has come already is served here; the next pause will do.
  if (ingress_.draining || !client_->desk->in.empty()) return false;
  auto incoming = client_->release();
  if (!incoming) {
    moves_ = kMaxMoves;
    return false;
  }
  ingress_.hand_over(*home, std::make_unique<MovedConnection>(std::move(incoming), std::move(origin_), moves_ + 1));
  return true;
}

// Apart from run(), so that a connection that idles does not keep the room for it.
Task<Exchange::After> ServerConnection::serve_one(std::optional<LoopIndex>& home) {
  const std::shared_ptr<Rules> rules = ingress_.rules;  // the policy is theirs
  Exchange exchange(ingress_, *client_, origin_, policy(), work_);
  const Exchange::After after = co_await exchange.run();
  home = exchange.home();
  co_return after;
}

Task<bool> ServerConnection::begin() {
  const std::shared_ptr<Rules> rules = ingress_.rules;
  const route::HttpPort* port = rules->port(origin_.at);
  if (moved_here_) {
    count_source(origin_.client.ip);
    client_.emplace(std::move(stream_), work_);
    if (port == nullptr) co_await linger();
    co_return port != nullptr;
  }
  if (port == nullptr) co_return false;
  const TimePoint deadline = ingress_.loop().now() + port->policy.head_timeout;
  if (port->policy.proxy_protocol) {
    auto told = co_await with_deadline<void>(ingress_.loop(), deadline, "PROXY header", read_proxy_header());
    if (!told) {
      log::debug("http", "connection of {}: {}", origin_.peer, told.error());
      co_return false;
    }
  }
  if (!count_source(origin_.client.ip)) co_return false;
  origin_.client_text = origin_.client.to_text();
  origin_.tls = port->tls;
  if (origin_.tls) {
    const auto server = rules->tls->find(origin_.at);
    if (server == rules->tls->end()) co_return false;
    auto secured = co_await with_deadline<std::unique_ptr<net::Stream>>(
        ingress_.loop(), deadline, "TLS handshake", server->second->accept(ingress_.loop(), std::move(stream_), origin_.tls_peer));
    if (!secured) {
      log::debug("http", "connection of {}: {}", origin_.client, secured.error());
      co_return false;
    }
    stream_ = *std::move(secured);
  }
  client_.emplace(std::move(stream_), work_);
  co_return true;
}

// Never more bytes than the header has: what follows may be TLS's.
Task<Result<void>> ServerConnection::read_proxy_header() {
  const bool trusted = std::ranges::any_of(policy().trusted_proxies, [&](const net::Cidr& c) { return c.contains(origin_.peer.ip); });
  if (!trusted) co_return fail(Code::forbidden, "{} is not among the trusted proxies", origin_.peer);
  // The shortest of version 1 is "PROXY UNKNOWN" and CRLF. Version 2 says its length in byte 14 and 15, behind a signature.
  constexpr std::size_t kShortest = 15, kFixed = 16;
  std::vector<std::byte> header;
  std::size_t wanted = kShortest;
  for (;;) {
    const std::size_t before = header.size();
    header.resize(wanted);
    const MutableBytes room = MutableBytes(header).subspan(before);
    auto got = co_await stream_->read(room);
    if (!got) co_return std::unexpected(got.error());
    if (*got == 0) co_return fail(Code::closed, "it ended before the PROXY header was whole");
    header.resize(before + *got);
    if (header.size() < wanted) continue;
    auto parsed = net::parse_proxy_header(header);
    if (!parsed) co_return std::unexpected(parsed.error());
    if (*parsed) {
      if (!(*parsed)->header.local) origin_.client = (*parsed)->header.source;
      co_return Result<void>{};
    }
    const bool binary = header[0] == std::byte{'\r'};
    if (!binary)
      wanted = header.size() + 1;
    else if (header.size() < kFixed)
      wanted = kFixed;
    else
      wanted = kFixed + (std::to_integer<std::size_t>(header[14]) << 8) + std::to_integer<std::size_t>(header[15]);
    if (wanted > net::kMaxProxyHeader || wanted <= header.size()) co_return fail(Code::invalid, "the PROXY header is too long");
  }
}

Task<bool> ServerConnection::next_head() {
  Client& client = *client_;
  bool begun = false;
  client.set(Client::Limit::connection, client.loop().now() + policy().idle_timeout);
  for (;;) {
    if (client.desk && !client.desk->in.empty()) {
      if (!begun) client.set(Client::Limit::connection, client.loop().now() + policy().head_timeout);
      begun = true;
      auto parsed = parse();
      if (parsed) {
        client.clear(Client::Limit::connection);
        if (*parsed) co_return true;
        co_await refuse(parsed->error());
        co_return false;
      }
    } else {
      if (ingress_.draining) co_return false;
      if (!client.readable()) put_desk_away();
    }
    while (!client.readable() && !client.passed(Client::Limit::connection) && (begun || !ingress_.draining)) co_await client.changed.wait();
    if (client.passed(Client::Limit::connection)) {
      client.clear(Client::Limit::connection);
      if (begun) {
        const http::Refusal slow{408, "head-timeout", "the head of the request did not come in time"};
        co_await refuse(slow);
      }
      co_return false;
    }
    if (!client.readable()) continue;
    take_desk();
    InputBuffer& in = client.desk->in;
    if (in.room().empty()) in.grow(in.capacity() * 2);
    in.filled(client.read(in.room()));
    if (client.gone() != Client::Gone::no) co_return false;
  }
}

void ServerConnection::take_desk() {
  if (client_->desk) return;
  client_->desk = ingress_.desks.take();
  client_->desk->in.grow(InputBuffer::kFirst + kBodyRoom);
}

void ServerConnection::put_desk_away() {
  if (client_ && client_->desk) ingress_.desks.give_back(std::move(client_->desk));
}

std::optional<std::expected<void, http::Refusal>> ServerConnection::parse() {
  Desk& desk = *client_->desk;
  const route::ListenerPolicy& limits = policy();
  if (desk.limits.size != limits.max_head || desk.limits.fields != limits.max_fields) {
    desk.limits = {.size = limits.max_head, .fields = limits.max_fields};
    desk.parser = http::RequestParser(desk.limits);
  }
  auto size = desk.parser.parse(desk.in.rest());
  if (!size) return std::unexpected(size.error());
  if (!*size) return std::nullopt;
  const std::size_t room = desk.parser.head().chunked ? kChunkedRoom : kBodyRoom;
  if (desk.in.capacity() < **size + room) {
    // The head must not move once it is read: now it may.
    desk.in.grow(**size + room);
    desk.parser.reset();
    size = desk.parser.parse(desk.in.rest());
  }
  desk.in.pin(**size);
  return std::expected<void, http::Refusal>{};
}

Task<void> ServerConnection::refuse(http::Refusal why) {
  ingress_.counters.malformed++;
  ingress_.counters.own_answers++;
  ingress_.counters.answers[4]++;
  write_refused(ingress_.access_log, ingress_.loop().wall_now(), origin_.client, why.status, why.code);
  Answer answer(*client_, 1);
  OwnAnswer own = answer_of(why);
  std::string no_trace;
  auto given = co_await give(answer, std::move(own), std::move(no_trace), false, false);
  static_cast<void>(given);
}

Task<void> ServerConnection::linger() {
  Client& client = *client_;
  auto shut = client.stream().shut();
  if (!shut) co_return;
  client.set(Client::Limit::connection, client.loop().now() + kLinger);
  while (client.gone() == Client::Gone::no && !client.passed(Client::Limit::connection)) {
    if (!client.readable()) {
      put_desk_away();
      co_await client.changed.wait();
      continue;
    }
    take_desk();
    client.desk->in.clear();
    static_cast<void>(client.read(client.desk->in.room()));
  }
}

}  // namespace fairlead::http_plugin
