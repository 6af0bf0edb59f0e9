// hash_index.h: texts to numbers, for look-ups whose hash is carried along a text: each prefix, or each suffix, costs one step.
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::route {

// FNV-1a, a byte at a time.
class RollingHash {
 public:
  void add(char c) { value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x100000001b3u; }
  std::uint64_t value() const { return value_ ^ (value_ >> 29); }
  static std::uint64_t of(std::string_view text) {
    RollingHash h;
    for (char c : text) h.add(c);
    return h.value();
  }
  static std::uint64_t of_backwards(std::string_view text) {
    RollingHash h;
    for (std::size_t i = text.size(); i-- > 0;) h.add(text[i]);
    return h.value();
  }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325u;
};

// Keys get the numbers 0, 1, ... in the order they come. They come from rules, never from requests.
class HashIndex {
 public:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  // The number of `key`, a new one if it is not there.
  std::uint32_t put(std::uint64_t hash, std::string_view key) {
    if (std::uint32_t at = find(hash, key); at != kNone) return at;
    if ((keys_.size() + 1) * 2 > slots_.size()) grow();
    const auto number = static_cast<std::uint32_t>(keys_.size());
    keys_.push_back({hash, std::string(key)});
    place(number);
    return number;
  }
  std::uint32_t find(std::uint64_t hash, std::string_view key) const {
    if (slots_.empty()) return kNone;
    for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      const std::uint32_t number = slots_[at];
      if (number == kNone || (keys_[number].hash == hash && keys_[number].text == key)) return number;
    }
  }
  const std::string& key(std::uint32_t number) const { return keys_[number].text; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(keys_.size()); }

 private:
  struct Key {
    std::uint64_t hash;
    std::string text;
  };
  void place(std::uint32_t number) {
    std::size_t at = keys_[number].hash & (slots_.size() - 1);
    while (slots_[at] != kNone) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = number;
  }
  void grow() {
    slots_.assign(slots_.empty() ? 4 : slots_.size() * 2, kNone);
    for (std::uint32_t i = 0; i < keys_.size(); i++) place(i);
  }

  std::vector<Key> keys_;
  std::vector<std::uint32_t> slots_;  // a power of two, at most half of them used
};

}  // namespace fairlead::route
