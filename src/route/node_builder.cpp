#include "route/node_builder.h"

#include <fmt/format.h>

#include <algorithm>

namespace fairlead::route {

bool NodeBuilder::count(Position at) {
  if (++nodes_ <= kMaxNodes) return true;
  problems_.add(Severity::error, at, "", fmt::format("more than {} values in one file", kMaxNodes));
  return false;
}

bool NodeBuilder::begin(Node::Kind kind, Position at) {
  if (!count(at)) return false;
  if (open_.size() == kMaxDepth) {
    error(at, fmt::format("more than {} levels deep", kMaxDepth));
    return false;
  }
  open_.emplace_back();
  open_.back().node.kind = kind;
  open_.back().node.at = at;
  return true;
}

bool NodeBuilder::end() {
  Node node = std::move(open_.back().node);
  if (node.kind == Node::Kind::mapping) refuse_duplicates(node);
  open_.pop_back();
  place(std::move(node));
  return true;
}

bool NodeBuilder::add(Node scalar) {
  if (!count(scalar.at)) return false;
  if (scalar.text.find('\0') != std::string::npos) error(scalar.at, "a NUL character in a text");
  place(std::move(scalar));
  return true;
}

bool NodeBuilder::key(std::string name, Position at) {
  if (!count(at)) return false;
  if (name.find('\0') != std::string::npos) error(at, "a NUL character in a key");
  Open& map = open_.back();
  map.key = std::move(name);
  map.key_at = at;
  map.has_key = true;
  return true;
}

void NodeBuilder::place(Node node) {
  if (open_.empty()) {
    if (node.kind != Node::Kind::null) documents_.push_back(std::move(node));
    return;
  }
  Open& parent = open_.back();
  if (parent.node.kind == Node::Kind::sequence) {
    parent.node.items.push_back(std::move(node));
  } else {
    parent.node.members.push_back({std::move(parent.key), parent.key_at, std::move(node)});
    parent.has_key = false;
  }
}

// Sorted, so that a mapping of a million keys is no attack.
void NodeBuilder::refuse_duplicates(const Node& mapping) {
  std::vector<const Member*> sorted;
  sorted.reserve(mapping.members.size());
  for (const Member& m : mapping.members) sorted.push_back(&m);
  std::sort(sorted.begin(), sorted.end(), [](const Member* a, const Member* b) { return a->name != b->name ? a->name < b->name : a < b; });
  for (std::size_t i = 1; i < sorted.size(); i++)
    if (sorted[i]->name == sorted[i - 1]->name)
      error(sorted[i]->at,
            fmt::format("the key {} is here twice; the other one is in line {}", shown(sorted[i]->name), sorted[i - 1]->at.line));
}

void NodeBuilder::error(Position at, std::string_view message) { problems_.add(Severity::error, at, path(), message); }

std::string NodeBuilder::path() const {
  std::string path;
  for (const Open& o : open_) {
    if (o.node.kind == Node::Kind::sequence) {
      path += fmt::format("[{}]", o.node.items.size());
    } else if (o.has_key) {
      if (!path.empty()) path += '.';
      path += o.key;
    }
  }
  return path;
}

}  // namespace fairlead::route
