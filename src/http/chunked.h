// chunked.h: the chunked transfer coding (RFC 9112, 7.1), both ways, streaming; data is never copied.
//
// Invariant: what the decoder calls data is data in every other reader's eyes, too; chunk sizes of odd forms, bare LF and junk
// after a size are refused when they are seen. Extensions are skipped within limits.
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
    std::size_t line = 4096;           // size and extensions of one chunk
    std::size_t overhead = 16 * 1024;  // of all extensions, beyond 16 bytes and the size of the data of each chunk
    HeadLimits trailers = {.size = 16 * 1024, .fields = 64, .target = 0};
  };
  enum class State : std::uint8_t { more, data, end };
  struct Step {
    State state;
    std::size_t skip;  // framing before the data, or all that was used
    std::size_t data;  // that many bytes after `skip` are content; take them, then call with what follows
  };
  explicit ChunkDecoder(Limits limits) : limits_(limits) { lines_.reset_to_fields(); }
  ChunkDecoder() : ChunkDecoder(Limits{}) {}

  // What the front of `buffer` is. `more`: drop `skip` bytes (all of them: framing is never left half read) and come back with what
  // follows. `data`: see Step; at most the bytes that are there. `end`: `skip` bytes were the last framing, trailers() are those of the
  // message (copied, owned here). A refusal has status 400; of a service's answer it is for the caller to make that 502.
  std::expected<Step, Refusal> step(std::string_view buffer);

  // Without fields that a trailer must not have: those of framing and of one hop are refused; those that say who somebody is or how
  // content is to be read are left out, for a service may take trailers for fields of the head (RFC 9110, 6.5.1).
  const Fields& trailers() const { return trailers_; }
  void reset();

 private:
  // What comes next.
  enum class At : std::uint8_t {
    size,
    size_digits,
    extension,
    extension_name,
    value,
    token,
    quoted,
    escaped,
    after_quoted,
    line_end,
    data,
    data_cr,
    data_lf,
    trailers,
    end
  };
  std::expected<bool, Refusal> read_line(char c);  // of the line before a chunk: whether it is whole
  std::expected<std::size_t, Refusal> read_trailers(std::string_view text);
  std::expected<bool, Refusal> end_line();

  Limits limits_;
  std::uint64_t left_ = 0;  // of the current chunk
  std::size_t line_ = 0;    // bytes of the current line
  std::size_t digits_ = 0;
  std::size_t overhead_ = 0;
  At at_ = At::size;
  detail::HeadLines lines_;
  std::string trailer_text_;
  Fields trailers_;
};

// Whether a trailer of that name is dropped (see ChunkDecoder::trailers).
bool is_dropped_trailer(std::string_view name);

// Bytes before data of `size`: "1a\r\n"; the data is followed by "\r\n".
inline constexpr std::size_t kMaxChunkHeader = 18;
std::size_t put_chunk_header(std::span<char, kMaxChunkHeader> into, std::uint64_t size);
// "0\r\n", trailers, "\r\n".
void put_last_chunk(std::string& out, const Fields& trailers);

}  // namespace fairlead::http
