// files.h: identity files on disk: read with a limit, written whole or not at all, folders made complete or not at all.
//
// Errors name the file. Blocking: not for a loop.
#pragma once
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/log.h"

namespace fairlead::pki {

Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit);

// The same for what must stay secret; warns in the log when the file may be read by others than its owner.
Result<Secret> read_secret_file(const std::filesystem::path& file, std::size_t limit);

// Temporary file beside it, fsync, rename, fsync of the folder: after a crash the old file or the new one is there, never a part.
Result<void> write_file(const std::filesystem::path& file, std::string_view text, unsigned mode);

// Held by one process at a time for each folder: around reading, changing and writing a file in it.
class FolderLock {
 public:
  static Result<FolderLock> take(const std::filesystem::path& dir);  // waits
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

// Makes `dir` (mode 0700) with what `fill` writes into the folder it is given. That folder lies beside `dir` and is renamed at the end, so
// `dir` exists complete or not at all. A `dir` that exists and is not empty is refused; missing parents are made.
Result<void> make_folder(const std::filesystem::path& dir, FunctionRef<Result<void>(const std::filesystem::path& staging)> fill);

// Its two halves, for a folder that takes longer to fill than one call. `new_folder` checks that `dir` may be made, makes missing parents
// and gives its path without a slash at the end; `put_in_place` renames a filled folder that lies beside it.
Result<std::filesystem::path> new_folder(const std::filesystem::path& dir);
Result<void> put_in_place(const std::filesystem::path& staging, const std::filesystem::path& target);

}  // namespace fairlead::pki
