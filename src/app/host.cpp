#include "app/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

namespace fairlead::app {
namespace {

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, s);
  return set;
}

struct SignalFd {
  SignalFd() {
    const sigset_t set = handled_signals();
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  }
  ~SignalFd() {
    if (fd >= 0) ::close(fd);
  }
  int fd = -1;
};

}  // namespace

void prepare_process() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

std::vector<net::IpAddress> own_addresses() {
  std::vector<net::IpAddress> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr) continue;
    const socklen_t size = i->ifa_addr->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    auto address = net::SocketAddress::from_sockaddr(i->ifa_addr, size);
    if (address && !address->ip.is_loopback()) addresses.push_back(address->ip);
  }
  freeifaddrs(list);
  return addresses;
}

Task<void> read_signals(AsioLoop& loop, std::move_only_function<void(Signal)> got) {
  SignalFd signals;
  FdEvents events(loop, signals.fd);
  for (;;) {
    signalfd_siginfo info{};
    while (::read(signals.fd, &info, sizeof info) == sizeof info) got(info.ssi_signo == SIGHUP ? Signal::reload : Signal::end);
    co_await events.readable();
  }
}

Result<FolderLock> FolderLock::take(const std::filesystem::path& dir) {
  // A file of its own: the folder itself is locked by commands that change what is in it while a component runs.
  const std::filesystem::path file = dir / kLockFile;
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return std::unexpected(Error::from_errno(errno, fmt::format("open {}", file.string())));
  FolderLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0)
    return fail(Code::exists, "another process is running on the folder {}: end it first, or use another folder", dir.string());
  return lock;
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

Usage usage() {
  Usage now;
  if (std::FILE* statm = std::fopen("/proc/self/statm", "re")) {
    unsigned long size = 0, resident = 0;
    if (std::fscanf(statm, "%lu %lu", &size, &resident) == 2)
      now.resident_bytes = resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    std::fclose(statm);
  }
  if (DIR* fds = ::opendir("/proc/self/fd")) {
    while (::readdir(fds) != nullptr) now.descriptors++;
    ::closedir(fds);
    now.descriptors -= std::min<std::uint64_t>(now.descriptors, 3);  // ".", "..", and the one that reads them
  }
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  now.cpu_seconds = static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                    static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  return now;
}

}  // namespace fairlead::app
