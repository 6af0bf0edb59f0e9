#include "plugins/http/backend_pool.h"

#include <array>

namespace fairlead::http_plugin {
namespace {

// How often connections that have waited too long are looked for.
constexpr Duration kSweep = 1s;

bool is_usable(net::Stream& stream) {
  std::array<std::byte, 1> one;
  return !stream.try_read(one);  // an end, a failure or bytes that nobody asked for
}

}  // namespace

BackendPool::Place::~Place() {
  service_.places--;
  service_.freed.wake_one();
  pool_.forget(service_);
}

BackendPool::BackendPool(Loop& loop) : loop_(loop), sweep_(loop, [this] { close_old(); }) {}

BackendPool::~BackendPool() {
  close_if([](const Connection&) { return true; });
}

Task<Result<std::unique_ptr<BackendPool::Connection>>> BackendPool::take(std::string key, std::size_t most, TimePoint until, bool fresh) {
  std::unique_ptr<Service>& entry = services_[key];
  if (!entry) {
    entry = std::make_unique<Service>(loop_);
    entry->key = std::move(key);
  }
  Service& service = *entry;
  struct Waiting {  // keeps the service while we wait
    Waiting(BackendPool& p, Service& s, std::size_t m) : pool(p), of(s), most(m) { of.waiters++; }
    ~Waiting() {
      of.waiters--;
      // A wake-up that came to nothing is the next one's.
      if (!of.idle.empty() || of.places < most) of.freed.wake_one();
      pool.forget(of);
    }
    BackendPool& pool;
    Service& of;
    std::size_t most;
  } waiting(*this, service, most);
  Timer limit(loop_, [&service] { service.freed.wake_all(); });
  for (;;) {
    while (!service.idle.empty()) {
      std::unique_ptr<Connection> connection = std::move(service.idle.back().connection);
      service.idle.pop_back();
      waiting_--;
      if (fresh || !is_usable(*connection->stream)) continue;
      connection->reused = true;
      co_return connection;
    }
    if (service.places < most) {
      auto connection = std::make_unique<Connection>();
      connection->place = std::make_unique<Place>(*this, service);
      co_return connection;
    }
    if (loop_.now() >= until) co_return fail(Code::overloaded, "all {} connections to the service are in use", most);
    if (!limit.armed()) limit.arm(until);
    co_await service.freed.wait();
  }
}

void BackendPool::give_back(std::unique_ptr<Connection> connection, Duration idle) {
  Service& service = connection->place->service_;
  if (service.idle.size() >= kMaxIdle || idle <= 0ns) return;
  connection->input = {};
  service.idle.push_back({std::move(connection), loop_.now() + idle});
  waiting_++;
  service.freed.wake_one();
  if (!sweep_.armed()) sweep_.arm(loop_.now() + kSweep);
}

void BackendPool::close_old() {
  const TimePoint now = loop_.now();
  std::deque<Idle> closing;
  for (auto& [key, service] : services_)
    std::erase_if(service->idle, [&](Idle& idle) {
      if (idle.until > now) return false;
      closing.push_back(std::move(idle));
      waiting_--;
      return true;
    });
  closing.clear();
  if (waiting_ > 0) sweep_.arm(now + kSweep);
}

void BackendPool::forget(Service& service) {
  if (service.places == 0 && service.waiters == 0) services_.erase(std::string(service.key));
}

}  // namespace fairlead::http_plugin
