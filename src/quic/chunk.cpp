#include "quic/chunk.h"

#include <array>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FAIRLEAD_POISON_CHUNKS 1  // let the sanitizer see each chunk as an allocation of its own
#endif
#endif

namespace fairlead::quic {
namespace {

// Of each size: 512 KiB, 1 MiB, 2 MiB. A busy loop reuses these; an idle one holds no more.
[[maybe_unused]] constexpr std::array<std::uint32_t, 3> kKept = {256, 64, 32};

struct Pool {
  std::array<Chunk*, 3> free{};
  std::array<std::uint32_t, 3> count{};
  std::size_t in_use = 0;

  ~Pool() {
    for (Chunk* chunk : free)
      while (chunk != nullptr) {
        Chunk* next = chunk->next;
        ::operator delete(chunk);
        chunk = next;
      }
  }
};

Pool& pool() {
  thread_local Pool instance;
  return instance;
}

}  // namespace

Chunk* allocate_chunk(std::uint8_t size_class) {
  Pool& p = pool();
  p.in_use++;
  if (Chunk* chunk = p.free[size_class]; chunk != nullptr) {
    p.free[size_class] = chunk->next;
    p.count[size_class]--;
    chunk->next = nullptr;
    chunk->begin = chunk->end = 0;
    return chunk;
  }
  Chunk* chunk = ::new (::operator new(Chunk::kSizes[size_class])) Chunk;
  chunk->size_class = size_class;
  return chunk;
}

void free_chunk(Chunk* chunk) noexcept {
  Pool& p = pool();
  p.in_use--;
#ifndef FAIRLEAD_POISON_CHUNKS
  const std::uint8_t size_class = chunk->size_class;
  if (p.count[size_class] < kKept[size_class]) {
    chunk->next = p.free[size_class];
    p.free[size_class] = chunk;
    p.count[size_class]++;
    return;
  }
#endif
  ::operator delete(chunk);
}

std::size_t chunks_in_use() { return pool().in_use; }

}  // namespace fairlead::quic
