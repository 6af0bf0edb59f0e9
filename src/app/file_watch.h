// file_watch.h: which of some files have changed since the last look. By inode, size and time, as an atomic replacement changes them.
#pragma once
#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

namespace fairlead::app {

class FileWatch {
 public:
  explicit FileWatch(std::vector<std::filesystem::path> files) : files_(std::move(files)), seen_(look()) {}
  // True once for each change of any of them.
  bool changed() {
    std::vector<Stamp> now = look();
    if (now == seen_) return false;
    seen_ = std::move(now);
    return true;
  }

 private:
  using Stamp = std::tuple<unsigned long, long, long, long>;  // inode, size, seconds, nanoseconds
  std::vector<Stamp> look() const;
  std::vector<std::filesystem::path> files_;
  std::vector<Stamp> seen_;
};

}  // namespace fairlead::app
