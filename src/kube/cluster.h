// cluster.h: watches a cluster and tells of each new Directory.
//
// On one loop. However many events come, a Directory is made at most every kPace, and only if it would be another one; the first when all
// four kinds were listed. What is told is immutable: hand it to other loops as it is. While no API server can be reached the last one
// stays good.
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kube/api_client.h"
#include "kube/index.h"
#include "kube/watcher.h"
#include "runtime/scope.h"
#include "runtime/timer.h"

namespace fairlead::kube {

class Cluster {
 public:
  static constexpr Duration kPace = 50ms;

  // Called on the loop, between tasks.
  using Tell = std::move_only_function<void(std::shared_ptr<const Directory>)>;
  Cluster(net::Network& network, LoadAccess load, Index::IsEdge is_edge, Tell tell);

  // For requests of others. They end before this does.
  ApiClient& client() { return client_; }

  struct KindState {
    std::string resource;  // "pods"
    std::size_t objects = 0;
    Watcher::State watch;
  };
  std::vector<KindState> states() const;

 private:
  // One kind of the index, as its Watcher sees it.
  class Part final : public Collection {
   public:
    Part(Cluster& cluster, Kind kind) : cluster_(cluster), kind_(kind) {}
    void begin_list() override { cluster_.index_.begin_list(kind_); }
    Result<void> put(const boost::json::object& object) override { return cluster_.index_.put(kind_, object); }
    void remove(const boost::json::object& object) override { cluster_.index_.remove(kind_, key_of(object)); }
    void end_list() override { cluster_.index_.end_list(kind_); }
    void changed() override { cluster_.look(); }

   private:
    Cluster& cluster_;
    Kind kind_;
  };
  void look();
  void tell();

  Loop& loop_;
  ApiClient client_;
  Index index_;
  Tell tell_;
  TimePoint next_{};  // no Directory before
  Timer timer_;
  std::array<Part, kKinds> parts_;
  std::array<Watcher, kKinds> watchers_;  // by Kind
  Scope watching_;
};

}  // namespace fairlead::kube
