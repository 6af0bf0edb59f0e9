// sharded_map.h: a hash map of which copies are cheap: they share all parts that were not written since.
//
// One writer. A copy is a value that never changes and may be read from any thread; taking one costs a pointer per shard, and the first
// write to a shard after that a copy of the shard.
#pragma once
#include <array>
#include <memory>
#include <unordered_map>

namespace fairlead::kube {

template <class Key, class Value, class Hash, std::size_t kShards>
class ShardedMap {
  static_assert((kShards & (kShards - 1)) == 0);
  using Shard = std::unordered_map<Key, Value, Hash>;

 public:
  // What was copied from it stays; both would otherwise own their shards alone.
  ShardedMap() = default;
  ShardedMap(const ShardedMap& other) : shards_(other.shards_), size_(other.size_) { other.owned_.fill(false); }
  ShardedMap& operator=(const ShardedMap&) = delete;

  const Value* find(const Key& key) const {
    const Shard* shard = shards_[place(key)].get();
    if (shard == nullptr) return nullptr;
    const auto at = shard->find(key);
    return at == shard->end() ? nullptr : &at->second;
  }
  std::size_t size() const { return size_; }

  // The value to be changed; made if there is none.
  Value& write(const Key& key) {
    Shard& shard = own(place(key));
    const std::size_t before = shard.size();
    Value& value = shard[key];
    size_ += shard.size() - before;
    return value;
  }
  void erase(const Key& key) {
    if (find(key) != nullptr) size_ -= own(place(key)).erase(key);
  }

 private:
  static std::size_t place(const Key& key) { return (Hash{}(key) * 0x9e3779b97f4a7c15U >> 40) & (kShards - 1); }

  Shard& own(std::size_t i) {
    if (!owned_[i]) {
      shards_[i] = shards_[i] ? std::make_shared<Shard>(*shards_[i]) : std::make_shared<Shard>();
      owned_[i] = true;
    }
    return *shards_[i];
  }

  std::array<std::shared_ptr<Shard>, kShards> shards_{};
  mutable std::array<bool, kShards> owned_{};  // nobody else has that shard: of the writer alone
  std::size_t size_ = 0;
};

}  // namespace fairlead::kube
