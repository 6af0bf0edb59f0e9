// library_memory.h: ngtcp2's heap, with what grows with the peer's data charged to the connection's budget: above all packets that came
// out of order and wait for those before them, up to the connection's window.
//
// The connection's own state, its first block and all that are small, is not charged: an idle connection is charged nothing.
#pragma once
#include <malloc.h>
#include <ngtcp2/ngtcp2.h>

#include <cstdlib>

#include "quic/chunk.h"

namespace fairlead::quic {

class LibraryMemory {
 public:
  explicit LibraryMemory(StreamMemory& memory) : memory_(memory), table_{this, allocate, release, zeroed, resize} {}
  LibraryMemory(const LibraryMemory&) = delete;
  LibraryMemory& operator=(const LibraryMemory&) = delete;
  const ngtcp2_mem* table() const { return &table_; }

 private:
  static constexpr std::size_t kLarge =
      8_KiB;  // ngtcp2's block for data out of order; but for the first, only the table of streams grows as large

  static LibraryMemory& self(void* user) { return *static_cast<LibraryMemory*>(user); }
  void* charged(void* block) {
    const std::size_t size = ::malloc_usable_size(block);
    if (first_ == nullptr) first_ = block;
    if (size >= kLarge && block != first_) memory_.charge(size);
    return block;
  }
  void* uncharged(void* block) {
    const std::size_t size = ::malloc_usable_size(block);
    if (size >= kLarge && block != first_) memory_.release(size);
    return block;
  }
  static void* allocate(std::size_t size, void* user) { return self(user).charged(std::malloc(size)); }
  static void release(void* block, void* user) { std::free(self(user).uncharged(block)); }
  static void* zeroed(std::size_t count, std::size_t size, void* user) { return self(user).charged(std::calloc(count, size)); }
  static void* resize(void* block, std::size_t size, void* user) {
    return self(user).charged(std::realloc(self(user).uncharged(block), size));
  }

  StreamMemory& memory_;
  const void* first_ = nullptr;
  ngtcp2_mem table_;
};

}  // namespace fairlead::quic
