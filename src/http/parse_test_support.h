// parse_test_support.h: what the parsers make of a text, whole and cut everywhere: the tests of this layer ask for both at once.
#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/chunked.h"
#include "http/head_parser.h"

namespace fairlead::http {

inline std::string lines(const Fields& fields) {
  std::string made;
  for (const Field& f : fields) {
    if (!made.empty()) made += '|';
    made.append(f.name).append(": ").append(f.value);
  }
  return made;
}

inline std::string to_text(const Refusal& r) { return std::to_string(r.status) + " " + std::string(r.code); }

// A copy without room behind it, so that a sanitizer sees reads past its end.
class Tight {
 public:
  explicit Tight(std::string_view text) : size_(text.size()), bytes_(new char[text.size()]) {
    if (!text.empty()) std::memcpy(bytes_.get(), text.data(), text.size());
  }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

template <class Parser>
struct HeadSeen {
  std::unique_ptr<Tight> buffer;
  Parser parser;
  std::string refused;    // "400 bare-lf"; empty: it was not
  std::size_t after = 0;  // bytes that had come when it was refused, or when it was whole
  bool whole = false;
  std::string rest;  // behind a whole head

  const auto& head() const {
    EXPECT_TRUE(whole) << refused;
    return parser.head();
  }
};
using RequestSeen = HeadSeen<RequestParser>;
using ResponseSeen = HeadSeen<ResponseParser>;

namespace detail {

// `cuts`: sizes of the buffer at each call, growing.
template <class Parser, class Parse>
HeadSeen<Parser> read_head(std::string_view text, HeadLimits limits, const std::vector<std::size_t>& cuts, Parse parse) {
  HeadSeen<Parser> seen{.buffer = nullptr, .parser = Parser(limits), .refused = {}, .rest = {}};
  for (const std::size_t cut : cuts) {
    seen.buffer = std::make_unique<Tight>(text.substr(0, cut));
    seen.after = cut;
    const auto size = parse(seen.parser, seen.buffer->view());
    if (!size) {
      seen.refused = to_text(size.error());
      EXPECT_FALSE(size.error().text.empty()) << seen.refused;
      return seen;
    }
    if (*size) {
      seen.whole = true;
      seen.rest = text.substr(**size);
      return seen;
    }
  }
  return seen;
}

inline std::vector<std::size_t> each_byte(std::string_view text) {
  std::vector<std::size_t> cuts;
  for (std::size_t n = 1; n <= text.size(); n++) cuts.push_back(n);
  return cuts;
}

template <class Parser, class Parse>
HeadSeen<Parser> read_both_ways(std::string_view text, HeadLimits limits, Parse parse) {
  auto whole = read_head<Parser>(text, limits, {text.size()}, parse);
  auto bytes = read_head<Parser>(text, limits, each_byte(text), parse);
  EXPECT_EQ(whole.refused, bytes.refused) << text;
  EXPECT_EQ(whole.whole, bytes.whole) << text;
  if (whole.whole) EXPECT_EQ(whole.rest, text.substr(bytes.after)) << text;
  return bytes.whole ? std::move(whole) : std::move(bytes);
}

}  // namespace detail

inline RequestSeen read_request(std::string_view text, HeadLimits limits = {}) {
  return detail::read_both_ways<RequestParser>(text, limits, [](RequestParser& p, std::string_view buffer) { return p.parse(buffer); });
}
inline ResponseSeen read_response(std::string_view text, std::string_view method = "GET", HeadLimits limits = {}) {
  return detail::read_both_ways<ResponseParser>(text, limits,
                                                [=](ResponseParser& p, std::string_view buffer) { return p.parse(buffer, method); });
}

struct ChunksSeen {
  std::string refused;
  bool ended = false;
  std::size_t after = 0;  // as of HeadSeen
  std::string data, trailers, rest;
};

namespace detail {

// At most `step` bytes come at a time.
inline ChunksSeen read_chunks(std::string_view text, std::size_t step, ChunkDecoder::Limits limits) {
  ChunksSeen seen;
  ChunkDecoder decoder(limits);
  std::string buffer;
  while (seen.after < text.size()) {
    const std::size_t n = std::min(step, text.size() - seen.after);
    buffer.append(text.substr(seen.after, n));
    seen.after += n;
    for (;;) {
      const Tight tight(buffer);
      const auto got = decoder.step(tight.view());
      if (!got) {
        seen.refused = to_text(got.error());
        return seen;
      }
      seen.data += buffer.substr(got->skip, got->data);
      buffer.erase(0, got->skip + got->data);
      if (got->state == ChunkDecoder::State::end) {
        seen.ended = true;
        seen.trailers = lines(decoder.trailers());
        seen.rest = buffer + std::string(text.substr(seen.after));
        return seen;
      }
      if (got->state == ChunkDecoder::State::more) break;
    }
  }
  return seen;
}

}  // namespace detail

inline ChunksSeen read_chunks(std::string_view text, ChunkDecoder::Limits limits = {}) {
  ChunksSeen whole = detail::read_chunks(text, text.size() + 1, limits);
  ChunksSeen bytes = detail::read_chunks(text, 1, limits);
  EXPECT_EQ(whole.refused, bytes.refused) << text;
  EXPECT_EQ(whole.ended, bytes.ended) << text;
  EXPECT_EQ(whole.trailers, bytes.trailers) << text;
  if (whole.ended) {
    EXPECT_EQ(whole.data, bytes.data);
    EXPECT_EQ(whole.rest, bytes.rest);
  }
  return bytes;
}

}  // namespace fairlead::http
