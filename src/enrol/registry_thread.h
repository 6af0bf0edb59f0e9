// registry_thread.h: the registry from loops: its calls block, so one thread beside them makes them, in order.
//
//   auto nodes = co_await call<Result<std::vector<NodeRecord>>>(loop, desk, std::move(work));     work: (Registry&) -> the same type
//
// What a call captures goes to the other thread: values only. If the waiting task is destroyed the call is made all the same.
#pragma once
#include <functional>
#include <memory>

#include "enrol/registry.h"
#include "runtime/cross.h"

namespace fairlead::enrol {

// Where the registry's calls are made: a thread, or (in simulations) at once.
class RegistryDesk {
 public:
  using Work = std::move_only_function<void(Registry&)>;
  virtual ~RegistryDesk() = default;
  virtual void post(Work work) = 0;  // from any thread
  // A line for the audit log that nobody waits for. Those of a moment are written together; beyond kMaxNotes they are counted only.
  virtual void note(AuditLine line) = 0;
};

template <class T>
Task<T> call(Loop& here, RegistryDesk& desk, std::move_only_function<T(Registry&)> work) {
  auto crossing = std::make_shared<detail::Crossing<T>>(here);
  desk.post([crossing, &here, run = std::move(work)](Registry& registry) mutable {
    here.post([crossing, value = run(registry)]() mutable {
      crossing->value.emplace(std::move(value));
      crossing->answered.wake_all();
    });
  });
  while (!crossing->value) co_await crossing->answered.wait();
  co_return *std::move(crossing->value);
}

class RegistryThread final : public RegistryDesk {
 public:
  static constexpr std::size_t kMaxNotes = 1024;

  explicit RegistryThread(Registry registry);
  // Finishes what was posted. The loops that wait must still be there.
  ~RegistryThread() override;

  void post(Work work) override;
  void note(AuditLine line) override;

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

}  // namespace fairlead::enrol
