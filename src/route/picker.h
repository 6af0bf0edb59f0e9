// picker.h: where one connection goes: a share of the route by weight, then the nodes and targets of its Backend in turn.
//
// One on each loop and for each snapshot; it keeps the turn. Nodes that are not connected are passed over, and a Backend none of
// whose nodes is connected leaves its share to the others. A reference that is no good keeps its share, which is refused.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "base/function_ref.h"
#include "base/random.h"
#include "route/snapshot.h"

namespace fairlead::route {

// The nodes that are connected.
class NodeDirectory {
 public:
  virtual ~NodeDirectory() = default;
  // Changes whenever a node comes, goes or changes its labels.
  virtual std::uint64_t version() const = 0;
  virtual bool is_connected(const NodeName& node) const = 0;
  virtual void for_each(FunctionRef<void(const NodeName&, const Labels&)> visit) const = 0;
};

struct Choice {
  std::optional<NodeName> node;  // none: the cloud
  const Backend* backend;        // of the snapshot
  const Target* target;          // of the backend; FlowOpen carries both: backend->meta.key.to_text(), target->to_text()
};

class Picker {
 public:
  // `nodes` outlives this. At an edge it has no nodes.
  Picker(std::shared_ptr<const Snapshot> snapshot, const NodeDirectory& nodes);

  // Code::not_found: this share is refused, as the rule has it. Code::unreachable: no node of any backend is connected.
  Result<Choice> pick(const TcpListener& listener, Random& random);

  const Snapshot& snapshot() const { return *snapshot_; }

 private:
  struct Turn {
    std::vector<NodeName> nodes;           // connected ones that the Backend picks, by name
    std::optional<std::uint64_t> version;  // of the directory, when `nodes` was made
    std::uint64_t next = 0;
  };
  // `version` is read once for each pick: other threads change the directory meanwhile.
  const std::vector<NodeName>& nodes_of(BackendId id, std::uint64_t version);
  bool is_reachable(const WeightedBackend& share, std::uint64_t version);

  std::shared_ptr<const Snapshot> snapshot_;
  const NodeDirectory& nodes_;
  std::vector<Turn> turns_;  // by BackendId
};

}  // namespace fairlead::route
