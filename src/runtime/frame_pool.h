// frame_pool.h: memory of coroutine frames. A frame lives for microseconds, so each thread keeps free ones by size.
//
// Invariant: a block is returned to the list of the thread that frees it; blocks are interchangeable. At most kKept of a size are kept.
#pragma once
#include <cstddef>

namespace fairlead {

void* allocate_frame(std::size_t size);
void free_frame(void* frame, std::size_t size) noexcept;

}  // namespace fairlead
