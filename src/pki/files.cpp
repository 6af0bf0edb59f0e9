#include "pki/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace fairlead::pki {
namespace {

namespace fs = std::filesystem;

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

// Removes what it names unless keep() was called.
class Leftover {
 public:
  explicit Leftover(fs::path path) : path_(std::move(path)) {}
  Leftover(const Leftover&) = delete;
  Leftover& operator=(const Leftover&) = delete;
  ~Leftover() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  void keep() { path_.clear(); }

 private:
  fs::path path_;
};

std::unexpected<Error> cannot(std::string_view what, const fs::path& file, int err) {
  return fail(Error::from_errno(err, fmt::format("cannot {} {}", what, file.native())));
}

fs::path parent_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

Result<void> sync_folder(const fs::path& dir) {
  File folder(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.ok()) return cannot("open", dir, errno);
  if (::fsync(folder.fd()) != 0) return cannot("sync", dir, errno);
  return {};
}

Result<std::string> read_all(int fd, const fs::path& file, std::size_t limit) {
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cannot("read", file, errno);
    if (n == 0) return text;
    if (text.size() + static_cast<std::size_t>(n) > limit) return fail(Code::too_large, "{} has more than {} bytes", file.native(), limit);
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

}  // namespace

Result<std::string> read_file(const fs::path& file, std::size_t limit) {
  File in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in.ok()) return cannot("read", file, errno);
  return read_all(in.fd(), file, limit);
}

Result<Secret> read_secret_file(const fs::path& file, std::size_t limit) {
  File in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in.ok()) return cannot("read", file, errno);
  struct stat status{};
  if (::fstat(in.fd(), &status) != 0) return cannot("read", file, errno);
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    log::warn("pki", "{} has mode {:04o}: others than its owner may use this secret; `chmod 600` it", file.native(),
              status.st_mode & 07777u);
  TRY_ASSIGN(std::string text, read_all(in.fd(), file, limit));
  return Secret(std::move(text));
}

Result<void> write_file(const fs::path& file, std::string_view text, unsigned mode) {
  const fs::path parent = parent_of(file);
  std::string name = (parent / ("." + file.filename().native() + ".XXXXXX")).native();
  File out(::mkostemp(name.data(), O_CLOEXEC));
  if (!out.ok()) return cannot("write", file, errno);
  Leftover temporary(name);
  if (::fchmod(out.fd(), mode) != 0) return cannot("write", file, errno);
  while (!text.empty()) {
    const ssize_t n = ::write(out.fd(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cannot("write", file, errno);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(out.fd()) != 0) return cannot("write", file, errno);
  if (::rename(name.c_str(), file.c_str()) != 0) return cannot("write", file, errno);
  temporary.keep();
  return sync_folder(parent);
}

Result<FolderLock> FolderLock::take(const fs::path& dir) {
  const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return cannot("open", dir, errno);
  FolderLock lock(fd);
  while (::flock(fd, LOCK_EX) != 0)
    if (errno != EINTR) return cannot("lock", dir, errno);
  return lock;
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

Result<fs::path> new_folder(const fs::path& dir) {
  fs::path target = dir.has_filename() ? dir : dir.parent_path();  // "D/" is D
  const std::string name = target.filename().native();
  if (name.empty() || name == "." || name == "..") return fail(Code::invalid, "{}: give the new folder by its name", dir.native());
  const fs::path parent = parent_of(target);

  std::error_code error;
  fs::create_directories(parent, error);
  if (error) return cannot("make", parent, error.value());
  const fs::file_status status = fs::symlink_status(target, error);
  if (fs::exists(status) && (!fs::is_directory(status) || !fs::is_empty(target, error) || error))
    return fail(Code::exists, "{} exists already and is not an empty folder: nothing was changed; choose another name, or remove it first",
                target.native());
  return target;
}

Result<void> put_in_place(const fs::path& staging, const fs::path& target) {
  TRY(sync_folder(staging));
  // rename() replaces an empty folder and nothing else; without one, RENAME_NOREPLACE keeps out whoever was faster.
  std::error_code error;
  const int rc = fs::exists(fs::symlink_status(target, error))
                     ? ::rename(staging.c_str(), target.c_str())
                     : ::renameat2(AT_FDCWD, staging.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE);
  if (rc != 0 && errno == EBUSY) return fail(Code::invalid, "{} is a mount point: give the name of a new folder in it", target.native());
  if (rc != 0) return cannot("make", target, errno);
  return sync_folder(parent_of(target));
}

Result<void> make_folder(const fs::path& dir, FunctionRef<Result<void>(const fs::path& staging)> fill) {
  TRY_ASSIGN(const fs::path target, new_folder(dir));
  std::string staging = (parent_of(target) / ("." + target.filename().native() + ".new-XXXXXX")).native();
  if (::mkdtemp(staging.data()) == nullptr) return cannot("make", target, errno);  // mode 0700
  Leftover leftover(staging);
  TRY(fill(staging));
  TRY(put_in_place(staging, target));
  leftover.keep();
  return {};
}

}  // namespace fairlead::pki
