// cells.h: where one loop counts. A cell has one writer, its loop, so that counting is a load and a store and no two loops share a
// cache line; a scrape on any thread reads it.
//
// Made by a Registry, which owns it. See registry.h.
#pragma once
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace fairlead::observe {

inline constexpr std::size_t kCacheLine = 64;

class alignas(kCacheLine) Counter {
 public:
  void add(std::uint64_t n = 1) { value_.store(value() + n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// What goes up and down; the series is the sum over the loops.
class alignas(kCacheLine) Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double n = 1) { set(value() + n); }
  void sub(double n = 1) { set(value() - n); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Upper bounds of a histogram: `first`, and each twice the one before it. One more bucket takes what is above the last.
struct Buckets {
  double first = 0;
  std::size_t count = 0;  // 1 to Histogram::kMost

  double bound(std::size_t i) const { return first * static_cast<double>(std::uint64_t{1} << i); }
  friend bool operator==(const Buckets&, const Buckets&) = default;
};
inline constexpr Buckets kLatencyBuckets{0.001, 15};  // seconds: 1 ms to 16.4 s
inline constexpr Buckets kSizeBuckets{256, 20};       // bytes: 256 to 128 MiB

class alignas(kCacheLine) Histogram {
 public:
  static constexpr std::size_t kMost = 32;

  explicit Histogram(const Buckets& buckets) : buckets_(buckets) {}
  // A value on a bound belongs below it, as Prometheus has it (le).
  void observe(double value) {
    std::size_t i = 0;
    while (i < buckets_.count && value > buckets_.bound(i)) i++;
    counts_[i].store(count(i) + 1, std::memory_order_relaxed);
    sum_.store(sum() + value, std::memory_order_relaxed);
  }
  // What another one with the same buckets has counted, on the loop of both.
  void copy_from(const Histogram& other) {
    for (std::size_t i = 0; i <= buckets_.count; i++) counts_[i].store(other.count(i), std::memory_order_relaxed);
    sum_.store(other.sum(), std::memory_order_relaxed);
  }
  const Buckets& buckets() const { return buckets_; }
  std::uint64_t count(std::size_t bucket) const { return counts_[bucket].load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  Buckets buckets_;
  std::atomic<double> sum_{0};
  std::array<std::atomic<std::uint64_t>, kMost + 1> counts_{};
};

}  // namespace fairlead::observe
