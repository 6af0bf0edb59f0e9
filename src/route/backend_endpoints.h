// backend_endpoints.h: the endpoints of one Backend that can be reached now, in the groups from which one is taken.
//
// Belongs to one Balancer. The lists are made again only when the directory of nodes has another version.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "route/endpoint_group.h"
#include "route/picker.h"

namespace fairlead::route {

// The connected nodes, as all Backends of a Balancer look at them: read from the directory once for each of its versions.
class Roster {
 public:
  explicit Roster(const NodeDirectory& nodes) : nodes_(nodes) {}

  // Once for each pick: other threads change the directory meanwhile.
  void look() { version_ = nodes_.version(); }
  std::uint64_t version() const { return version_; }
  bool is_connected(const NodeName& node) const { return nodes_.is_connected(node); }
  // By name.
  const std::vector<std::pair<NodeName, Labels>>& all();

 private:
  const NodeDirectory& nodes_;
  std::uint64_t version_ = 0;
  std::optional<std::uint64_t> read_;
  std::vector<std::pair<NodeName, Labels>> all_;
};

class BackendEndpoints {
 public:
  BackendEndpoints(const Backend& backend, std::shared_ptr<BackendState> state) : backend(backend), state(std::move(state)) {}

  // Those of a share, which may have only some of the targets. The preferred ones, if some are, and the others. May be empty.
  std::span<EndpointGroup> of(const WeightedBackend& share, Roster& roster);

  // The same at one node (nodeFrom). Code::invalid: the Backend is not there at a node of that name; Code::unreachable: it is not
  // connected.
  std::expected<std::span<EndpointGroup>, Code> at(std::string_view node, const WeightedBackend& share, Roster& roster);

  const Backend& backend;
  const std::shared_ptr<BackendState> state;

 private:
  struct Selection {
    std::vector<std::uint32_t> targets;
    std::vector<EndpointGroup> groups;
  };
  struct Selections {
    std::vector<std::shared_ptr<EndpointState>> states;  // of each target at each node, by target, then by node
    std::vector<Selection> each;                         // one, unless references name ports
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  void refresh(Roster& roster);
  std::span<EndpointGroup> select(Selections& from, const WeightedBackend& share, std::size_t nodes);
  void fill(Selection& selection, const std::vector<std::shared_ptr<EndpointState>>& states, std::size_t nodes) const;
  std::uint32_t weight_of(const EndpointState& endpoint) const;

  std::optional<std::uint64_t> version_;
  std::vector<NodeName> nodes_;
  std::vector<bool> preferred_;  // by node
  Selections all_;
  std::unordered_map<std::string, Selections, TextHash, std::equal_to<>> at_node_;  // with nodeFrom: those that were asked for
};

}  // namespace fairlead::route
