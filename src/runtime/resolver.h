// resolver.h: the look-ups of names of one loop. The system's call blocks, with a dead name server for many seconds, so it is made on
// threads beside the loop.
//
// Invariant: nobody waits for a look-up that is not wanted any more, neither other look-ups (kThreads run at a time, abandoned ones are not
// begun) nor the end of the loop: a thread that is in the system's call is left to come back by itself, and finds the loop gone.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/loop.h"
#include "runtime/task.h"

namespace fairlead {

class Resolver {
 public:
  static constexpr std::size_t kThreads = 4;  // three dead names do not keep a living one from being found

  using Addresses = Result<std::vector<std::string>>;
  using LookUp = Addresses (*)(const std::string& host);  // blocks; called on any thread
  static Addresses ask_system(const std::string& host);   // getaddrinfo, in its order, each address once

  explicit Resolver(Loop& loop, LookUp look_up = &ask_system);
  ~Resolver() { close(); }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Cancelled by destruction.
  Task<Addresses> resolve(std::string host);
  // Nothing is posted to the loop after this.
  void close();

 private:
  struct Job;
  struct Shared;
  static void run(std::shared_ptr<Shared> shared);

  Loop& loop_;
  std::shared_ptr<Shared> shared_;  // with the threads, which may end after us
};

}  // namespace fairlead
