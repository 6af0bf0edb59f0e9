// index.h: Nodes, Pods, Services and EndpointSlices as they are now, and the Directory that they make. One thread; no I/O.
//
// A change costs what it changes: an object that is put again as it was costs one comparison, and a Directory shares all that did not change
// with the one before.
// Invariant: the tables are what the objects that are there say, in whatever order they came.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <unordered_map>

#include "kube/objects.h"
#include "kube/tables.h"

namespace fairlead::kube {

enum class Kind : std::uint8_t { node, pod, service, slice };
inline constexpr std::size_t kKinds = 4;

class Index {
 public:
  // Of one kind. Kubernetes itself is made for 150,000 Pods; an API server that lists more than this never ends.
  static constexpr std::size_t kMaxObjects = 300'000;

  // Whether a node is an edge by its labels; null: none is.
  using IsEdge = std::function<bool(const Labels&)>;
  explicit Index(IsEdge is_edge = nullptr) : is_edge_(std::move(is_edge)) {}

  // Code::too_large beyond kMaxObjects.
  Result<void> put(Kind kind, const boost::json::object& object);
  void remove(Kind kind, const std::string& key);
  // A list: what is not put between the two is gone at the end. A list that broke off changes nothing but what it has put.
  void begin_list(Kind kind);
  void end_list(Kind kind);

  std::size_t size(Kind kind) const;
  // Whether the Directory would be another one than the last.
  bool changed() const { return changed_ || !stale_.empty(); }
  std::shared_ptr<const Directory> directory();

 private:
  template <class T>
  struct Kept {
    T object;
    std::uint64_t list = 0;  // in which it was seen last
  };
  template <class T>
  struct Store {
    std::unordered_map<std::string, Kept<T>> all;
    std::uint64_t list = 0;
  };
  template <class T>
  Result<void> put_into(Store<T>& store, std::string key, std::optional<T> object);
  template <class T>
  void remove_from(Store<T>& store, const std::string& key);
  template <class T>
  void sweep(Store<T>& store);
  template <class Do>
  auto with_store(Kind kind, Do act);

  // What an object adds to the tables, or takes away with it.
  void count(const std::string& key, const NodeObject& node, bool there);
  void count(const std::string& key, const PodObject& pod, bool there);
  void count(const std::string& key, const ServiceObject& service, bool there);
  void count(const std::string& key, const SliceObject& slice, bool there);
  void claim(const net::IpAddress& ip, const NodeName& node, Claim::Kind kind, bool there);
  void rebuild(const std::string& service);

  IsEdge is_edge_;
  Store<NodeObject> nodes_;
  Store<PodObject> pods_;
  Store<ServiceObject> services_;
  Store<SliceObject> slices_;
  std::unordered_map<std::string, std::set<std::string>> slices_of_;           // by Service
  std::set<std::string> stale_;                                                // Services to be made anew
  std::unordered_map<net::IpAddress, std::set<std::string>, IpHash> holders_;  // of a cluster IP: one, but while it changes hands
  Tables tables_;
  std::size_t endpoints_ = 0;
  bool changed_ = true;
};

}  // namespace fairlead::kube
