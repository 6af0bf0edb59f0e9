#include "http/chunked.h"

#include <algorithm>
#include <charconv>

#include "http/encode.h"
#include "http/forwarded.h"
#include "http/grammar.h"

namespace fairlead::http {
namespace {

std::unexpected<Refusal> bad(std::string_view code, std::string_view text) { return std::unexpected(Refusal{400, code, text}); }
std::unexpected<Refusal> bad_size() { return bad("chunk-size", "a chunk does not begin with its size in hex"); }
std::unexpected<Refusal> bad_end() { return bad("chunk-end", "a chunk does not end with CR LF"); }

// A character that may not be where it is.
std::unexpected<Refusal> bad_extension(char c) {
  if (c == '\n') return bad("bare-lf", "the line before a chunk ends with LF and no CR");
  if (c == '\r' || is_value_char(c)) return bad("chunk-extension", "there is junk behind the size of a chunk");
  return bad("control-character", "there is a control character behind the size of a chunk");
}

constexpr std::size_t kMaxDigits = 15;     // sizes stay below 2^60: sums of them cannot overflow
constexpr std::size_t kFreeOverhead = 16;  // of each chunk

}  // namespace

void ChunkDecoder::reset() {
  left_ = 0;
  line_ = digits_ = overhead_ = 0;
  at_ = At::size;
  lines_.reset_to_fields();
  trailer_text_.clear();
  trailers_.clear();
}

std::expected<ChunkDecoder::Step, Refusal> ChunkDecoder::step(std::string_view buffer) {
  std::size_t skip = 0;
  while (skip < buffer.size()) {
    switch (at_) {
      case At::data: {
        const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, buffer.size() - skip));
        left_ -= n;
        if (left_ == 0) at_ = At::data_cr;
        return Step{State::data, skip, n};
      }
      case At::data_cr:
        if (buffer[skip++] != '\r') return bad_end();
        at_ = At::data_lf;
        break;
      case At::data_lf:
        if (buffer[skip++] != '\n') return bad_end();
        at_ = At::size;
        break;
      case At::trailers: {
        const auto used = read_trailers(buffer.substr(skip));
        if (!used) return std::unexpected(used.error());
        skip += *used;
        break;
      }
      case At::end: return Step{State::end, skip, 0};
      default: {
        const auto whole = read_line(buffer[skip++]);
        if (!whole) return std::unexpected(whole.error());
        break;
      }
    }
  }
  return Step{at_ == At::end ? State::end : State::more, skip, 0};
}

// chunk-size [ *( ";" name [ "=" ( token / quoted-string ) ] ) ] CRLF, without white space between (RFC 9112, 7.1.1 has it as "bad").
std::expected<bool, Refusal> ChunkDecoder::read_line(char c) {
  if (++line_ > limits_.line) return bad("chunk-line", "the line before a chunk is longer than allowed");
  auto then = [&](At next) {
    at_ = next;
    return false;
  };
  switch (at_) {
    case At::size:
    case At::size_digits:
      if (is_hex(c)) {
        if (++digits_ > kMaxDigits) return bad("chunk-size", "a chunk is too large to be true");
        left_ = left_ << 4 | hex_value(c);
        return then(At::size_digits);
      }
      if (at_ == At::size) return bad_size();
      if (c == '\r') return then(At::line_end);
      if (c == ';') return then(At::extension);
      if (c == '\n') return bad_extension(c);
      return bad("chunk-size", "there is junk behind the size of a chunk");
    case At::extension:
      if (is_token_char(c)) return then(At::extension_name);
      return bad_extension(c);
    case At::extension_name:
      if (is_token_char(c)) return false;
      if (c == '=') return then(At::value);
      if (c == ';') return then(At::extension);
      if (c == '\r') return then(At::line_end);
      return bad_extension(c);
    case At::value:
      if (c == '"') return then(At::quoted);
      if (is_token_char(c)) return then(At::token);
      return bad_extension(c);
    case At::token:
      if (is_token_char(c)) return false;
      if (c == ';') return then(At::extension);
      if (c == '\r') return then(At::line_end);
      return bad_extension(c);
    case At::quoted:
      if (c == '"') return then(At::after_quoted);
      if (c == '\\') return then(At::escaped);
      if (is_value_char(c)) return false;
      return bad_extension(c);
    case At::escaped:
      if (is_value_char(c)) return then(At::quoted);
      return bad_extension(c);
    case At::after_quoted:
      if (c == ';') return then(At::extension);
      if (c == '\r') return then(At::line_end);
      return bad_extension(c);
    default:  // line_end
      if (c != '\n') return bad("bare-cr", "there is a CR without LF before a chunk");
      return end_line();
  }
}

std::expected<bool, Refusal> ChunkDecoder::end_line() {
  // Many chunks of little data and long extensions would keep a reader busy for nothing.
  overhead_ += line_;
  overhead_ -= std::min<std::uint64_t>(overhead_, kFreeOverhead + left_);
  if (overhead_ > limits_.overhead) return bad("chunk-overhead", "there are more extensions of chunks than allowed");
  line_ = digits_ = 0;
  at_ = left_ == 0 ? At::trailers : At::data;
  return true;
}

// How much of `text` belongs to them. They may come in pieces, and the caller's buffer is not kept: so they are.
std::expected<std::size_t, Refusal> ChunkDecoder::read_trailers(std::string_view text) {
  const std::size_t before = trailer_text_.size();
  // One more than is allowed shows that it is too much.
  trailer_text_.append(text.substr(0, limits_.trailers.size + 1 - std::min(before, limits_.trailers.size)));
  const auto size = lines_.scan_fields(trailer_text_, limits_.trailers, trailers_);
  if (!size) return std::unexpected(size.error());
  if (!*size) return trailer_text_.size() - before;
  trailer_text_.resize(**size);
  for (const Field& f : trailers_)
    if (is_hop_by_hop(f.name)) return bad("trailer-field", "a trailer has a field that only a head may have");
  trailers_.remove_if([](const Field& f) { return is_dropped_trailer(f.name); });
  at_ = At::end;
  return **size - before;
}

bool is_dropped_trailer(std::string_view name) {
  static constexpr std::string_view kNames[] = {"authorization",
                                                "proxy-authorization",
                                                "www-authenticate",
                                                "proxy-authenticate",
                                                "cookie",
                                                "set-cookie",
                                                "content-encoding",
                                                "content-type",
                                                "content-range",
                                                "content-location",
                                                "cache-control",
                                                "range",
                                                "max-forwards",
                                                "location",
                                                "origin",
                                                "age",
                                                "date",
                                                "expires",
                                                "vary",
                                                "retry-after",
                                                "pragma"};
  return is_forwarded_name(name) || std::ranges::any_of(kNames, [&](std::string_view n) { return equal_name(n, name); });
}

std::size_t put_chunk_header(std::span<char, kMaxChunkHeader> into, std::uint64_t size) {
  const auto end = std::to_chars(into.data(), into.data() + 16, size, 16);
  end.ptr[0] = '\r';
  end.ptr[1] = '\n';
  return static_cast<std::size_t>(end.ptr - into.data()) + 2;
}

void put_last_chunk(std::string& out, const Fields& trailers) {
  out += "0\r\n";
  put_fields(out, trailers);
  out += "\r\n";
}

}  // namespace fairlead::http
