// archive.h: a folder as one file, in the tar format (POSIX ustar), so that `tar tf` shows it. Only files and folders of plain names:
// what else an archive has is refused, as is one that is cut off or changed: the last entry is a digest of all before it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/log.h"

namespace fairlead::enrol {

struct ArchiveEntry {
  std::string path;  // relative, parts joined by "/", none of them "." or ".."
  unsigned mode = 0600;
  Secret content;
};

inline constexpr std::size_t kMaxArchive = std::size_t{1} << 30;  // held in memory once

// Code::invalid for a path that does not fit (more than 100 bytes) or is not plain.
Result<Secret> write_archive(const std::vector<ArchiveEntry>& entries);
Result<std::vector<ArchiveEntry>> read_archive(std::string_view archive);

}  // namespace fairlead::enrol
