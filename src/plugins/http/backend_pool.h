// backend_pool.h: connections to services that wait for their next request, and how many there may be of one service.
//
// A connection belongs to one key: whatever makes two connections different for a service or for its certificate check. It counts
// against its key's cap from before it is dialled until it is destroyed. One on each loop.
// Invariant: a connection that is taken from the pool has said nothing and was not closed, as far as can be seen without writing.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>

#include "net/stream.h"
#include "runtime/timer.h"
#include "runtime/wait_queue.h"

namespace fairlead::http_plugin {

class BackendPool {
 public:
  static constexpr std::size_t kMaxConnections = 1024;  // of one key, if the Backend does not say
  static constexpr std::size_t kMaxIdle = 256;          // of one key: the ones beyond are closed after their request

  class Place;
  struct Connection {
    std::unique_ptr<Place> place;  // in the count of its key
    std::unique_ptr<net::Stream> stream;
    std::string input;             // read and not used yet
    bool reused = false;
  };

  explicit BackendPool(Loop& loop);
  ~BackendPool();

  // A connection that waits, or one without a stream, to be dialled; waits in order while the key is at its cap. Code::overloaded when
  // there is none by `until`. `fresh`: none that was used before.
  Task<Result<std::unique_ptr<Connection>>> take(std::string key, std::size_t most, TimePoint until, bool fresh);
  // After a request that ended well: it waits for the next one, at most `idle`.
  void give_back(std::unique_ptr<Connection> connection, Duration idle);
  // Closes the waiting ones that `unwanted` names.
  template <class Predicate>
  void close_if(Predicate unwanted);
  std::size_t waiting() const { return waiting_; }

 private:
  struct Idle {
    std::unique_ptr<Connection> connection;
    TimePoint until;
  };
  struct Service;
  using Services = std::unordered_map<std::string, std::unique_ptr<Service>>;
  void close_old();
  void forget(Service& service);

  Loop& loop_;
  std::size_t waiting_ = 0;
  Services services_;
  Timer sweep_;
};

struct BackendPool::Service {
  explicit Service(Loop& loop) : freed(loop) {}
  std::string key;
  std::size_t places = 0;
  std::deque<Idle> idle;  // the one used last is at the end
  std::size_t waiters = 0;
  WaitQueue freed;
};

class BackendPool::Place {
 public:
  Place(BackendPool& pool, Service& service) : pool_(pool), service_(service) { service.places++; }
  ~Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  friend class BackendPool;
  BackendPool& pool_;
  Service& service_;
};

template <class Predicate>
void BackendPool::close_if(Predicate unwanted) {
  std::deque<Idle> closing;  // destroyed at the end: that may forget a service
  for (auto& [key, service] : services_)
    for (auto it = service->idle.begin(); it != service->idle.end();) {
      if (!unwanted(*it->connection)) {
        ++it;
        continue;
      }
      closing.push_back(std::move(*it));
      it = service->idle.erase(it);
      waiting_--;
    }
}

}  // namespace fairlead::http_plugin
