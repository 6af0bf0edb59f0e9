#include "quic/endpoint.h"

#include "pki/random.h"
#include "quic/connection.h"
#include "quic/endpoint_impl.h"

namespace fairlead::quic {

Endpoint::Impl::Impl(Loop& loop, std::unique_ptr<net::DatagramSocket> socket, EndpointSettings settings, EndpointSecrets secrets,
                     net::MemoryBudget& process, std::size_t session_memory, StrayRouter* strays)
    : loop_(loop),
      settings_(std::move(settings)),
      secrets_(secrets),
      cids_(settings_.loop, settings_.loops, secrets_),
      process_(process),
      session_memory_(session_memory),
      strays_(strays),
      acceptable_(loop),
      ids_(pki::random_u64()),
      reset_tokens_(pki::random_u64()),
      flush_hook_(*this),
      go_on_(loop, [this] { schedule_flush(); }),
      retire_(loop, [this] { close_retired(); }),
      renew_(loop, [this] { renew_stuck(); }),
      outbox_(loop, [this] { schedule_flush(); }) {
  open_port(std::move(socket));
}

Endpoint::Impl::~Impl() {
  const TimePoint now = loop_.now();
  while (!connections_.empty()) {
    LiveConnection& connection = *connections_.begin()->first;
    connection.close(0, "");
    flush(connection, now);
    drop(connection);
  }
}

void Endpoint::Impl::open_port(std::unique_ptr<net::DatagramSocket> socket) {
  port_ = std::make_unique<Port>(loop_, std::move(socket));
  outbox_.use(*port_->socket);
  port_->receiving.spawn(receive(*port_));
}

Task<void> Endpoint::Impl::receive(Port& port) {
  for (;;) {
    co_await port.socket->readable();
    // Read anew for each: a time from before it arrived would make the round trip shorter than the path is.
    port.socket->receive(kBurst, [this, &port](const net::Datagram& datagram) {
      now_ = loop_.now();
      take(datagram, &port);
    });
    if (++bursts_ >= kBurstsPerFlush) flush();
  }
}

void Endpoint::Impl::rebind(std::unique_ptr<net::DatagramSocket> socket) {
  port_->retired_at = loop_.now();
  retired_.push_back(std::move(port_));
  if (retired_.size() > kMaxRetired) retired_.pop_front();
  open_port(std::move(socket));
  retire_.arm(retired_.front()->retired_at + kRetireAfter);
  for (const auto& [connection, shared] : connections_)
    if (connection->is_client()) connection->migrate(local());
}

Result<void> Endpoint::Impl::renew_socket() {
  if (!make_socket_) return fail(Code::unsupported, "this endpoint keeps its socket");
  TRY_ASSIGN(std::unique_ptr<net::DatagramSocket> socket, make_socket_());
  renew_from_ = loop_.now() + kRenewEvery;
  rebind(std::move(socket));
  return {};
}

// Not at once: the engine that says so is flushing.
void Endpoint::Impl::path_stuck(LiveConnection& connection) {
  if (make_socket_ && connection.is_client() && !renew_.armed()) renew_.arm(std::max(loop_.now(), renew_from_));
}

void Endpoint::Impl::renew_stuck() {
  if (renew_socket()) counters_.sockets_renewed++;  // or the engine asks again
}

void Endpoint::Impl::close_retired() {
  while (!retired_.empty() && retired_.front()->retired_at + kRetireAfter <= loop_.now()) retired_.pop_front();
  if (!retired_.empty()) retire_.arm(retired_.front()->retired_at + kRetireAfter);
}

void Endpoint::Impl::feed_stray(const net::Datagram& datagram) {
  now_ = loop_.now();
  take(datagram, nullptr);
}

void Endpoint::Impl::take(const net::Datagram& datagram, const Port* port) {
  const auto head = stateless::read_head(datagram.payload);
  if (!head || head->dcid.size() > ConnectionId::kMaxSize) {
    // Only another version can have an id so long, and then it is a stranger's.
    if (head)
      meet(datagram, *head);
    else
      counters_.unknown++;
    return;
  }
  const ConnectionId id = ConnectionId::from(as_u8(head->dcid), head->dcid.size());
  if (LiveConnection* connection = ids_.find(id)) {
    feed(*connection, datagram, port);
    return;
  }
  // A stateless reset is addressed to nobody: its last bytes tell for whom it is (RFC 9000 10.3.1).
  constexpr std::size_t kToken = StatelessResetToken{}.size();
  if (head->kind == stateless::Head::Kind::short_header && datagram.payload.size() > kToken) {
    const auto* token = as_u8(datagram.payload.last(kToken));
    if (LiveConnection* connection = reset_tokens_.find(ConnectionId::from(token, kToken))) {
      feed(*connection, datagram, port);
      return;
    }
  }
  if (const LoopIndex owner = loop_of(id, settings_.loops); owner != settings_.loop) {
    if (port != nullptr && strays_ != nullptr) {
      counters_.strays_passed++;
      strays_->pass_on(owner, datagram);
    } else {
      counters_.unknown++;
    }
    return;
  }
  meet(datagram, *head);
}

void Endpoint::Impl::feed(LiveConnection& connection, const net::Datagram& datagram, const Port* port) {
  if (!connection.is_client()) {
    connection.feed(datagram, now_);
    return;
  }
  // A client's socket may be bound to no address in particular. Its path is then named after the socket, whatever address the system
  // chose; and a datagram to a socket that was replaced came by the path of that one.
  net::Datagram labelled = datagram;
  const bool retired = port != nullptr && port != port_.get();
  labelled.to = retired ? port->socket->local() : connection.local();
  connection.feed(labelled, now_);
}

void Endpoint::Impl::wants_flush(LiveConnection& connection) {
  FlushHook& hook = connection;
  if (!hook.linked()) dirty_.push_back(hook);
  schedule_flush();
}

void Endpoint::Impl::schedule_flush() {
  if (!flush_hook_.linked()) loop_.at_turn_end(flush_hook_);
}

void Endpoint::Impl::flush() {
  bursts_ = 0;
  const TimePoint now = loop_.now();
  const std::uint64_t limit = outbox_.bytes_sent() + kBytesPerTurn;
  while (!outbox_.blocked() && outbox_.bytes_sent() < limit) {
    FlushHook* hook = dirty_.pop_front();
    if (hook == nullptr) return;
    auto& connection = static_cast<LiveConnection&>(*hook);
    flush(connection, now);
    if (connection.finished())
      drop(connection);
    else
      connection.arm();
  }
  if (!dirty_.empty() && !outbox_.blocked()) go_on_.arm(now);
}

void Endpoint::Impl::flush(LiveConnection& connection, TimePoint now) {
  connection.flush(now, [this, &connection](const net::DatagramBatch& batch) {
    if (net::DatagramSocket* old = old_socket_of(connection))
      old->send(batch);
    else
      outbox_.send(batch);
  });
}

net::DatagramSocket* Endpoint::Impl::old_socket_of(const LiveConnection& connection) const {
  if (retired_.empty() || !connection.is_client()) return nullptr;
  const net::SocketAddress path = connection.local();
  for (const auto& old : retired_)
    if (old->socket->local() == path) return old->socket.get();
  return nullptr;
}

void Endpoint::Impl::drop(LiveConnection& connection) {
  for (const ConnectionId& id : connection.ids()) ids_.erase(id, connection);
  for (const StatelessResetToken& token : connection.reset_tokens())
    reset_tokens_.erase(ConnectionId::from(token.data(), token.size()), connection);
  connection.let_go();
  connections_.erase(&connection);
}

void Endpoint::Impl::reset_token_changed(LiveConnection& connection, const StatelessResetToken& token, bool valid) {
  const ConnectionId key = ConnectionId::from(token.data(), token.size());
  if (valid)
    reset_tokens_.put(key, connection);
  else
    reset_tokens_.erase(key, connection);
}

void Endpoint::Impl::handshake_done(LiveConnection& connection) {
  if (connection.is_client()) return;
  half_open_--;
  accept_queue_.push_back(connection);
  accept_queue_size_++;
  acceptable_.wake_all();
}

void Endpoint::Impl::closed(LiveConnection& connection) {
  open_--;
  if (!connection.is_client() && !connection.established()) half_open_--;
  AcceptHook& waiting = connection;
  if (!waiting.linked()) return;
  waiting.unlink();
  accept_queue_size_--;
}

void Endpoint::Impl::serve(Server server) {
  server_ = std::move(server);
  stopped_ = false;
}

void Endpoint::Impl::stop_serving() {
  server_.reset();
  stopped_ = true;
  for (const auto& [connection, shared] : connections_)
    if (!connection->is_client() && !connection->established()) connection->close(0, "this endpoint takes no more connections");
  acceptable_.wake_all();
}

Task<Result<std::unique_ptr<net::MuxConnection>>> Endpoint::Impl::accept() {
  for (;;) {
    if (AcceptHook* hook = accept_queue_.pop_front()) {
      accept_queue_size_--;
      co_return std::make_unique<Connection>(connections_.at(&static_cast<LiveConnection&>(*hook)));
    }
    if (stopped_) co_return fail(Code::closed, "this endpoint takes no more connections");
    co_await acceptable_.wait();
  }
}

Task<Result<std::unique_ptr<net::MuxConnection>>> Endpoint::Impl::connect(net::SocketAddress to, ClientOptions options) {
  auto live = std::make_shared<LiveConnection>(loop_, *this, process_, session_memory_);
  live->keep_resumption = std::move(options.on_resumption);
  const Engine::ClientStart start{.local = local(), .peer = to, .tls = std::move(options.tls), .resumption = options.resumption};
  CO_TRY(live->connect(settings_.engine, start, cids_));
  connections_.emplace(live.get(), live);
  open_++;
  wants_flush(*live);
  auto connection = std::make_unique<Connection>(live);  // closes if we are cancelled
  co_await live->handshaken();
  if (!live->established()) co_return fail(Error::wrap(fmt::format("connect to {}", to), live->error()));
  co_return connection;
}

Endpoint::Endpoint(Loop& loop, std::unique_ptr<net::DatagramSocket> socket, EndpointSettings settings, EndpointSecrets secrets,
                   net::MemoryBudget& process, std::size_t session_memory, StrayRouter* strays)
    : impl_(std::make_unique<Impl>(loop, std::move(socket), std::move(settings), secrets, process, session_memory, strays)) {}
Endpoint::~Endpoint() = default;

void Endpoint::serve(Server server) { impl_->serve(std::move(server)); }
Task<Result<std::unique_ptr<net::MuxConnection>>> Endpoint::accept() { return impl_->accept(); }
Task<Result<std::unique_ptr<net::MuxConnection>>> Endpoint::connect(net::SocketAddress to, ClientOptions options) {
  return impl_->connect(to, std::move(options));
}
void Endpoint::feed_stray(const net::Datagram& datagram) { impl_->feed_stray(datagram); }
void Endpoint::stop_serving() { impl_->stop_serving(); }
void Endpoint::rebind(std::unique_ptr<net::DatagramSocket> socket) { impl_->rebind(std::move(socket)); }
void Endpoint::renew_sockets_by(MakeSocket make) { impl_->renew_sockets_by(std::move(make)); }
Result<void> Endpoint::renew_socket() { return impl_->renew_socket(); }
const net::SocketAddress& Endpoint::local() const { return impl_->local(); }
std::size_t Endpoint::connections() const { return impl_->connections(); }
const Endpoint::Counters& Endpoint::counters() const { return impl_->counters(); }

}  // namespace fairlead::quic
