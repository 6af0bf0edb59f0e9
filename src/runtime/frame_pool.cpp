#include "runtime/frame_pool.h"

#include <array>
#include <cstdint>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FAIRLEAD_UNPOOLED_FRAMES  // let the sanitizer see each frame as an allocation of its own
#endif
#endif

namespace fairlead {
namespace {

#ifdef FAIRLEAD_UNPOOLED_FRAMES
constexpr bool kPooled = false;
#else
constexpr bool kPooled = true;
#endif
constexpr std::size_t kStep = 64;       // sizes are rounded up to a cache line
constexpr std::size_t kLargest = 2048;  // larger frames are rare and go to the heap
constexpr std::uint32_t kKept = 256;    // of one size: what a burst of requests uses again

struct Block {
  Block* next;
};

struct Pool {
  struct Slot {
    Block* free = nullptr;
    std::uint32_t count = 0;
  };
  std::array<Slot, kLargest / kStep + 1> slots;

  ~Pool() {
    for (Slot& slot : slots)
      while (slot.free != nullptr) {
        Block* block = slot.free;
        slot.free = block->next;
        ::operator delete(block);
      }
  }
};

Pool& pool() {
  thread_local Pool instance;
  return instance;
}

}  // namespace

void* allocate_frame(std::size_t size) {
  if (kPooled && size <= kLargest) {
    const std::size_t index = (size + kStep - 1) / kStep;
    Pool::Slot& slot = pool().slots[index];
    if (slot.free != nullptr) {
      Block* block = slot.free;
      slot.free = block->next;
      slot.count--;
      return block;
    }
    return ::operator new(index * kStep);
  }
  return ::operator new(size);
}

void free_frame(void* frame, std::size_t size) noexcept {
  if (kPooled && size <= kLargest) {
    Pool::Slot& slot = pool().slots[(size + kStep - 1) / kStep];
    if (slot.count < kKept) {
      Block* block = static_cast<Block*>(frame);
      block->next = slot.free;
      slot.free = block;
      slot.count++;
      return;
    }
  }
  ::operator delete(frame);
}

}  // namespace fairlead
