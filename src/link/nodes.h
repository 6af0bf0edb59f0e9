// nodes.h: which node is connected where, for all loops of one process. Thread-safe; every call is short.
//
// Invariant: a node has at most one session in this process. A later hello takes over from an earlier one, whose session is ended.
#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "wire/message.h"

namespace fairlead::link {

using SessionId = Strong<struct SessionIdTag, std::uint64_t>;

class Nodes {
 public:
  // Nodes that are gone are remembered, so that status can tell since when; the oldest are forgotten first.
  static constexpr std::size_t kRemembered = 10'000;

  struct Place {
    LoopIndex loop;
    SessionId session;
    BootId boot;
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct Entry {
    std::optional<Place> place;  // none: not connected
    wire::Labels labels;         // of the edge, and over them those that the cloud has set
    std::string software;
    std::string address;  // of the peer, as last seen
    WallTime changed{};   // connected, or gone, since
    std::string reason;   // why it is gone
  };

  // Registers a session; returns the one that it takes over from, which the caller must end.
  std::optional<Place> claim(const NodeName& node, const Place& place, wire::Labels labels, std::string software, std::string address,
                             WallTime now);
  // Nothing happens if another session has taken over meanwhile.
  void release(const NodeName& node, const Place& place, std::string reason, WallTime now);
  void set_labels(const NodeName& node, const Place& place, wire::Labels labels);

  // What the cloud says of nodes, connected or not; goes before what they say of themselves.
  void set_cloud_labels(std::map<NodeName, wire::Labels> labels);

  std::optional<Place> find(const NodeName& node) const;
  // Connected now or before.
  bool knows(const NodeName& node) const;
  std::map<NodeName, Entry> all() const;
  std::size_t connected() const;
  // Changes whenever a node comes, goes or changes its labels: for those who keep something computed from all().
  std::uint64_t version() const;

 private:
  mutable std::mutex mutex_;
  std::map<NodeName, Entry> entries_;  // with the edges' own labels
  std::map<NodeName, wire::Labels> cloud_labels_;
  std::size_t connected_ = 0;
  std::uint64_t version_ = 0;
};

}  // namespace fairlead::link
