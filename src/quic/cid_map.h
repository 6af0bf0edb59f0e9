// cid_map.h: from a connection id to who receives its packets. Looked up once for every datagram.
//
// A flat table (open addressing, linear probing, no tombstones). Strangers choose some of the ids, so the hash is keyed: they cannot
// aim for collisions. Invariant: at most half of the slots are taken, so that every probe ends.
#pragma once
#include <cstdint>
#include <cstring>
#include <vector>

#include "quic/connection_id.h"

namespace fairlead::quic {

template <class T>
class CidMap {
 public:
  explicit CidMap(std::uint64_t key) : key_(key), slots_(kFirstSize) {}

  T* find(const ConnectionId& id) const {
    for (std::size_t i = home(id);; i = next(i)) {
      if (slots_[i].value == nullptr) return nullptr;
      if (slots_[i].id == id) return slots_[i].value;
    }
  }
  // An id that is there already gets the new value.
  void put(const ConnectionId& id, T& value) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    std::size_t i = home(id);
    while (slots_[i].value != nullptr && !(slots_[i].id == id)) i = next(i);
    if (slots_[i].value == nullptr) size_++;
    slots_[i] = {id, &value};
  }
  // Only if it is `value`'s: an id may have passed to another meanwhile.
  void erase(const ConnectionId& id, const T& value) {
    std::size_t hole = home(id);
    while (slots_[hole].value != nullptr && !(slots_[hole].id == id)) hole = next(hole);
    if (slots_[hole].value != &value) return;
    size_--;
    // What stands behind the hole and could not be found past it moves up (Knuth, volume 3, 6.4, algorithm R).
    for (std::size_t i = next(hole); slots_[i].value != nullptr; i = next(i)) {
      const std::size_t from_home = (i - home(slots_[i].id)) & (slots_.size() - 1);
      const std::size_t from_hole = (i - hole) & (slots_.size() - 1);
      if (from_home < from_hole) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole] = {};
  }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kFirstSize = 16;
  struct Slot {
    ConnectionId id;
    T* value = nullptr;
  };

  std::size_t home(const ConnectionId& id) const {
    static_assert(sizeof id.bytes == 20);
    std::uint64_t words[3] = {0, 0, id.size};
    std::memcpy(&words[0], id.bytes.data(), 8);
    std::memcpy(&words[1], id.bytes.data() + 8, 8);
    std::uint32_t last = 0;
    std::memcpy(&last, id.bytes.data() + 16, 4);
    words[2] |= static_cast<std::uint64_t>(last) << 32;
    std::uint64_t h = key_;
    for (const std::uint64_t word : words) {
      h = (h ^ word) * 0x9fb21c651e98df25;
      h ^= h >> 32;
    }
    return static_cast<std::size_t>(h) & (slots_.size() - 1);
  }
  std::size_t next(std::size_t i) const { return (i + 1) & (slots_.size() - 1); }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.value == nullptr) continue;
      std::size_t i = home(slot.id);
      while (slots_[i].value != nullptr) i = next(i);
      slots_[i] = slot;
    }
  }

  const std::uint64_t key_;
  std::vector<Slot> slots_;  // a power of two
  std::size_t size_ = 0;
};

}  // namespace fairlead::quic
