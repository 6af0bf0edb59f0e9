#include "plugins/kube/port_plan.h"

#include <fmt/format.h>

#include <charconv>

namespace fairlead::kube_plugin {

PortPlan PortPlan::parse(std::string_view text, route::PortRange range) {
  PortPlan plan(range);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::uint16_t port = 0;
    const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), port);
    if (error != std::errc() || port < range.first || port > range.last || rest == line.data() + line.size() || *rest != ' ') continue;
    const auto node = NodeName::parse(line.substr(static_cast<std::size_t>(rest - line.data()) + 1));
    if (!node || plan.ports_.contains(*node) || plan.nodes_.contains(port)) continue;
    plan.ports_.emplace(*node, port);
    plan.nodes_.emplace(port, *node);
  }
  return plan;
}

std::string PortPlan::to_text() const {
  std::string text;
  for (const auto& [port, node] : nodes_) text += fmt::format("{} {}\n", port, node);
  return text;
}

std::optional<std::uint16_t> PortPlan::free_port(const std::set<NodeName>& wanted) {
  for (std::uint32_t port = range_.first; port <= range_.last; port++)
    if (!nodes_.contains(static_cast<std::uint16_t>(port))) return static_cast<std::uint16_t>(port);
  for (auto it = nodes_.begin(); it != nodes_.end(); ++it) {
    if (wanted.contains(it->second)) continue;
    const std::uint16_t port = it->first;
    ports_.erase(it->second);
    nodes_.erase(it);
    return port;
  }
  return std::nullopt;
}

std::set<NodeName> PortPlan::assign(const std::set<NodeName>& nodes, bool& changed) {
  std::set<NodeName> left_out;
  for (const NodeName& node : nodes) {
    if (ports_.contains(node)) continue;
    const std::optional<std::uint16_t> port = free_port(nodes);
    if (!port) {
      left_out.insert(node);
      continue;
    }
    ports_.emplace(node, *port);
    nodes_.emplace(*port, node);
    changed = true;
  }
  return left_out;
}

}  // namespace fairlead::kube_plugin
