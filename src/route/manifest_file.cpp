#include "route/manifest_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>

#include "net/fd.h"
#include "route/document.h"

namespace fairlead::route {
namespace {

FileStamp make_stamp(const struct stat& s) {
  auto time = [](const timespec& t) { return WallTime(std::chrono::seconds(t.tv_sec) + Duration(t.tv_nsec)); };
  return {s.st_dev, s.st_ino, static_cast<std::uint64_t>(s.st_size), time(s.st_mtim), time(s.st_ctim)};
}

constexpr Duration kYoung = 2s;  // the coarsest time stamps of a file system (FAT)

bool is_manifest_name(std::string_view name) {
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

}  // namespace

Result<std::vector<std::string>> list_manifests(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(directory.c_str()), &closedir);
  if (!dir) return fail(Error::from_errno(errno, fmt::format("open directory {}", directory)));
  std::vector<std::string> names;
  std::uint64_t total = 0;
  errno = 0;
  while (const dirent* entry = readdir(dir.get())) {
    const std::string name = entry->d_name;
    struct stat s{};
    const bool there = is_manifest_name(name) && stat((directory + "/" + name).c_str(), &s) == 0;
    errno = 0;
    if (!is_manifest_name(name) || (there && S_ISDIR(s.st_mode))) continue;
    names.push_back(name);  // also what cannot be had: reading it tells why
    total += static_cast<std::uint64_t>(s.st_size);
    if (names.size() > kMaxFiles) return fail(Code::too_large, "{} has more than {} files", directory, kMaxFiles);
    if (total > kMaxTotalBytes) return fail(Code::too_large, "the files of {} have more than {} bytes", directory, kMaxTotalBytes);
  }
  if (errno != 0) return fail(Error::from_errno(errno, fmt::format("read directory {}", directory)));
  std::sort(names.begin(), names.end());
  return names;
}

Result<FileStamp> stamp_of(const std::string& path) {
  struct stat s{};
  if (stat(path.c_str(), &s) != 0) return fail(Error::from_errno(errno, "stat"));
  return make_stamp(s);
}

bool is_young(const FileStamp& stamp) {
  const auto now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  return now - std::max(stamp.modified, stamp.changed) < kYoung;
}

Result<FileText> read_file(const std::string& path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const net::Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return fail(Error::from_errno(errno, "open"));
  struct stat s{};
  if (fstat(fd.get(), &s) != 0) return fail(Error::from_errno(errno, "stat"));
  if (!S_ISREG(s.st_mode)) return fail(Code::invalid, "not a regular file");
  FileText file{.text = {}, .stamp = make_stamp(s)};
  // One byte more than allowed is enough to know; the size may be growing.
  file.text.resize(std::min(static_cast<std::size_t>(s.st_size), kMaxFileBytes) + 1);
  std::size_t read_bytes = 0;
  while (read_bytes < file.text.size()) {
    const ssize_t n = read(fd.get(), file.text.data() + read_bytes, file.text.size() - read_bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Error::from_errno(errno, "read"));
    if (n == 0) break;
    read_bytes += static_cast<std::size_t>(n);
  }
  if (read_bytes > kMaxFileBytes) return fail(Code::too_large, "more than {} bytes", kMaxFileBytes);
  file.text.resize(read_bytes);
  return file;
}

}  // namespace fairlead::route
