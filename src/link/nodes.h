// nodes.h: which node is connected where, for all loops of one process. Thread-safe; every call is short.
//
// Invariant: a node has at most one session in this process that takes new flows. A later hello takes over from an earlier one, whose
// session is ended; unless the same edge says that the later one is another carrier beside it: then the earlier one steps back, its flows
// run to their end, and it steps forward again when the later one steps back or is gone.
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
    std::vector<Place> beside;   // that have stepped back, the latest first
    wire::Labels labels;         // of the edge, and over them those that the cloud has set
    std::string software;
    std::string address;  // of the peer, as last seen
    WallTime changed{};   // connected, or gone, since
    std::string reason;   // why it is gone
  };

  struct Before {
    std::vector<Place> over;            // which the caller must end
    std::optional<Place> stepped_back;  // which takes no new flows from now on
  };
  // Registers a session. `beside`: the edge says that its earlier ones, of the same boot, go on.
  Before claim(const NodeName& node, const Place& place, wire::Labels labels, std::string software, std::string address, WallTime now,
               bool beside = false);
  // The session is over. Returns the one that steps forward in its place.
  std::optional<Place> release(const NodeName& node, const Place& place, std::string reason, WallTime now);
  // The session takes no new flows any more. Returns the one that steps forward; none: nobody else is there, and all stays as it was.
  std::optional<Place> step_back(const NodeName& node, const Place& place);
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
