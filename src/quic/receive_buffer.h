// receive_buffer.h: the bytes of one stream from their arrival until its reader has consumed them, in order.
//
// Received bytes cannot be refused, so they are charged whatever the budget says; the engine looks after that (Engine::relieve).
// Chunks begin small and grow while the reader is behind; a stream that has been read has none. What peek() gave stays valid until the
// reader's next call, whatever happens to the stream meanwhile: it may be on its way into a socket.
#pragma once
#include "quic/chunk.h"

namespace fairlead::quic {

class ReceiveBuffer {
 public:
  ReceiveBuffer() = default;
  ReceiveBuffer(const ReceiveBuffer&) = delete;
  ReceiveBuffer& operator=(const ReceiveBuffer&) = delete;

  void append(Bytes bytes, StreamMemory& memory);
  // The first contiguous bytes; empty when there are none.
  Bytes peek() const { return size_ == 0 ? Bytes() : Bytes(head_->data() + head_->begin, head_->end - head_->begin); }
  void consume(std::size_t n, StreamMemory& memory);
  // Nobody shall read any more: frees everything but what peek() may have given out.
  void fail(StreamMemory& memory);
  // The same by the reader itself.
  void drop(StreamMemory& memory);

  std::size_t size() const { return size_; }

  // What fail() has left.
  std::size_t footprint() const { return head_ == nullptr ? 0 : head_->footprint(); }

 private:
  void pop_front(StreamMemory& memory);

  Chunk* head_ = nullptr;
  Chunk* tail_ = nullptr;
  std::size_t size_ = 0;
  std::uint8_t size_class_ = 0;
  bool failed_ = false;
};

}  // namespace fairlead::quic
