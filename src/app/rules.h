// rules.h: the rules in force of a component, and what is wrong with those that are not. Read by the admin endpoint, written by the
// watcher's thread; thread-safe.
#pragma once
#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/file_watch.h"
#include "app/rule_set.h"
#include "app/status.h"
#include "route/directory.h"

namespace fairlead::app {

class Rules {
 public:
  // A listener whose port was taken is tried again after so many looks of the watcher, about three seconds.
  static constexpr int kRetryLooks = 10;

  Rules(const std::filesystem::path& folder, route::Site site) : directory_(folder.string(), std::move(site)) {}

  // Watcher's thread, and once before it begins. What is to be put in force now: rules or certificates that changed, or the current
  // rules anew if `again` (something beside them changed) or if a listener is to be tried again. Null: nothing. Rules that cannot be
  // used change nothing, and the log and problems() say why.
  std::shared_ptr<const RuleSet> look(const Config& config, bool again = false);
  // From any thread: a listener could not be opened.
  void retry_soon() { retry_ = true; }

  std::shared_ptr<const RuleSet> current() const;
  std::vector<std::string> problems() const;
  // The listeners of the current rules; `failed` are those that could not be opened.
  std::vector<ListenerState> listeners(const ListenerFailures& failed) const;

 private:
  std::shared_ptr<const route::Snapshot> reload();

  // To free 10,000 routes takes milliseconds: rules that no loop uses any more are freed here, on the watcher's thread.
  void free_what_nobody_uses();

  route::Directory directory_;
  std::optional<FileWatch> tls_files_;
  std::vector<std::shared_ptr<const route::Snapshot>> retired_;
  mutable std::mutex mutex_;
  std::shared_ptr<const RuleSet> current_;
  std::vector<std::string> problems_;
  bool read_once_ = false;
  int looks_ = 0;
  std::atomic<bool> retry_{false};
};

}  // namespace fairlead::app
