// directory.h: the rules of a directory of manifests, and their changes.
//
// Synchronous, for one thread that is no loop: the app calls changed() every 500 ms (or when inotify says so) and reload() when it is
// true, then hands the snapshot to the loops. Only files that changed are parsed again. All or nothing: while any file is wrong, the
// last good snapshot stays. The files of CAs that Backends name are part of the rules.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "route/ca_files.h"
#include "route/manifest_file.h"
#include "route/snapshot.h"

namespace fairlead::route {

class Directory {
 public:
  Directory(std::string path, Site site) : path_(std::move(path)), site_(std::move(site)) {}

  // Whether reload() may come to another result than the last one did. True before the first.
  bool changed();

  // Reads what changed. Code::invalid with all problems, a line each, when a manifest is wrong.
  Result<std::shared_ptr<const Snapshot>> reload();

  // The last good one; null before.
  const std::shared_ptr<const Snapshot>& current() const { return current_; }
  // Of the last reload: errors, or the warnings of the snapshot in force.
  const std::vector<Problem>& problems() const { return problems_; }

  // A node's labels change: the next changed() is true.
  void set_site(Site site);

 private:
  struct File {
    FileStamp stamp;
    // The file was so young when it was read that it can change again under the same stamp: its content is compared until it is not.
    bool young = false;
    std::size_t hash = 0;
    Manifests manifests;
    std::vector<Problem> problems;
  };
  std::string path_of(const std::string& name) const { return path_ + "/" + name; }
  bool is_same(const std::string& name, File& file) const;
  File load(const std::string& name) const;

  std::string path_;
  Site site_;
  bool site_changed_ = true;
  std::string list_error_;             // why the last reload could not even list the files
  std::map<std::string, File> files_;  // by name
  CaFiles ca_files_;
  std::shared_ptr<const Snapshot> current_;
  std::vector<Problem> problems_;
};

}  // namespace fairlead::route
