// off_loop.h: work that blocks (a file, fsync), awaited on a loop.
#pragma once
#include <thread>

#include "runtime/cross.h"

namespace fairlead {

// Runs `work` on a thread of its own and returns its value here; for what is rare. If this task is destroyed meanwhile, its destruction
// waits for the work. What is captured goes to the other thread.
template <class T>
Task<T> off_loop(Loop& here, std::move_only_function<T()> work) {
  auto crossing = std::make_shared<detail::Crossing<T>>(here);
  const std::jthread thread([crossing, &here, run = std::move(work)]() mutable {
    here.post([crossing, value = run()]() mutable {
      crossing->value.emplace(std::move(value));
      crossing->answered.wake_all();
    });
  });
  while (!crossing->value) co_await crossing->answered.wait();
  co_return *std::move(crossing->value);
}

}  // namespace fairlead
