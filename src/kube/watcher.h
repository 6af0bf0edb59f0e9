// watcher.h: keeps a collection as the API server has it: list, then watch from there, for ever.
//
// A watch that ends goes on where it was; one whose place is too old (410) makes a new list. Failures are waited out, longer each time,
// and past servers that do not answer. What is known stays while nothing new can be had.
#pragma once
#include <boost/json/object.hpp>
#include <functional>
#include <optional>
#include <string>

#include "kube/api_client.h"
#include "kube/wanted.h"

namespace fairlead::kube {

// What is watched, and what of each object.
struct Watched {
  std::string path;      // "/api/v1/pods"
  std::string group;     // "", "discovery.k8s.io"
  std::string resource;  // "pods"
  std::string selector;  // of the query: "fieldSelector=...", encoded; empty: all
  const Wanted& wanted;  // with metadata/name, namespace and resourceVersion
};

class Collection {
 public:
  virtual ~Collection() = default;
  virtual void begin_list() = 0;
  // An object as it is now. An error ends the list or watch, to be tried again later.
  virtual Result<void> put(const boost::json::object& object) = 0;
  virtual void remove(const boost::json::object& object) = 0;
  // What was not put since begin_list() is gone.
  virtual void end_list() = 0;
  // Something may have been put or removed.
  virtual void changed() = 0;
};

class Watcher {
 public:
  static constexpr std::size_t kPage = 500;       // objects of a list at a time
  static constexpr std::size_t kMaxPages = 2000;  // a list of more never ends
  static constexpr std::size_t kMaxToken = 16_KiB;
  static constexpr Duration kPageTimeout = 5min;
  static constexpr Duration kWatchFor = 5min;     // at least, at most twice that; so not all watches end at once
  static constexpr Duration kWatchSilence = 90s;  // a server says something each minute (bookmarks): this one is dead
  static constexpr Duration kSteady = 10s;        // a watch that lasted so long is none that fails
  static constexpr Duration kFirstPause = 500ms;  // doubled for each failure in a row
  static constexpr Duration kLongestPause = 30s;  // and up to half of it less, by chance

  Watcher(ApiClient& client, Watched watched, Collection& collection);

  Task<void> run();

  struct State {
    bool synced = false;  // was whole once
    std::uint64_t lists = 0, watches = 0, events = 0;
    std::optional<Error> failure;  // since then nothing new was learned
  };
  const State& state() const { return state_; }
  const std::string& resource() const { return watched_.resource; }

 private:
  Task<Result<void>> list();
  Task<Result<std::string>> list_page(std::string token);
  Task<Result<void>> watch();
  Result<void> take(boost::json::object& event);
  ApiRequest request(std::string_view verb, std::string query) const;
  void learned();
  void failed(const Error& why);
  Duration pause();

  ApiClient& client_;
  Watched watched_;
  Collection& collection_;
  std::string version_;  // up to which all is known; "": nothing is
  std::size_t failures_ = 0;
  State state_;
};

}  // namespace fairlead::kube
