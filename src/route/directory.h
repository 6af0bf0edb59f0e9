// directory.h: the manifests of a folder, read again when they change.
//
// Files that end in .yaml, .yml or .json, in the order of their names; hidden files and folders are passed over (Kubernetes mounts a
// ConfigMap as links into a hidden folder: the links are read, and a change moves them all at once). Only files that changed are
// parsed again. Blocking: called off the loops, by one thread.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <tuple>

#include "route/manifests.h"
#include "route/snapshot.h"

namespace fairlead::route {

class Directory {
 public:
  static constexpr std::size_t kMaxFiles = 10'000;

  Directory(std::filesystem::path path, Site site) : path_(std::move(path)), site_(std::move(site)) {}

  // Whether reload() would read anything else than the last time. A look at the folder and each file, nothing is read.
  bool changed() const;
  // The rules of all files together, or everything that is wrong with them (a line each). A folder that is not there is empty.
  Result<std::shared_ptr<const Snapshot>> reload();

 private:
  using Stamp = std::tuple<std::uint64_t, std::int64_t, std::int64_t, std::int64_t>;  // inode, size, seconds, nanoseconds
  struct File {
    Stamp stamp;
    std::shared_ptr<const Manifests> manifests;
    std::vector<Problem> problems;
  };
  std::map<std::filesystem::path, Stamp> look() const;

  std::filesystem::path path_;
  Site site_;
  std::map<std::filesystem::path, Stamp> seen_;
  std::map<std::filesystem::path, File> files_;
};

// The files of a folder that hold manifests, by name.
std::vector<std::filesystem::path> manifest_files(const std::filesystem::path& folder);

// All of a file, Code::too_large beyond kMaxFileBytes.
Result<std::string> read_manifest_file(const std::filesystem::path& file);

}  // namespace fairlead::route
