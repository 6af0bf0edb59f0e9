#include "link/nodes.h"

namespace fairlead::link {

std::optional<Nodes::Place> Nodes::claim(const NodeName& node, const Place& place, wire::Labels labels, std::string software,
                                         std::string address, WallTime now) {
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[node];
  std::optional<Place> before = std::exchange(entry.place, place);
  entry.labels = std::move(labels);
  entry.software = std::move(software);
  entry.address = std::move(address);
  entry.changed = now;
  entry.reason.clear();
  if (!before) connected_++;
  version_++;
  return before;
}

void Nodes::release(const NodeName& node, const Place& place, std::string reason, WallTime now) {
  std::lock_guard lock(mutex_);
  auto it = entries_.find(node);
  if (it == entries_.end() || it->second.place != place) return;
  it->second.place.reset();
  it->second.changed = now;
  it->second.reason = std::move(reason);
  connected_--;
  version_++;
  if (entries_.size() - connected_ <= kRemembered) return;
  auto oldest = entries_.end();
  for (auto e = entries_.begin(); e != entries_.end(); ++e)
    if (!e->second.place && (oldest == entries_.end() || e->second.changed < oldest->second.changed)) oldest = e;
  entries_.erase(oldest);
}

void Nodes::set_labels(const NodeName& node, const Place& place, wire::Labels labels) {
  std::lock_guard lock(mutex_);
  auto it = entries_.find(node);
  if (it == entries_.end() || it->second.place != place) return;
  it->second.labels = std::move(labels);
  version_++;
}

void Nodes::set_cloud_labels(std::map<NodeName, wire::Labels> labels) {
  std::lock_guard lock(mutex_);
  if (labels == cloud_labels_) return;
  cloud_labels_ = std::move(labels);
  version_++;
}

std::optional<Nodes::Place> Nodes::find(const NodeName& node) const {
  std::lock_guard lock(mutex_);
  auto it = entries_.find(node);
  return it == entries_.end() ? std::nullopt : it->second.place;
}

bool Nodes::knows(const NodeName& node) const {
  std::lock_guard lock(mutex_);
  return entries_.contains(node);
}

std::map<NodeName, Nodes::Entry> Nodes::all() const {
  std::lock_guard lock(mutex_);
  std::map<NodeName, Entry> all = entries_;
  for (const auto& [node, labels] : cloud_labels_)
    if (auto it = all.find(node); it != all.end())
      for (const auto& [key, value] : labels) it->second.labels.insert_or_assign(key, value);
  return all;
}

std::size_t Nodes::connected() const {
  std::lock_guard lock(mutex_);
  return connected_;
}

std::uint64_t Nodes::version() const {
  std::lock_guard lock(mutex_);
  return version_;
}

}  // namespace fairlead::link
