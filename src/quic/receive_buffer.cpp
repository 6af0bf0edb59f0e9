#include "quic/receive_buffer.h"

#include <algorithm>
#include <cstring>

namespace fairlead::quic {

void ReceiveBuffer::append(Bytes bytes, StreamMemory& memory) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (tail_ == nullptr || tail_->room() == 0) {
      if (tail_ != nullptr && size_class_ < Chunk::kLargest) size_class_++;
      Chunk* chunk = allocate_chunk(size_class_);
      memory.charge(chunk->footprint());
      (tail_ == nullptr ? head_ : tail_->next) = chunk;
      tail_ = chunk;
    }
    const std::size_t n = std::min(bytes.size(), tail_->room());
    std::memcpy(tail_->data() + tail_->end, bytes.data(), n);
    tail_->end += static_cast<std::uint32_t>(n);
    bytes = bytes.subspan(n);
  }
}

void ReceiveBuffer::pop_front(StreamMemory& memory) {
  Chunk* chunk = head_;
  head_ = chunk->next;
  if (head_ == nullptr) {
    tail_ = nullptr;
    if (chunk->end < chunk->capacity() / 4 && size_class_ > 0) size_class_--;
  }
  memory.release(chunk->footprint());
  free_chunk(chunk);
}

void ReceiveBuffer::consume(std::size_t n, StreamMemory& memory) {
  if (failed_) return drop(memory);
  size_ -= n;
  while (n > 0) {
    const std::size_t step = std::min<std::size_t>(n, head_->end - head_->begin);
    head_->begin += static_cast<std::uint32_t>(step);
    n -= step;
    if (head_->begin == head_->end) pop_front(memory);
  }
}

void ReceiveBuffer::fail(StreamMemory& memory) {
  failed_ = true;
  size_ = 0;
  if (head_ == nullptr) return;
  while (head_->next != nullptr) {
    Chunk* chunk = head_->next;
    head_->next = chunk->next;
    memory.release(chunk->footprint());
    free_chunk(chunk);
  }
  tail_ = head_;
}

void ReceiveBuffer::drop(StreamMemory& memory) {
  failed_ = true;
  size_ = 0;
  while (head_ != nullptr) pop_front(memory);
}

}  // namespace fairlead::quic
