// backend_pool.h: connections to services: made anew, or those that have served a request and wait for the next one.
//
// Invariant: two requests share a connection only if they would have made the same one: the same target, and with TLS the same name and
// the same CAs. One that was opened with a PROXY header speaks for one user and is never shared. What comes out of the pool was looked at:
// the service has neither ended it nor said anything unasked.
//
// A service has a limited number of connections, in use or waiting; who comes then waits in order. The last one put back is the first one
// taken, so that the others reach their idle time; when all services together have too many waiting, the longest unused one goes.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "link/refusal.h"
#include "net/stream.h"
#include "plugins/http/service_dialler.h"
#include "runtime/timer.h"
#include "runtime/wait_queue.h"

namespace fairlead::http_plugin {

class BackendPool {
 public:
  // Of one service, if its Backend does not say: far more than one service serves at once, and what a process can hold of descriptors.
  static constexpr std::uint32_t kMaxConnections = 4096;
  static constexpr std::size_t kMaxPooled = 4096;  // of all services
  // Under the minute after which many servers end a connection that idles. Those that are faster (Node.js: 5 s) need timeouts.idle.
  static constexpr Duration kIdle = 55s;
  static constexpr Duration kWait = 10s;  // for another request to end, if the flow has no deadline

 private:
  struct Service;
  struct Idle;

 public:
  // A connection in use: it counts against its service's limit while it lives. Destroying it breaks it off.
  class Connection {
   public:
    Connection(Connection&& other) noexcept
        : pool_(other.pool_),
          service_(std::exchange(other.service_, nullptr)),
          stream_(std::move(other.stream_)),
          idle_(other.idle_),
          reused_(other.reused_),
          poolable_(other.poolable_) {}
    Connection& operator=(Connection&&) = delete;
    ~Connection() {
      stream_.reset();
      if (service_ != nullptr) pool_.free_place(*service_);
    }
    net::Stream& stream() { return *stream_; }
    // In order: nothing is left to be said on it.
    void close();
    bool reused() const { return reused_; }
    bool poolable() const { return poolable_; }

   private:
    friend class BackendPool;
    Connection(BackendPool& pool, Service& service) : pool_(pool), service_(&service) {}
    BackendPool& pool_;
    Service* service_;  // null: moved from
    std::unique_ptr<net::Stream> stream_;
    Duration idle_{};
    bool reused_ = false;
    bool poolable_ = false;
  };

  BackendPool(Loop& loop, ServiceDialler& dialler);
  ~BackendPool();
  BackendPool(const BackendPool&) = delete;
  BackendPool& operator=(const BackendPool&) = delete;

  // One that waits, at once. Nothing: get() may have to wait.
  std::optional<Connection> take_waiting(const ServiceAddress& to);
  // `fresh`: not one that was used before. What `to` points to lives as long as the task. Nothing of a request was written when this
  // fails: OVERLOADED when there are too many connections and none became free in time, else as ServiceDialler::dial says.
  Task<link::FlowResult<Connection>> get(ServiceAddress to, TimePoint deadline, bool fresh);
  // For the next request: nothing of the last one is left on it, and none is in flight.
  void put_back(Connection connection);
  // Waiting connections that the policy of the dialler forbids are closed. Those in use are when they come back.
  void policy_changed();

  std::size_t pooled() const { return pooled_; }
  std::uint64_t reused() const { return reused_; }
  std::size_t services() const { return services_.size(); }  // with a connection, or somebody who waits for one

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  class Turn;

  Service& service_of(const ServiceAddress& to);
  std::unique_ptr<net::Stream> take_idle(Service& service);
  Connection connection_of(Service& service, std::unique_ptr<net::Stream> stream, const ServiceAddress& to);
  // A connection that waits, or null for one that may be dialled now: its place is taken. Nothing: neither.
  std::optional<std::unique_ptr<net::Stream>> take(Service& service, std::uint32_t most, bool fresh);
  void drop(Idle& idle);
  void free_place(Service& service);
  void changed(Service& service);
  void close_old();
  void arm(TimePoint expiry);

  Loop& loop_;
  ServiceDialler& dialler_;
  std::unordered_map<std::string, std::unique_ptr<Service>, TextHash, std::equal_to<>> services_;
  List<Idle> idle_;  // the longest unused first
  std::size_t pooled_ = 0;
  std::uint64_t reused_ = 0;
  std::string key_;  // scratch
  Timer sweeper_;
};

}  // namespace fairlead::http_plugin
