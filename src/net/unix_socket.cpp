#include "net/unix_socket.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "net/fd.h"
#include "net/socket_listener.h"
#include "net/socket_stream.h"

namespace fairlead::net {

namespace {

// A path as sockaddr_un takes it. One that is longer than its 107 bytes goes by way of its open directory.
class UnixAddress {
 public:
  static Result<UnixAddress> of(const std::string& path) {
    UnixAddress address;
    std::string text = path;
    if (text.size() >= sizeof address.native_.sun_path) {
      const std::filesystem::path whole(path);
      address.directory_ = Fd(::open(whole.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      if (!address.directory_.valid()) return fail(Error::from_errno(errno, fmt::format("open the folder of {}", path)));
      text = fmt::format("/proc/self/fd/{}/{}", address.directory_.get(), whole.filename().string());
    }
    if (text.empty() || text.size() >= sizeof address.native_.sun_path)
      return fail(Code::invalid, "\"{}\" cannot be the path of a socket: its name is empty or too long", path);
    address.native_.sun_family = AF_UNIX;
    std::memcpy(address.native_.sun_path, text.data(), text.size());
    return address;
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&native_); }
  static constexpr socklen_t size() { return sizeof(sockaddr_un); }

 private:
  sockaddr_un native_{};
  Fd directory_;
};

Result<Fd> open_unix() {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail(Error::from_errno(errno, "open a UNIX socket"));
  return fd;
}

Result<Fd> connected(const std::string& path) {
  TRY_ASSIGN(const UnixAddress address, UnixAddress::of(path));
  TRY_ASSIGN(Fd fd, open_unix());
  if (::connect(fd.get(), address.get(), address.size()) == 0) return fd;
  if (errno == EAGAIN) return fail(Code::overloaded, "connect to {}: too many connections wait there", path);
  return fail(Error::from_errno(errno, fmt::format("connect to {}", path)));
}

struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool is_socket = false;
  friend bool operator==(const FileId&, const FileId&) = default;
};
FileId file_at(const std::string& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) return {};
  return {found.st_dev, found.st_ino, S_ISSOCK(found.st_mode)};
}

class UnixListener final : public Listener {
 public:
  UnixListener(AsioLoop& loop, Fd fd, std::string path)
      : listener_(loop, std::move(fd), {}), path_(std::move(path)), made_(file_at(path_)) {}
  ~UnixListener() override {
    if (file_at(path_) == made_) ::unlink(path_.c_str());
  }
  Task<Result<std::unique_ptr<Incoming>>> accept() override { return listener_.accept(); }
  const SocketAddress& local() const override { return listener_.local(); }

 private:
  SocketListener listener_;
  std::string path_;
  FileId made_;
};

}  // namespace

Result<std::unique_ptr<Listener>> listen_unix(AsioLoop& loop, const std::string& path) {
  constexpr int kBacklog = 128;
  TRY_ASSIGN(const UnixAddress address, UnixAddress::of(path));
  TRY_ASSIGN(Fd fd, open_unix());
  ::fchmod(fd.get(), 0600);  // on Linux the file that bind() makes takes its mode from here: no moment in which others may connect
  if (::bind(fd.get(), address.get(), address.size()) != 0) {
    if (errno != EADDRINUSE) return fail(Error::from_errno(errno, fmt::format("bind {}", path)));
    if (!file_at(path).is_socket) return fail(Code::exists, "{} exists and is not a socket", path);
    const auto other = connected(path);
    if (other || other.error().code() != Code::refused) return fail(Code::exists, "another process listens at {}", path);
    ::unlink(path.c_str());
    if (::bind(fd.get(), address.get(), address.size()) != 0) return fail(Error::from_errno(errno, fmt::format("bind {}", path)));
  }
  if (::listen(fd.get(), kBacklog) != 0) return fail(Error::from_errno(errno, fmt::format("listen at {}", path)));
  return std::make_unique<UnixListener>(loop, std::move(fd), path);
}

Result<std::unique_ptr<Stream>> connect_unix(AsioLoop& loop, const std::string& path) {
  TRY_ASSIGN(Fd fd, connected(path));
  return std::make_unique<SocketStream>(loop, std::move(fd), SocketAddress{}, SocketAddress{});
}

}  // namespace fairlead::net
