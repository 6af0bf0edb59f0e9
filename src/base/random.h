// random.h: numbers for jitter and sampling, from a seed, so that a simulation can be replayed. Never for keys, tokens or
// connection ids: those come from GnuTLS.
#pragma once
#include <cstdint>

namespace fairlead {

// xoshiro256** 1.0 (public domain algorithm by Blackman and Vigna), seeded by splitmix64.
class Random {
 public:
  explicit Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      word = z ^ (z >> 31);
    }
  }
  std::uint64_t next() {
    auto rotl = [](std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
    const std::uint64_t result = rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotl(state_[3], 45);
    return result;
  }
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }               // [0, 1)
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }  // [0, bound)
  bool chance(double probability) { return probability > 0 && unit() < probability; }

 private:
  std::uint64_t state_[4];
};

}  // namespace fairlead
