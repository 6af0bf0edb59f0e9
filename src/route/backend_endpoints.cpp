#include "route/backend_endpoints.h"

#include <algorithm>

namespace fairlead::route {

const std::vector<std::pair<NodeName, Labels>>& Roster::all() {
  if (read_ == version_) return all_;
  all_.clear();
  nodes_.for_each([&](const NodeName& node, const Labels& labels) { all_.emplace_back(node, labels); });
  std::ranges::sort(all_, {}, &std::pair<NodeName, Labels>::first);
  read_ = version_;
  return all_;
}

std::uint32_t BackendEndpoints::weight_of(const EndpointState& endpoint) const {
  if (!endpoint.name.node) return 1;
  const auto weight = backend.balancing.weights.find(*endpoint.name.node);
  return weight == backend.balancing.weights.end() ? 1 : weight->second;
}

void BackendEndpoints::fill(Selection& selection, const std::vector<std::shared_ptr<EndpointState>>& states, std::size_t nodes) const {
  const bool prefers = std::ranges::find(preferred_, true) != preferred_.end();
  std::vector<EndpointGroup::Member> members[2];
  for (const std::uint32_t target : selection.targets)
    for (std::size_t node = 0; node < nodes; node++) {
      const std::shared_ptr<EndpointState>& endpoint = states[target * nodes + node];
      members[prefers && !preferred_[node] ? 1 : 0].push_back({endpoint, target, weight_of(*endpoint), endpoint->token});
    }
  selection.groups.resize(prefers ? 2 : 1);
  for (std::size_t i = 0; i < selection.groups.size(); i++) selection.groups[i].assign(std::move(members[i]));
}

std::span<EndpointGroup> BackendEndpoints::select(Selections& from, const WeightedBackend& share, std::size_t nodes) {
  for (Selection& known : from.each)
    if (known.targets == share.targets) return known.groups;
  Selection& made = from.each.emplace_back(Selection{.targets = share.targets, .groups = {}});
  fill(made, from.states, nodes);
  return made.groups;
}

void BackendEndpoints::refresh(Roster& roster) {
  if (version_ == roster.version()) return;
  const bool first = !version_;
  version_ = roster.version();
  std::vector<NodeName> nodes;
  std::vector<bool> preferred;
  const NodeChoice* choice = std::get_if<NodeChoice>(&backend.location);
  if (choice != nullptr) {
    const std::optional<NodeChoice>& prefer = backend.balancing.preferred;
    if (const NodeName* name = std::get_if<NodeName>(&choice->by); name != nullptr) {
      if (roster.is_connected(*name)) nodes.push_back(*name);
    } else {
      for (const auto& [node, labels] : roster.all()) {
        if (!choice->picks(node, labels)) continue;
        nodes.push_back(node);
        if (prefer) preferred.push_back(prefer->picks(node, labels));
      }
    }
  }
  if (!first && nodes == nodes_ && preferred == preferred_) return;
  nodes_ = std::move(nodes);
  preferred_ = std::move(preferred);
  std::vector<EndpointName> names;
  for (const Target& target : backend.targets) {
    if (choice == nullptr) names.push_back({{}, target.to_text()});
    for (const NodeName& node : nodes_) names.push_back({node, target.to_text()});
  }
  all_.states = state->endpoints(names, true);
  for (Selection& selection : all_.each) fill(selection, all_.states, choice == nullptr ? 1 : nodes_.size());
}

std::span<EndpointGroup> BackendEndpoints::of(const WeightedBackend& share, Roster& roster) {
  refresh(roster);
  return select(all_, share, std::holds_alternative<Backend::Cloud>(backend.location) ? 1 : nodes_.size());
}

std::expected<std::span<EndpointGroup>, Code> BackendEndpoints::at(std::string_view node, const WeightedBackend& share, Roster& roster) {
  if (version_ != roster.version()) {
    version_ = roster.version();
    at_node_.clear();
  }
  if (const auto known = at_node_.find(node); known != at_node_.end()) return select(known->second, share, 1);
  const NodeChoice* choice = std::get_if<NodeChoice>(&backend.location);
  const Result<NodeName> name = NodeName::parse(node);
  if (!name || choice == nullptr) return std::unexpected(Code::invalid);
  if (!roster.is_connected(*name)) return std::unexpected(Code::unreachable);
  if (const Labels* wanted = std::get_if<Labels>(&choice->by); wanted == nullptr || !wanted->empty()) {
    const auto& all = roster.all();
    const auto found = std::ranges::lower_bound(all, *name, {}, &std::pair<NodeName, Labels>::first);
    if (found == all.end() || found->first != *name) return std::unexpected(Code::unreachable);
    if (!choice->picks(*name, found->second)) return std::unexpected(Code::invalid);
  }
  std::vector<EndpointName> names;
  for (const Target& target : backend.targets) names.push_back({*name, target.to_text()});
  Selections& made = at_node_[name->value()];
  made.states = state->endpoints(names, false);
  return select(made, share, 1);
}

}  // namespace fairlead::route
