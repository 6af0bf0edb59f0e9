// session_memory.h: nghttp2's heap, with what is large charged to the connection's budget: queues that grow with what a peer makes us say.
#pragma once
#include <malloc.h>
#include <nghttp2/nghttp2.h>

#include <cstdlib>

#include "quic/chunk.h"

namespace fairlead::h2 {

class SessionMemory {
 public:
  explicit SessionMemory(quic::StreamMemory& memory) : memory_(memory), table_{this, allocate, release, zeroed, resize} {}
  SessionMemory(const SessionMemory&) = delete;
  SessionMemory& operator=(const SessionMemory&) = delete;
  nghttp2_mem* table() { return &table_; }

 private:
  static constexpr std::size_t kLarge = 32_KiB;  // the buffers and tables that each session has are smaller

  static SessionMemory& self(void* user) { return *static_cast<SessionMemory*>(user); }
  void* charged(void* block) {
    if (const std::size_t size = ::malloc_usable_size(block); size >= kLarge) memory_.charge(size);
    return block;
  }
  void* uncharged(void* block) {
    if (const std::size_t size = ::malloc_usable_size(block); size >= kLarge) memory_.release(size);
    return block;
  }
  static void* allocate(std::size_t size, void* user) { return self(user).charged(std::malloc(size)); }
  static void release(void* block, void* user) { std::free(self(user).uncharged(block)); }
  static void* zeroed(std::size_t count, std::size_t size, void* user) { return self(user).charged(std::calloc(count, size)); }
  static void* resize(void* block, std::size_t size, void* user) {
    return self(user).charged(std::realloc(self(user).uncharged(block), size));
  }

  quic::StreamMemory& memory_;
  nghttp2_mem table_;
};

}  // namespace fairlead::h2
