#include "plugins/http/backend_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace fairlead::http_plugin {
namespace {

// Connections that have waited long enough are looked for at most so often.
constexpr Duration kSweep = 1s;

bool is_silent(net::Stream& stream) {
  std::array<std::byte, 1> one;
  return !stream.try_read(one);  // else: an end, a failure, or bytes that nobody asked for
}

// The service sees an end, not a reset.
void close_in_order(net::Stream& stream) {
  static_cast<void>(stream.shut());
  stream.end_was_told();
}

}  // namespace

void BackendPool::Connection::close() {
  if (stream_) close_in_order(*stream_);
  stream_.reset();
}

// A connection that waits.
struct BackendPool::Idle : ListHook {
  Idle(Service& of, std::unique_ptr<net::Stream> s, TimePoint at) : service(of), stream(std::move(s)), expiry(at) {}
  ~Idle() {
    if (stream) close_in_order(*stream);
  }
  Service& service;
  std::unique_ptr<net::Stream> stream;
  TimePoint expiry;
};

struct BackendPool::Service {
  std::string key;
  std::size_t open = 0;                    // connections that are dialled, in use or waiting
  std::deque<std::unique_ptr<Idle>> idle;  // the last one used is at the end
  List<Turn> waiting;
};

// A place in the line of those who wait for a connection of one service.
class BackendPool::Turn : public ListHook {
 public:
  Turn(BackendPool& pool, Service& service) : woken(pool.loop_), pool_(pool), service_(service) { service.waiting.push_back(*this); }
  ~Turn() {
    unlink();
    pool_.changed(service_);  // a wake-up that was ours is the next one's
  }
  bool is_first() const { return &service_.waiting.front() == this; }
  WaitQueue woken;

 private:
  BackendPool& pool_;
  Service& service_;
};

BackendPool::BackendPool(Loop& loop, ServiceDialler& dialler) : loop_(loop), dialler_(dialler), sweeper_(loop, [this] { close_old(); }) {}

BackendPool::~BackendPool() = default;

BackendPool::Service& BackendPool::service_of(const ServiceAddress& to) {
  key_.clear();
  dialler_.put_key(key_, to);
  auto found = services_.find(std::string_view(key_));
  if (found == services_.end()) {
    found = services_.emplace(key_, std::make_unique<Service>()).first;
    found->second->key = key_;
  }
  return *found->second;
}

// Something became free, or somebody left the line.
void BackendPool::changed(Service& service) {
  if (!service.waiting.empty())
    service.waiting.front().woken.wake_all();
  else if (service.open == 0)
    services_.erase(services_.find(std::string_view(service.key)));
}

void BackendPool::free_place(Service& service) {
  service.open--;
  changed(service);
}

// Its connection is closed; its place is free.
void BackendPool::drop(Idle& idle) {
  Service& service = idle.service;
  pooled_--;
  std::erase_if(service.idle, [&](const std::unique_ptr<Idle>& one) { return one.get() == &idle; });
  free_place(service);
}

std::unique_ptr<net::Stream> BackendPool::take_idle(Service& service) {
  while (!service.idle.empty()) {
    const std::unique_ptr<Idle> idle = std::move(service.idle.back());
    service.idle.pop_back();
    pooled_--;
    if (idle->expiry > loop_.now() && is_silent(*idle->stream)) return std::move(idle->stream);
    service.open--;
  }
  return nullptr;
}

std::optional<std::unique_ptr<net::Stream>> BackendPool::take(Service& service, std::uint32_t most, bool fresh) {
  if (!fresh)
    if (auto stream = take_idle(service)) return stream;
  // The place of the one that is the longest unused, if need be.
  while (service.open >= most && !service.idle.empty()) {
    service.idle.pop_front();
    pooled_--;
    service.open--;
  }
  if (service.open >= most) return std::nullopt;
  service.open++;
  return nullptr;
}

BackendPool::Connection BackendPool::connection_of(Service& service, std::unique_ptr<net::Stream> stream, const ServiceAddress& to) {
  Connection connection(*this, service);
  connection.idle_ = to.service->idle > 0ns ? to.service->idle : kIdle;
  connection.poolable_ = to.service->proxy_protocol == 0;
  connection.reused_ = stream != nullptr;
  if (stream) reused_++;
  connection.stream_ = std::move(stream);
  return connection;
}

std::optional<BackendPool::Connection> BackendPool::take_waiting(const ServiceAddress& to) {
  Service& service = service_of(to);
  std::unique_ptr<net::Stream> stream = service.waiting.empty() ? take_idle(service) : nullptr;
  if (stream) return connection_of(service, std::move(stream), to);
  changed(service);
  return std::nullopt;
}

Task<link::FlowResult<BackendPool::Connection>> BackendPool::get(ServiceAddress to, TimePoint deadline, bool fresh) {
  const std::uint32_t most = to.service->max_connections > 0 ? to.service->max_connections : kMaxConnections;
  Service& service = service_of(to);
  std::optional<std::unique_ptr<net::Stream>> taken;
  if (service.waiting.empty()) taken = take(service, most, fresh);
  if (!taken) {
    Turn turn(*this, service);
    const TimePoint until = deadline != TimePoint::max() ? deadline : loop_.now() + kWait;
    Timer limit(loop_, [&turn] { turn.woken.wake_all(); });
    limit.arm(until);
    while (!taken) {
      co_await turn.woken.wait();
      if (turn.is_first()) taken = take(service, most, fresh);
      if (!taken && loop_.now() >= until)
        co_return link::refuse(link::FlowCode::overloaded, fmt::format("all {} connections to {} are in use", most, to.target));
    }
  }
  Connection connection = connection_of(service, *std::move(taken), to);
  if (connection.reused()) co_return connection;
  auto stream = co_await dialler_.dial(to, deadline);
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  connection.stream_ = *std::move(stream);
  co_return connection;
}

void BackendPool::put_back(Connection connection) {
  if (!connection.poolable_ || !dialler_.allows(connection.stream_->peer())) return connection.close();
  Service& service = *std::exchange(connection.service_, nullptr);
  const TimePoint expiry = loop_.now() + connection.idle_;
  service.idle.push_back(std::make_unique<Idle>(service, std::move(connection.stream_), expiry));
  idle_.push_back(*service.idle.back());
  pooled_++;
  arm(expiry);
  changed(service);
  if (pooled_ > kMaxPooled) drop(idle_.front());
}

void BackendPool::policy_changed() {
  for (auto at = idle_.begin(); at != idle_.end();) {
    Idle& idle = *at;
    ++at;
    if (!dialler_.allows(idle.stream->peer())) drop(idle);
  }
}

void BackendPool::arm(TimePoint expiry) {
  if (!sweeper_.armed() || sweeper_.at() > expiry) sweeper_.arm(expiry);
}

void BackendPool::close_old() {
  TimePoint next = TimePoint::max();
  for (auto at = idle_.begin(); at != idle_.end();) {
    Idle& idle = *at;
    ++at;
    if (idle.expiry <= loop_.now())
      drop(idle);
    else
      next = std::min(next, idle.expiry);
  }
  if (next != TimePoint::max()) sweeper_.arm(std::max(next, loop_.now() + kSweep));
}

}  // namespace fairlead::http_plugin
