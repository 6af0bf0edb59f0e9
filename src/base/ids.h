// ids.h: strong types for what would otherwise be a bare string or number. A value that exists is valid.
#pragma once
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace fairlead {

template <class Tag, class T>
class Strong {
 public:
  using value_type = T;
  constexpr Strong() = default;
  constexpr explicit Strong(T value) : value_(std::move(value)) {}
  constexpr const T& value() const { return value_; }
  friend constexpr auto operator<=>(const Strong&, const Strong&) = default;

 private:
  T value_{};
};

using LoopIndex = Strong<struct LoopIndexTag, std::uint16_t>;  // which loop of this process
using FlowId = Strong<struct FlowIdTag, std::uint64_t>;        // unique in this process, for logs
using BootId = Strong<struct BootIdTag, std::uint64_t>;        // random, one for each start of an edge

// The name of a node: an RFC 1123 subdomain, as Kubernetes has it (at most 253 of [a-z0-9.-]).
class NodeName {
 public:
  static constexpr std::size_t kMaxSize = 253;
  static Result<NodeName> parse(std::string_view text);

  const std::string& value() const { return value_; }
  friend auto operator<=>(const NodeName&, const NodeName&) = default;

 private:
  explicit NodeName(std::string value) : value_(std::move(value)) {}
  std::string value_;
};

}  // namespace fairlead

template <class Tag, class T>
struct std::hash<fairlead::Strong<Tag, T>> {
  std::size_t operator()(const fairlead::Strong<Tag, T>& id) const { return std::hash<T>{}(id.value()); }
};
template <>
struct std::hash<fairlead::NodeName> {
  std::size_t operator()(const fairlead::NodeName& n) const { return std::hash<std::string>{}(n.value()); }
};
template <class Tag, class T>
struct fmt::formatter<fairlead::Strong<Tag, T>> : fairlead::TextFormatter {
  auto format(const fairlead::Strong<Tag, T>& id, fmt::format_context& ctx) const { return fmt::format_to(ctx.out(), "{}", id.value()); }
};
template <>
struct fmt::formatter<fairlead::NodeName> : fairlead::TextFormatter {
  auto format(const fairlead::NodeName& n, fmt::format_context& ctx) const { return text(n.value(), ctx); }
};
