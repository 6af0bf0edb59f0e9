#include "runtime/asio_loop.h"

#include <sched.h>

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <optional>
#include <random>

#include "runtime/resolver.h"
#include "runtime/scope.h"

namespace fairlead {

namespace asio = boost::asio;

namespace {

// Between two looks at the sockets at most so many rounds of ready tasks run: a busy pair of tasks must not starve the network.
constexpr int kBatchesPerTurn = 16;

// Going to sleep and being woken costs as much as a small request. So where the last event came within kSoon of having nothing to do, the
// next one is looked for, for kLook, before the thread sleeps; others that want the core get it meanwhile. A loop whose events come
// further apart never does this.
constexpr Duration kSoon = 100us;
constexpr Duration kLook = 30us;

std::uint64_t entropy() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

TimePoint monotonic_now() { return TimePoint(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())); }

}  // namespace

class AsioLoop::Impl {
 public:
  explicit Impl(AsioLoop& loop) : io(1), guard(asio::make_work_guard(io)), timer(io), resolver(loop) {}

  // The reactor is asked to wake us at the next timer. A wake-up that is too early does no harm, so it is moved only when it
  // has become too late.
  void wake_at(TimePoint at) {
    if (armed && *armed <= at) return;
    armed = at;
    timer.expires_at(
        std::chrono::steady_clock::time_point(std::chrono::duration_cast<std::chrono::steady_clock::duration>(at.time_since_epoch())));
    timer.async_wait([this, at](const boost::system::error_code& error) {
      if (!error && armed && *armed == at) armed.reset();
    });
  }

  // Waits until something has happened.
  void wait() {
    const TimePoint begun = monotonic_now();
    if (!busy || !look_until(begun + kLook)) {
      io.run_one();
      io.poll();
    }
    busy = monotonic_now() - begun <= kSoon;
  }

  bool look_until(TimePoint end) {
    do {
      if (io.poll() > 0) return true;
      ::sched_yield();
    } while (monotonic_now() < end);
    return false;
  }

  void take_posted(std::vector<std::move_only_function<void()>>& into) {
    std::lock_guard lock(mutex);
    into.swap(posted);
  }

  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> guard;
  asio::steady_timer timer;
  std::optional<TimePoint> armed;
  bool busy = false;  // the last wait was a short one
  std::mutex mutex;
  std::vector<std::move_only_function<void()>> posted;
  std::atomic<bool> stopped{false};
  Resolver resolver;
};

AsioLoop::AsioLoop() : Loop(entropy()), impl_(std::make_unique<Impl>(*this)) {}
AsioLoop::~AsioLoop() { impl_->resolver.close(); }

TimePoint AsioLoop::now() const { return monotonic_now(); }
WallTime AsioLoop::wall_now() const { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

void AsioLoop::post(std::move_only_function<void()> work) {
  bool first = false;
  {
    std::lock_guard lock(impl_->mutex);
    first = impl_->posted.empty();
    impl_->posted.push_back(std::move(work));
  }
  // One wake-up for a batch: whoever finds the list empty wakes the loop.
  if (first) asio::post(impl_->io, [] {});
}

void AsioLoop::stop() {
  impl_->stopped.store(true);
  asio::post(impl_->io, [] {});
}

void AsioLoop::run() {
  std::vector<std::move_only_function<void()>> posted;
  while (!impl_->stopped.load(std::memory_order_relaxed)) {
    impl_->take_posted(posted);
    for (auto& work : posted) work();
    posted.clear();
    fire_timers(now());
    run_ready(kBatchesPerTurn);
    if (impl_->stopped.load(std::memory_order_relaxed)) break;
    if (has_ready()) {
      impl_->io.poll();
      continue;
    }
    if (has_timer()) {
      // What is due already needs no timer of the kernel: setting one that fires at once costs more than the rest of a turn.
      if (next_timer() <= now()) {
        impl_->io.poll();
        continue;
      }
      impl_->wake_at(next_timer());
    }
    impl_->wait();
  }
  impl_->stopped.store(false);
}

namespace {
Task<void> then_stop(Task<void> task, AsioLoop& loop) {
  co_await task;
  loop.stop();
}
}  // namespace

void AsioLoop::run(Task<void> task) {
  Scope scope(*this);
  scope.spawn(then_stop(std::move(task), *this));
  run();
}

struct FdEvents::State : std::enable_shared_from_this<State> {
  State(AsioLoop& l, int fd) : loop(l), descriptor(l.impl().io, fd) {}

  void start(Direction direction) {
    const auto i = static_cast<std::size_t>(direction);
    if (pending[i]) return;
    pending[i] = true;
    auto how = direction == Direction::read ? asio::posix::stream_descriptor::wait_read : asio::posix::stream_descriptor::wait_write;
    descriptor.async_wait(how, [self = shared_from_this(), i](const boost::system::error_code&) {
      self->pending[i] = false;
      // Nobody may be waiting any more: the coroutine was destroyed meanwhile.
      while (!self->waiting[i].empty()) self->loop.make_ready(self->waiting[i].front());
    });
  }

  AsioLoop& loop;
  asio::posix::stream_descriptor descriptor;
  std::array<List<Ready>, 2> waiting;
  std::array<bool, 2> pending{};
};

FdEvents::FdEvents(AsioLoop& loop, int fd) : state_(std::make_shared<State>(loop, fd)) {}
FdEvents::~FdEvents() { release(); }

void FdEvents::release() {
  if (!state_) return;
  state_->descriptor.release();  // the descriptor stays open: it is the caller's
  for (auto& waiting : state_->waiting)
    while (!waiting.empty()) state_->loop.make_ready(waiting.front());
  state_.reset();
}

void FdEvents::Awaiter::await_suspend(std::coroutine_handle<> frame) {
  waiter_.set(frame);
  State& state = *events_.state_;
  state.waiting[static_cast<std::size_t>(direction_)].push_back(waiter_);
  state.start(direction_);
}

Task<Result<std::vector<std::string>>> resolve_host(AsioLoop& loop, std::string host) {
  return loop.impl().resolver.resolve(std::move(host));
}

}  // namespace fairlead
