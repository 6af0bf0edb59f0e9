// chunk.h: the blocks of memory that stream bytes wait in, from a free list of the thread.
//
// A chunk is allocated and freed on one thread, or on the one that takes a component down after its loops have stopped. Three sizes, so
// that a lone request costs 2 KiB and a bulk stream has few of them.
// What a thread keeps for later is bounded (kKept); everything else goes back to the heap.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "net/memory_budget.h"

namespace fairlead::quic {

struct Chunk {
  static constexpr std::size_t kSizes[] = {2_KiB, 16_KiB, 64_KiB};  // of the block, this head included
  static constexpr std::uint8_t kLargest = 2;

  Chunk* next = nullptr;
  std::uint32_t begin = 0, end = 0;  // the bytes in use
  std::uint8_t size_class = 0;

  std::size_t capacity() const { return kSizes[size_class] - sizeof(Chunk); }
  std::size_t footprint() const { return kSizes[size_class]; }
  std::size_t room() const { return capacity() - end; }
  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
};

Chunk* allocate_chunk(std::uint8_t size_class);
void free_chunk(Chunk* chunk) noexcept;
// Of this thread, allocated and not freed: for tests that look for leaks.
std::size_t chunks_in_use();

// What one connection has buffered, charged to its budget.
class StreamMemory {
 public:
  explicit StreamMemory(net::MemoryBudget& budget) : budget_(budget) {}
  StreamMemory(const StreamMemory&) = delete;
  StreamMemory& operator=(const StreamMemory&) = delete;

  bool try_charge(std::size_t bytes, net::MemoryBudget::Use use) {
    if (!budget_.try_charge(bytes, use)) return false;
    used_ += bytes;
    return true;
  }
  void charge(std::size_t bytes) {
    budget_.charge(bytes);
    used_ += bytes;
  }
  void release(std::size_t bytes) {
    budget_.release(bytes);
    used_ -= bytes;
  }
  std::size_t used() const { return used_; }
  net::MemoryBudget& budget() { return budget_; }

 private:
  net::MemoryBudget& budget_;
  std::size_t used_ = 0;
};

}  // namespace fairlead::quic
