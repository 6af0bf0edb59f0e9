// Bodies in chunks: the same content whatever the cuts, and all that is taken is written back as content of the same bytes.
#include <array>
#include <optional>

#include "http/chunked.h"
#include "http/fuzz_support.h"

namespace fairlead::http {
namespace {

constexpr ChunkDecoder::Limits kLimits{.line = 64, .overhead = 256, .trailers = {.size = 256, .fields = 8, .target = 0}};

struct Seen {
  std::string refused, content, trailers;
  bool ended = false;
  std::size_t used = 0;
};

Seen read(std::string_view text, std::size_t step) {
  Seen seen;
  ChunkDecoder decoder(kLimits);
  std::size_t end = 0;
  while (end < text.size()) {
    end = std::min(text.size(), end + step);
    for (;;) {
      const std::string part(text.substr(seen.used, end - seen.used));
      const auto got = decoder.step(part);
      if (!got) {
        must(got.error().status == 400 || got.error().status == 431);
        seen.refused = got.error().code;
        return seen;
      }
      must(got->skip + got->data <= part.size());
      must((got->state == ChunkDecoder::State::data) == (got->data > 0));
      seen.content += part.substr(got->skip, got->data);
      seen.used += got->skip + got->data;
      if (got->state == ChunkDecoder::State::end) {
        seen.ended = true;
        for (const Field& f : decoder.trailers())
          must(is_token(f.name) && is_value(f.value) && !is_hop_by_hop(f.name) && !is_dropped_trailer(f.name));
        seen.trailers = lines_of(decoder.trailers());
        return seen;
      }
      if (got->state == ChunkDecoder::State::more) {
        must(got->skip == part.size());
        break;
      }
    }
  }
  return seen;
}

}  // namespace
}  // namespace fairlead::http

// The first byte says how many bytes come at a time.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace fairlead::http;
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Seen whole = read(text, text.size() + 1);
  for (const std::size_t step : {std::size_t{1}, 1 + std::size_t{data[0]} % 32}) {
    const Seen pieces = read(text, step);
    must(pieces.refused == whole.refused && pieces.ended == whole.ended);
    must(pieces.content == whole.content && pieces.trailers == whole.trailers);
    if (whole.ended) must(pieces.used == whole.used);
  }
  if (!whole.ended) return 0;

  std::string written;
  if (!whole.content.empty()) {
    std::array<char, kMaxChunkHeader> header;
    written.assign(header.data(), put_chunk_header(header, whole.content.size())).append(whole.content).append("\r\n");
  }
  put_last_chunk(written, {});
  const Seen again = read(written, written.size());
  must(again.ended && again.content == whole.content && again.used == written.size());
  return 0;
}
