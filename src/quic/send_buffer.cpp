#include "quic/send_buffer.h"

#include <algorithm>
#include <cstring>

namespace fairlead::quic {
namespace {

// A tail with less room than this is left as it is: reading a socket in slivers costs more than the bytes that are wasted.
std::size_t sliver(const Chunk& chunk) { return chunk.capacity() / 8; }

}  // namespace

MutableBytes SendBuffer::prepare(StreamMemory& memory, net::MemoryBudget::Use use, std::size_t most) {
  if (failed_) {
    drop(memory);
    return {};
  }
  if (tail_ == nullptr || tail_->room() < sliver(*tail_)) {
    if (tail_ != nullptr && size_class_ < Chunk::kLargest) size_class_++;  // it was filled while the last was in flight
    while (size_class_ > 0 && Chunk::kSizes[size_class_] > most) size_class_--;
    if (!memory.try_charge(Chunk::kSizes[size_class_], use)) {
      size_class_ = 0;
      if (!memory.try_charge(Chunk::kSizes[0], use)) return {};
    }
    Chunk* chunk = allocate_chunk(size_class_);
    if (tail_ == nullptr) {
      head_ = next_ = chunk;
      next_at_ = 0;
    } else {
      tail_->next = chunk;
    }
    tail_ = chunk;
  }
  prepared_ = true;
  return {tail_->data() + tail_->end, tail_->room()};
}

void SendBuffer::commit(std::size_t n, StreamMemory& memory) {
  prepared_ = false;
  if (failed_) return drop(memory);
  tail_->end += static_cast<std::uint32_t>(n);
  committed_ += n;
}

std::size_t SendBuffer::pieces(std::span<Bytes> into) const {
  std::size_t count = 0;
  std::uint32_t at = next_at_;
  for (Chunk* chunk = next_; chunk != nullptr && count < into.size(); chunk = chunk->next, at = 0)
    if (at < chunk->end) into[count++] = {chunk->data() + at, chunk->end - at};
  return count;
}

void SendBuffer::sent(std::size_t n) {
  sent_ += n;
  while (n > 0) {
    const std::size_t step = std::min<std::size_t>(n, next_->end - next_at_);
    next_at_ += static_cast<std::uint32_t>(step);
    n -= step;
    if (next_at_ == next_->end && next_->next != nullptr) {
      next_ = next_->next;
      next_at_ = 0;
    }
  }
}

bool SendBuffer::read(std::uint64_t from, MutableBytes into) const {
  if (from < base_ || from + into.size() > committed_) return false;
  std::uint64_t at = from - base_;
  for (Chunk* chunk = head_; chunk != nullptr && !into.empty(); chunk = chunk->next) {
    if (at < chunk->end) {
      const std::size_t n = std::min<std::size_t>(chunk->end - static_cast<std::size_t>(at), into.size());
      std::memcpy(into.data(), chunk->data() + at, n);
      into = into.subspan(n);
      at = 0;
    } else {
      at -= chunk->end;
    }
  }
  return into.empty();
}

void SendBuffer::pop_front(StreamMemory& memory) {
  Chunk* chunk = head_;
  head_ = chunk->next;
  if (next_ == chunk) {
    next_ = head_;
    next_at_ = 0;
  }
  if (head_ == nullptr) tail_ = nullptr;
  base_ += chunk->end;
  memory.release(chunk->footprint());
  free_chunk(chunk);
}

void SendBuffer::acknowledged(std::uint64_t upto, StreamMemory& memory) {
  acknowledged_ = std::max(acknowledged_, upto);
  while (head_ != nullptr && head_ != tail_ && base_ + head_->end <= acknowledged_) pop_front(memory);
  // The tail is kept while its writer may still fill it; without one the stream is idle.
  if (head_ != nullptr && head_ == tail_ && !prepared_ && acknowledged_ == committed_) {
    if (tail_->end >= tail_->capacity() - sliver(*tail_)) {
      if (size_class_ < Chunk::kLargest) size_class_++;
    } else if (tail_->end < tail_->capacity() / 4 && size_class_ > 0) {
      size_class_--;
    }
    pop_front(memory);
  }
}

void SendBuffer::fail(StreamMemory& memory) {
  failed_ = true;
  sent_ = acknowledged_ = committed_;
  while (head_ != nullptr && !(prepared_ && head_ == tail_)) pop_front(memory);
}

void SendBuffer::give_back(StreamMemory& memory) {
  prepared_ = false;
  if (failed_) drop(memory);
}

void SendBuffer::drop(StreamMemory& memory) {
  prepared_ = false;
  fail(memory);
}

}  // namespace fairlead::quic
