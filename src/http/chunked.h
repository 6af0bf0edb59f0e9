// chunked.h: the chunked transfer coding (RFC 9112, 7.1), both ways, streaming; data is never copied.
//
// Invariant: what the decoder calls data is data in every other reader's eyes, too; chunk sizes of odd forms, bare LF and junk
// after a size are refused. Extensions are skipped within a limit.
#pragma once
#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "http/head_parser.h"
#include "http/message.h"

namespace fairlead::http {

class ChunkDecoder {
 public:
  struct Limits {
    std::size_t line = 4096;  // size and extensions
    HeadLimits trailers = {.size = 16 * 1024, .fields = 64, .target = 0};
  };
  enum class State : std::uint8_t { more, data, end };
  struct Step {
    State state;
    std::size_t skip;  // framing before the data, or all that was used
    std::size_t data;  // that many bytes after `skip` are content; take them, then call with what follows
  };
  explicit ChunkDecoder(Limits limits) : limits_(limits) {}
  ChunkDecoder() : ChunkDecoder(Limits{}) {}

  // What the front of `buffer` is. `more`: drop `skip` bytes and come back with the rest and more. `data`: see Step; at most the
  // bytes that are there. `end`: `skip` bytes were the last framing, trailers() are those of the message (copied, owned here).
  std::expected<Step, Refusal> step(std::string_view buffer);
  const Fields& trailers() const { return trailers_; }
  void reset();

 private:
  Limits limits_;
  std::uint64_t left_ = 0;  // of the current chunk
  std::uint8_t phase_ = 0;
  detail::HeadLines lines_;
  std::string trailer_text_;
  Fields trailers_;
};

// Bytes before data of `size`: "1a\r\n"; the data is followed by "\r\n".
inline constexpr std::size_t kMaxChunkHeader = 18;
std::size_t put_chunk_header(std::span<char, kMaxChunkHeader> into, std::uint64_t size);
// "0\r\n", trailers, "\r\n".
void put_last_chunk(std::string& out, const Fields& trailers);

}  // namespace fairlead::http
