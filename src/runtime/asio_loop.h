// asio_loop.h: a Loop on the real clock; Boost.Asio is its reactor. One thread calls run().
#pragma once
#include <memory>
#include <string>

#include "base/error.h"
#include "runtime/loop.h"
#include "runtime/task.h"

namespace fairlead {

class AsioLoop final : public Loop {
 public:
  AsioLoop();
  ~AsioLoop() override;

  TimePoint now() const override;
  WallTime wall_now() const override;
  void post(std::move_only_function<void()> work) override;

  // Runs on the calling thread until stop(). May be called again.
  void run();
  // From any thread.
  void stop();
  // Runs until `task` is done.
  void run(Task<void> task);

  class Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Tells when a file descriptor can be read or written. The descriptor belongs to the caller, must be non-blocking, and must stay
// open as long as this lives. At most one coroutine waits for each direction.
class FdEvents {
 public:
  FdEvents(AsioLoop& loop, int fd);
  ~FdEvents();
  FdEvents(const FdEvents&) = delete;
  FdEvents& operator=(const FdEvents&) = delete;

  enum class Direction : std::uint8_t { read, write };
  class Awaiter {
   public:
    Awaiter(FdEvents& events, Direction direction) : events_(events), direction_(direction) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> frame);
    void await_resume() const noexcept {}

   private:
    FdEvents& events_;
    Direction direction_;
    Waiter waiter_;
  };
  // Returns when the descriptor is readable, at its end, or failed: the system call tells which.
  Awaiter readable() { return {*this, Direction::read}; }
  Awaiter writable() { return {*this, Direction::write}; }

  // Ends the watching; waiters are made ready. For a descriptor that moves to another loop.
  void release();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the reactor's pending operations, which may complete after we are gone
};

// Addresses of `host` as text ("192.0.2.1", "2001:db8::1"), in the resolver's order. Cancelled by destruction.
Task<Result<std::vector<std::string>>> resolve_host(AsioLoop& loop, std::string host);

}  // namespace fairlead
