#include "app/file_watch.h"

#include <sys/stat.h>

namespace fairlead::app {

std::vector<FileWatch::Stamp> FileWatch::look() const {
  std::vector<Stamp> stamps;
  for (const auto& file : files_) {
    struct stat s{};
    if (::stat(file.c_str(), &s) == 0)
      stamps.emplace_back(s.st_ino, s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
    else
      stamps.emplace_back();
  }
  return stamps;
}

}  // namespace fairlead::app
