// manifest_file.h: the files of a directory of manifests, and their text. Synchronous: never called on a loop.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"

namespace fairlead::route {

// People who have more rules than this keep them in a cluster.
inline constexpr std::size_t kMaxFiles = 4096;
inline constexpr std::size_t kMaxTotalBytes = 64_MiB;

// What tells one content of a file from another without reading it.
struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  std::uint64_t size = 0;
  WallTime modified{};
  WallTime changed{};  // also by chmod, and by what sets `modified` back
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// The names in `directory` that end in .yaml, .yml or .json, sorted; those that begin with a dot are left out, and so are
// directories. A symbolic link is what it points to: a ConfigMap volume has front.yaml -> ..data/front.yaml, and ..data is replaced
// as a whole. One level only.
Result<std::vector<std::string>> list_manifests(const std::string& directory);

Result<FileStamp> stamp_of(const std::string& path);
// Whether the file was so young when it got this stamp that it may have changed again under the same one. A time in the future counts
// as young: the clock may have been set back.
bool is_young(const FileStamp& stamp);

// The text of a file, with the stamp that it had before it was read. A regular file of at most kMaxFileBytes.
struct FileText {
  std::string text;
  FileStamp stamp;
};
Result<FileText> read_file(const std::string& path);

}  // namespace fairlead::route
