#include "sim/listener.h"

#include "sim/host.h"

namespace fairlead::sim {

Listener::Listener(Host& host, const net::SocketAddress& local, const net::ListenOptions& options)
    : host_(host), local_(local), options_(options), acceptable_(host.loop()) {
  host_.listeners_.add(*this);
}

Listener::~Listener() {
  if (!gone_) host_.listeners_.remove(*this);
}

bool Listener::offer(std::shared_ptr<Connection> connection) {
  if (waiting_.size() >= static_cast<std::size_t>(options_.backlog)) return false;
  waiting_.push_back(std::make_unique<Incoming>(std::move(connection)));
  acceptable_.wake_all();
  return true;
}

Task<Result<std::unique_ptr<net::Incoming>>> Listener::accept() {
  while (waiting_.empty()) co_await acceptable_.wait();
  std::unique_ptr<net::Incoming> next = std::move(waiting_.front());
  waiting_.pop_front();
  co_return next;
}

}  // namespace fairlead::sim
