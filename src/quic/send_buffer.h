// send_buffer.h: the bytes of one stream from the moment that its writer commits them until the peer has acknowledged them.
//
// ngtcp2 does not copy stream data: a byte stays where it was written until it is acknowledged or the stream is reset. Chunks begin
// small and grow for a writer that fills them; a stream that is idle has none. Room that prepare() gave stays valid until its writer's
// next call, whatever happens to the stream meanwhile: a writer may be waiting for a socket that fills it.
#pragma once
#include <cstdint>
#include <span>

#include "quic/chunk.h"

namespace fairlead::quic {

class SendBuffer {
 public:
  SendBuffer() = default;
  SendBuffer(const SendBuffer&) = delete;
  SendBuffer& operator=(const SendBuffer&) = delete;

  // Room in place, until commit(), drop() or the next prepare(). Empty when the budget has none, and after fail(). A new chunk takes at
  // most `most` bytes, if one can.
  MutableBytes prepare(StreamMemory& memory, net::MemoryBudget::Use use, std::size_t most = SIZE_MAX);
  void commit(std::size_t n, StreamMemory& memory);

  // The next bytes to send, as at most `into.size()` pieces; returns how many.
  std::size_t pieces(std::span<Bytes> into) const;
  void sent(std::size_t n);
  // All bytes before stream offset `upto` have been acknowledged.
  void acknowledged(std::uint64_t upto, StreamMemory& memory);
  // The writer gives back the room that it has.
  void give_back(StreamMemory& memory);

  // Nothing will be sent any more: frees everything but room that was given out.
  void fail(StreamMemory& memory);
  // The same by the writer itself, who gives the room back.
  void drop(StreamMemory& memory);

  std::uint64_t committed() const { return committed_; }
  // Bytes that were committed and not acknowledged, from stream offset `from`. False when some are not here.
  bool read(std::uint64_t from, MutableBytes into) const;
  std::uint64_t unsent() const { return committed_ - sent_; }
  std::uint64_t unacknowledged() const { return committed_ - acknowledged_; }
  bool all_acknowledged() const { return unacknowledged() == 0; }

  // What fail() has left.
  std::size_t footprint() const { return head_ == nullptr ? 0 : head_->footprint(); }

 private:
  void pop_front(StreamMemory& memory);

  Chunk* head_ = nullptr;
  Chunk* tail_ = nullptr;
  Chunk* next_ = nullptr;  // holds the next byte to send, or is the tail with all sent
  std::uint32_t next_at_ = 0;
  std::uint8_t size_class_ = 0;
  bool prepared_ = false;  // somebody may be writing into the tail
  bool failed_ = false;
  std::uint64_t base_ = 0;  // stream offset of the first byte of head_
  std::uint64_t committed_ = 0, sent_ = 0, acknowledged_ = 0;
};

}  // namespace fairlead::quic
