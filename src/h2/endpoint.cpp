#include "h2/endpoint.h"

#include "base/log.h"

namespace fairlead::h2 {

Endpoint::Endpoint(Loop& loop, net::Network& network, EndpointSettings settings, net::MemoryBudget& process, std::size_t session_memory)
    : loop_(loop),
      network_(network),
      settings_(std::move(settings)),
      process_(process),
      session_memory_(session_memory),
      accepted_queue_(loop),
      serving_(loop),
      tasks_(loop) {}

Endpoint::~Endpoint() {
  serving_.cancel_now();
  tasks_.cancel_now();
  for (const auto& live : live_) live->let_go();
}

void Endpoint::serve(Server server, std::unique_ptr<net::Listener> listener) {
  server_ = std::move(server);
  for (std::string& alpn : server_.alpns) alpn += kAlpnSuffix;
  if (!listener) return;
  listener_ = std::move(listener);
  serving_.spawn(take_connections());
}

Task<void> Endpoint::take_connections() {
  for (;;) {
    auto incoming = co_await listener_->accept();
    if (!incoming) {
      co_await loop_.sleep(100ms);  // out of descriptors
      continue;
    }
    if (shaking_ >= settings_.half_open || accepted_.size() >= settings_.accept_backlog) continue;  // dropped, with a reset
    shaking_++;
    tasks_.spawn(shake_hands(*std::move(incoming)));
  }
}

namespace {
struct Counted {
  std::size_t& count;
  ~Counted() { count--; }
};
}  // namespace

Task<void> Endpoint::shake_hands(std::unique_ptr<net::Incoming> incoming) {
  Counted counted{shaking_};
  const net::SocketAddress peer = incoming->peer();
  std::unique_ptr<net::Stream> transport = network_.adopt(std::move(incoming));
  auto handshake = net::accept_tls_link(loop_, std::move(transport), server_.credentials, server_.alpns);
  auto link = co_await with_deadline<net::TlsLink>(loop_, loop_.now() + settings_.handshake_timeout, "TLS handshake", std::move(handshake));
  if (!link) {
    log::debug("h2", "no connection from {}: {}", peer, link.error());
    co_return;
  }
  if (stopped_) co_return;
  accepted_.push_back(std::make_unique<Connection>(start(Role::cloud, *std::move(link))));
  accepted_queue_.wake_all();
}

std::shared_ptr<LiveConnection> Endpoint::start(Role role, net::TlsLink link) {
  auto live = std::make_shared<LiveConnection>(loop_, role, settings_.engine, std::move(link), process_, session_memory_);
  live_.insert(live);
  tasks_.spawn(keep(live));
  return live;
}

Task<void> Endpoint::keep(std::shared_ptr<LiveConnection> live) {
  auto running = live->run(live);
  co_await running;
  live_.erase(live);
}

Task<Result<std::unique_ptr<net::MuxConnection>>> Endpoint::accept() {
  while (accepted_.empty()) {
    if (stopped_) co_return fail(Code::closed, "no connections are taken any more");
    co_await accepted_queue_.wait();
  }
  std::unique_ptr<net::MuxConnection> connection = std::move(accepted_.front());
  accepted_.pop_front();
  co_return connection;
}

Task<Result<std::unique_ptr<net::MuxConnection>>> Endpoint::connect(std::unique_ptr<net::Stream> transport, ClientOptions options) {
  auto link = co_await net::connect_tls_link(loop_, std::move(transport), std::move(options.credentials), options.alpn.append(kAlpnSuffix),
                                             std::move(options.server_name));
  if (!link) co_return fail(link.error());
  co_return std::make_unique<Connection>(start(Role::edge, *std::move(link)));
}

void Endpoint::stop_serving() {
  stopped_ = true;
  serving_.cancel_now();
  listener_.reset();  // who dials is refused at once
  accepted_queue_.wake_all();
}

}  // namespace fairlead::h2
