#include "runtime/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "runtime/wait_queue.h"

namespace fairlead {

struct Resolver::Job {
  Job(Loop& loop, std::string name) : host(std::move(name)), done(loop) {}
  const std::string host;
  std::atomic<bool> abandoned{false};
  // On the loop only:
  WaitQueue done;
  std::optional<Addresses> answer;
};

struct Resolver::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::shared_ptr<Job>> jobs;
  std::size_t threads = 0, idle = 0;
  Loop* loop;  // null: closed
  LookUp look_up;
};

Resolver::Resolver(Loop& loop, LookUp look_up) : loop_(loop), shared_(std::make_shared<Shared>()) {
  shared_->loop = &loop;
  shared_->look_up = look_up;
}

void Resolver::close() {
  std::lock_guard lock(shared_->mutex);
  shared_->loop = nullptr;
  shared_->jobs.clear();
  shared_->changed.notify_all();
}

void Resolver::run(std::shared_ptr<Shared> shared) {
  std::unique_lock lock(shared->mutex);
  for (;;) {
    shared->idle++;
    shared->changed.wait(lock, [&] { return shared->loop == nullptr || !shared->jobs.empty(); });
    shared->idle--;
    if (shared->loop == nullptr) return;
    std::shared_ptr<Job> job = std::move(shared->jobs.front());
    shared->jobs.pop_front();
    if (job->abandoned.load()) continue;
    lock.unlock();
    Addresses found = shared->look_up(job->host);
    lock.lock();
    if (shared->loop == nullptr) return;
    shared->loop->post([job = std::move(job), answer = std::move(found)]() mutable {
      job->answer = std::move(answer);
      job->done.wake_all();
    });
  }
}

Task<Resolver::Addresses> Resolver::resolve(std::string host) {
  struct Wanted {
    std::shared_ptr<Job> job;
    ~Wanted() { job->abandoned.store(true); }
  };
  const Wanted wanted{std::make_shared<Job>(loop_, std::move(host))};
  Job& job = *wanted.job;
  {
    std::lock_guard lock(shared_->mutex);
    shared_->jobs.push_back(wanted.job);
    if (shared_->jobs.size() > shared_->idle && shared_->threads < kThreads) {
      try {
        std::thread(run, shared_).detach();
        shared_->threads++;
      } catch (const std::system_error&) {  // no more threads to be had: those that run do it
        if (shared_->threads == 0) {
          shared_->jobs.pop_back();
          co_return fail(Code::overloaded, "resolve \"{}\": the system gives no thread", job.host);
        }
      }
    }
    shared_->changed.notify_one();
  }
  while (!job.answer) co_await job.done.wait();
  co_return *std::move(job.answer);
}

Resolver::Addresses Resolver::ask_system(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;  // each address once
  addrinfo* list = nullptr;
  const int rc = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (rc != 0) return fail(Code::unreachable, "resolve \"{}\": {}", host, rc == EAI_SYSTEM ? "the system failed" : ::gai_strerror(rc));
  std::vector<std::string> addresses;
  for (const addrinfo* i = list; i != nullptr; i = i->ai_next) {
    char text[INET6_ADDRSTRLEN];
    const void* at = i->ai_family == AF_INET    ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(i->ai_addr)->sin_addr)
                     : i->ai_family == AF_INET6 ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(i->ai_addr)->sin6_addr)
                                                : nullptr;
    if (at == nullptr || ::inet_ntop(i->ai_family, at, text, sizeof text) == nullptr) continue;
    if (std::ranges::find(addresses, text) == addresses.end()) addresses.emplace_back(text);
  }
  ::freeaddrinfo(list);
  return addresses;
}

}  // namespace fairlead
