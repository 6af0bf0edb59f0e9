#include "observe/access_log.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/log.h"

namespace fairlead::observe {

namespace {

// The thread writes once for what comes within this time: a wake-up and a system call for each flow would cost as much as the flow.
constexpr auto kPause = std::chrono::milliseconds(50);
// Memory of lines that were written, for the next ones.
constexpr std::size_t kKept = 1_MiB;

Result<int> open_file(const std::string& path) {
  if (path.empty()) return STDOUT_FILENO;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) return fail(Error::from_errno(errno, fmt::format("open the access log {}", path)));
  return fd;
}
void close_file(int fd) {
  if (fd != STDOUT_FILENO) ::close(fd);
}

}  // namespace

Result<std::unique_ptr<AccessLog>> AccessLog::open(const AccessLogOptions& options) {
  TRY_ASSIGN(const int fd, open_file(options.path));
  return std::unique_ptr<AccessLog>(new AccessLog(options, fd));
}

AccessLog::AccessLog(AccessLogOptions options, int fd) : options_(std::move(options)), fd_(fd), thread_([this] { run(); }) {}

AccessLog::~AccessLog() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  thread_.join();
  close_file(fd_);
}

void AccessLog::write(JsonLine&& line) {
  const std::string_view text = line.finish();
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() + text.size() > options_.queue) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    const bool was_half_full = waiting_.size() >= options_.queue / 2;
    wake = waiting_.empty() || (!was_half_full && waiting_.size() + text.size() >= options_.queue / 2);
    waiting_ += text;
  }
  if (wake) work_.notify_one();
}

void AccessLog::reopen() {
  {
    const std::lock_guard lock(mutex_);
    if (!reopen_at_) reopen_at_ = waiting_.size();
  }
  work_.notify_one();
}

void AccessLog::flush() {
  std::unique_lock lock(mutex_);
  const std::uint64_t turn = turns_begun_ + 1;  // a turn that has begun may have taken its lines before ours
  hurry_ = true;
  work_.notify_one();
  written_.wait(lock, [&] { return turns_done_ >= turn; });
}

void AccessLog::run() {
  // Signals are the main thread's, and a reader of standard output that is gone is an error to count, not a reason to die.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);

  std::string lines;
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return stop_ || hurry_ || reopen_at_ || !waiting_.empty(); });
    work_.wait_for(lock, kPause, [this] { return stop_ || hurry_ || reopen_at_ || waiting_.size() >= options_.queue / 2; });
    const bool last = stop_;
    lines.clear();
    if (lines.capacity() > kKept) lines.shrink_to_fit();
    lines.swap(waiting_);
    const std::optional<std::size_t> reopen_at = std::exchange(reopen_at_, std::nullopt);
    hurry_ = false;
    const std::uint64_t turn = ++turns_begun_;
    lock.unlock();
    const std::string_view all_lines = lines;
    write_out(all_lines.substr(0, reopen_at.value_or(all_lines.size())));
    if (reopen_at) {
      open_again();
      write_out(all_lines.substr(*reopen_at));
    }
    lock.lock();
    turns_done_ = turn;
    written_.notify_all();
    if (last && waiting_.empty()) return;
  }
}

void AccessLog::write_out(std::string_view lines) {
  if (lines.empty()) return;
  std::string rest(mid_line_ ? "\n" : "");
  rest += lines;
  std::string_view left = rest;
  while (!left.empty()) {
    const ssize_t n = ::write(fd_, left.data(), left.size());
    if (n >= 0) {
      left.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      pollfd wanted{fd_, POLLOUT, 0};
      ::poll(&wanted, 1, -1);
    } else if (errno != EINTR) {
      break;
    }
  }
  if (left.size() < rest.size()) mid_line_ = rest[rest.size() - left.size() - 1] != '\n';
  if (!left.empty()) {
    const int err = errno;
    dropped_.fetch_add(static_cast<std::uint64_t>(std::ranges::count(left, '\n')), std::memory_order_relaxed);
    if (!failing_) log::warn("observe", "access log: {}", Error::from_errno(err, "lines are lost"));
  }
  failing_ = !left.empty();
}

void AccessLog::open_again() {
  auto fd = open_file(options_.path);
  if (!fd) {
    log::warn("observe", "{}; the old file stays", fd.error());
    return;
  }
  close_file(fd_);
  fd_ = *fd;
  mid_line_ = false;
}

}  // namespace fairlead::observe
