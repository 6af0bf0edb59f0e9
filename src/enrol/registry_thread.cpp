#include "enrol/registry_thread.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/log.h"

namespace fairlead::enrol {

struct RegistryThread::Shared {
  explicit Shared(Registry r) : registry(std::move(r)) {}

  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return closing || !jobs.empty() || !notes.empty(); });
      if (!jobs.empty()) {
        Work work = std::move(jobs.front());
        jobs.pop_front();
        lock.unlock();
        work(registry);
        work = nullptr;
        lock.lock();
      } else if (!notes.empty()) {  // when nobody waits: one write for all that came meanwhile
        std::vector<AuditLine> lines = std::exchange(notes, {});
        if (const std::size_t lost = std::exchange(dropped, 0); lost != 0)
          lines.push_back({.at = lines.back().at,
                           .who = "fairlead",
                           .from = "",
                           .what = "audit.dropped",
                           .subject = "",
                           .detail = std::to_string(lost) + " lines came too fast to be written"});
        lock.unlock();
        if (auto written = registry.note(lines); !written)
          log::error("enrol", "{} lines of the audit log are lost: {}", lines.size(), written.error());
        lock.lock();
      } else if (closing) {
        return;
      }
    }
  }

  Registry registry;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Work> jobs;
  std::vector<AuditLine> notes;
  std::size_t dropped = 0;
  bool closing = false;
  std::thread thread;
};

RegistryThread::RegistryThread(Registry registry) : shared_(std::make_unique<Shared>(std::move(registry))) {
  shared_->thread = std::thread([shared = shared_.get()] { shared->run(); });
}

RegistryThread::~RegistryThread() {
  {
    std::lock_guard lock(shared_->mutex);
    shared_->closing = true;
  }
  shared_->changed.notify_all();
  shared_->thread.join();
}

void RegistryThread::post(Work work) {
  std::lock_guard lock(shared_->mutex);
  shared_->jobs.push_back(std::move(work));
  shared_->changed.notify_one();
}

void RegistryThread::note(AuditLine line) {
  std::lock_guard lock(shared_->mutex);
  if (shared_->notes.size() >= kMaxNotes) {
    shared_->dropped++;
    return;
  }
  shared_->notes.push_back(std::move(line));
  shared_->changed.notify_one();
}

}  // namespace fairlead::enrol
