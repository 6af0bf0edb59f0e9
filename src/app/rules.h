// rules.h: the rules in force of a component, and what is wrong with those that are not. Read by the admin endpoint, written by the
// watcher's thread; thread-safe.
#pragma once
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/status.h"
#include "route/directory.h"
#include "route/snapshot.h"

namespace fairlead::app {

class Rules {
 public:
  Rules(const std::filesystem::path& folder, route::Site site) : directory_(folder.string(), std::move(site)) {}

  // Watcher's thread, and once before it begins. Reads what changed; null if nothing did or if it cannot be used: then the last good
  // rules stay, and the log and problems() say why.
  std::shared_ptr<const route::Snapshot> reload();

  std::shared_ptr<const route::Snapshot> current() const;
  std::vector<std::string> problems() const;
  // The listeners of the current rules; `failed` are the messages of those that could not be opened, by address.
  std::vector<ListenerState> listeners(const std::vector<std::pair<net::SocketAddress, std::string>>& failed) const;

 private:
  route::Directory directory_;
  mutable std::mutex mutex_;
  std::shared_ptr<const route::Snapshot> current_;
  std::vector<std::string> problems_;
  bool read_once_ = false;
};

}  // namespace fairlead::app
