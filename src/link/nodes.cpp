#include "link/nodes.h"

namespace fairlead::link {

Nodes::Before Nodes::claim(const NodeName& node, const Place& place, wire::Labels labels, std::string software, std::string address,
                           WallTime now, bool beside) {
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[node];
  Before before;
  if (beside && entry.place && entry.place->boot == place.boot) {
    before.stepped_back = entry.place;
    entry.beside.insert(entry.beside.begin(), *entry.place);
  } else {
    before.over = std::exchange(entry.beside, {});
    if (entry.place) before.over.push_back(*entry.place);
  }
  if (!entry.place) connected_++;
  entry.place = place;
  entry.labels = std::move(labels);
  entry.software = std::move(software);
  entry.address = std::move(address);
  entry.changed = now;
  entry.reason.clear();
  version_++;
  return before;
}

std::optional<Nodes::Place> Nodes::release(const NodeName& node, const Place& place, std::string reason, WallTime now) {
  std::lock_guard lock(mutex_);
  auto it = entries_.find(node);
  if (it == entries_.end()) return std::nullopt;
  Entry& entry = it->second;
  if (entry.place != place) {
    std::erase(entry.beside, place);
    return std::nullopt;
  }
  entry.place.reset();
  if (!entry.beside.empty()) {
    entry.place = entry.beside.front();
    entry.beside.erase(entry.beside.begin());
    return entry.place;
  }
  entry.changed = now;
  entry.reason = std::move(reason);
  connected_--;
  version_++;
  if (entries_.size() - connected_ <= kRemembered) return std::nullopt;
  auto oldest = entries_.end();
  for (auto e = entries_.begin(); e != entries_.end(); ++e)
    if (!e->second.place && (oldest == entries_.end() || e->second.changed < oldest->second.changed)) oldest = e;
  entries_.erase(oldest);
  return std::nullopt;
}

std::optional<Nodes::Place> Nodes::step_back(const NodeName& node, const Place& place) {
  std::lock_guard lock(mutex_);
  auto it = entries_.find(node);
  if (it == entries_.end() || it->second.place != place || it->second.beside.empty()) return std::nullopt;
  Entry& entry = it->second;
  entry.place = entry.beside.front();
  entry.beside.erase(entry.beside.begin());
  entry.beside.push_back(place);
  return entry.place;
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
