#include "http/chunked.h"

#include <charconv>
#include <cstring>

#include "http/grammar.h"

namespace fairlead::http {
namespace {

enum Phase : std::uint8_t { kSize, kData, kDataEnd, kTrailers, kEnd };

std::unexpected<Refusal> bad(std::string_view code, std::string_view text) { return std::unexpected(Refusal{400, code, text}); }

// The value of a size line; the extensions behind a semicolon are passed over if they are text.
std::expected<std::uint64_t, Refusal> parse_size(std::string_view line) {
  std::uint64_t size = 0;
  std::size_t i = 0;
  for (; i < line.size() && is_hex(line[i]); i++) {
    if (i >= 15) return bad("chunk-size", "a chunk is too large to be true");
    const char c = lower(line[i]);
    size = size << 4 | static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  if (i == 0) return bad("chunk-size", "a chunk does not begin with its size in hex");
  std::string_view rest = line.substr(i);
  if (rest.empty()) return size;
  if (rest.front() != ';') return bad("chunk-size", "there is junk behind the size of a chunk");
  if (!is_value(rest)) return bad("chunk-extension", "there is a control character in the extension of a chunk");
  return size;
}

}  // namespace

void ChunkDecoder::reset() {
  left_ = 0;
  phase_ = kSize;
  lines_.reset();
  trailer_text_.clear();
  trailers_.clear();
}

std::expected<ChunkDecoder::Step, Refusal> ChunkDecoder::step(std::string_view buffer) {
  std::size_t skip = 0;
  for (;;) {
    const std::string_view rest = buffer.substr(skip);
    if (phase_ == kEnd) return Step{State::end, skip, 0};
    if (phase_ == kData) {
      const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size()));
      if (n == 0) return Step{State::more, skip, 0};
      left_ -= n;
      if (left_ == 0) phase_ = kDataEnd;
      return Step{State::data, skip, n};
    }
    if (phase_ == kDataEnd) {
      if (!rest.empty() && rest[0] != '\r') return bad("chunk-end", "a chunk does not end with CR LF");
      if (rest.size() < 2) return Step{State::more, skip, 0};
      if (rest[1] != '\n') return bad("chunk-end", "a chunk does not end with CR LF");
      skip += 2;
      phase_ = kSize;
      continue;
    }
    if (phase_ == kSize) {
      const auto* lf = static_cast<const char*>(rest.empty() ? nullptr : std::memchr(rest.data(), '\n', rest.size()));
      const std::size_t end = lf == nullptr ? rest.size() : static_cast<std::size_t>(lf - rest.data());
      if (end >= limits_.line) return bad("chunk-line", "the line before a chunk is longer than allowed");
      const std::size_t cr = rest.substr(0, end).find('\r');
      if (lf == nullptr) {
        if (cr != rest.npos && cr + 1 < rest.size()) return bad("bare-cr", "there is a CR without LF before a chunk");
        if (!rest.empty() && !is_hex(rest[0])) return bad("chunk-size", "a chunk does not begin with its size in hex");
        return Step{State::more, skip, 0};
      }
      if (cr == rest.npos) return bad("bare-lf", "the line before a chunk ends with LF and no CR");
      if (cr + 1 != end) return bad("bare-cr", "there is a CR without LF before a chunk");
      const auto size = parse_size(rest.substr(0, cr));
      if (!size) return std::unexpected(size.error());
      skip += end + 1;
      left_ = *size;
      phase_ = left_ == 0 ? kTrailers : kData;
      continue;
    }
    // Trailers: kept, since they may come in pieces and the buffer is not.
    const std::size_t before = trailer_text_.size();
    if (before == 0) trailer_text_ = "T\r\n";  // stands for the first line that the scanner of heads expects
    const std::size_t room = limits_.trailers.size + 3 - std::min(trailer_text_.size(), limits_.trailers.size + 3);
    const std::size_t had = trailer_text_.size();
    trailer_text_.append(rest.substr(0, room));
    const auto size = lines_.scan(trailer_text_, limits_.trailers, false);
    if (!size) return std::unexpected(size.error());
    if (!*size) return Step{State::more, skip + std::min(rest.size(), room), 0};
    skip += **size - had;
    trailer_text_.resize(**size);
    lines_.fields(trailer_text_, trailers_);
    for (const Field& f : trailers_)
      if (is_hop_by_hop(f.name)) return bad("trailer-field", "a trailer has a field that only a head may have");
    phase_ = kEnd;
  }
}

std::size_t put_chunk_header(std::span<char, kMaxChunkHeader> into, std::uint64_t size) {
  const auto end = std::to_chars(into.data(), into.data() + 16, size, 16);
  end.ptr[0] = '\r';
  end.ptr[1] = '\n';
  return static_cast<std::size_t>(end.ptr - into.data()) + 2;
}

void put_last_chunk(std::string& out, const Fields& trailers) {
  out += "0\r\n";
  for (const Field& f : trailers) {
    out += f.name;
    out += ": ";
    out += f.value;
    out += "\r\n";
  }
  out += "\r\n";
}

}  // namespace fairlead::http
