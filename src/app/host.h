// host.h: what a component needs of the machine before it begins: descriptors, signals, its own addresses, a folder of its own.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "base/error.h"
#include "net/address.h"
#include "runtime/asio_loop.h"
#include "runtime/scope.h"

namespace fairlead::app {

// Raises the limit of open files to the hard limit and ignores SIGPIPE. Blocks the signals that SignalTask reads, for this thread
// and those it starts: call it before the first thread.
void prepare_process();

// The addresses of this machine, loopback not among them.
std::vector<net::IpAddress> own_addresses();

enum class Signal : std::uint8_t { end, reload };
// Calls `got` for each SIGTERM, SIGINT (end) and SIGHUP (reload). Until destroyed.
Task<void> read_signals(AsioLoop& loop, std::move_only_function<void(Signal)> got);

// Held while a component runs on a folder: a second one is refused.
class FolderLock {
 public:
  static constexpr char kLockFile[] = "running.lock";
  static Result<FolderLock> take(const std::filesystem::path& dir);
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

// Of this process, for metrics.
struct Usage {
  std::uint64_t resident_bytes = 0;
  std::uint64_t descriptors = 0;
  double cpu_seconds = 0;
};
Usage usage();

}  // namespace fairlead::app
