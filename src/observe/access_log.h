// access_log.h: one JSON line for each flow, to a file or to standard output.
//
// Invariant: write() never waits for the disk. Lines go through a bounded queue to a thread of their own; when that cannot keep up,
// lines are dropped and counted. A line is written whole or, when the disk is full, begun anew on a line of its own.
#pragma once
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/bytes.h"
#include "base/error.h"
#include "observe/json_line.h"

namespace fairlead::observe {

struct AccessLogOptions {
  std::string path;           // empty: standard output
  std::size_t queue = 4_MiB;  // bytes that may wait: some ten thousand lines
};

// Thread-safe.
class AccessLog {
 public:
  // Code of the system's when the file cannot be opened.
  static Result<std::unique_ptr<AccessLog>> open(const AccessLogOptions& options);
  // Writes what waits.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  void write(JsonLine&& line);
  // Opens the path again, after what was written before: for a log that was rotated away. When that fails, the old file stays.
  void reopen();
  // Returns when all that was written before the call is in the file or lost.
  void flush();
  // Lines that did not get into the file.
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  AccessLog(AccessLogOptions options, int fd);
  void run();
  void write_out(std::string_view lines);
  void open_again();

  const AccessLogOptions options_;

  // Of the thread.
  int fd_;
  bool mid_line_ = false;  // a write failed in the middle of a line
  bool failing_ = false;

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable written_;
  std::string waiting_;
  std::optional<std::size_t> reopen_at_;  // of `waiting_`: what is behind it goes to the new file
  bool hurry_ = false;                    // somebody waits: no pause to collect more
  bool stop_ = false;
  std::uint64_t turns_begun_ = 0;  // of the thread
  std::uint64_t turns_done_ = 0;
  std::atomic<std::uint64_t> dropped_{0};
  std::thread thread_;
};

}  // namespace fairlead::observe
