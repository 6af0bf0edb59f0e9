#include "http/chunked.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"
#include "http/forwarded.h"
#include "http/grammar.h"
#include "http/parse_test_support.h"

namespace fairlead::http {
namespace {

std::string chunk(std::string_view data) {
  std::array<char, kMaxChunkHeader> header;
  std::string made(header.data(), put_chunk_header(header, data.size()));
  return made.append(data).append("\r\n");
}

TEST(Chunks, DataComesOutAndWhatFollowsIsLeft) {
  const ChunksSeen seen = read_chunks("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET /");
  EXPECT_EQ(seen.refused, "");
  EXPECT_TRUE(seen.ended);
  EXPECT_EQ(seen.data, "hello world");
  EXPECT_EQ(seen.trailers, "");
  EXPECT_EQ(seen.rest, "GET /");
}

TEST(Chunks, SizesInHexOfEitherCaseAndWithZeros) {
  const ChunksSeen seen = read_chunks("0a\r\n0123456789\r\nA\r\n0123456789\r\n000000000000001\r\nx\r\n000\r\n\r\n");
  EXPECT_EQ(seen.refused, "");
  EXPECT_TRUE(seen.ended);
  EXPECT_EQ(seen.data.size(), 21u);
}

TEST(Chunks, ALargestChunkIsCountedRight) {
  ChunkDecoder decoder;
  const std::string text = "fffffffffffffff\r\nabc";
  const auto step = decoder.step(text);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->state, ChunkDecoder::State::data);
  EXPECT_EQ(step->skip, 17u);
  EXPECT_EQ(step->data, 3u);
}

TEST(Chunks, ExtensionsArePassedOver) {
  for (const char* extension : {";a", ";a=b", ";a=\"b\"", ";a;b=c;d=\"e;f\\\"g\\\\\"", ";a=\"\"", ";!#$=%&'"}) {
    const ChunksSeen seen = read_chunks("1" + std::string(extension) + "\r\nx\r\n0" + extension + "\r\n\r\n");
    EXPECT_EQ(seen.refused, "") << extension;
    EXPECT_TRUE(seen.ended);
    EXPECT_EQ(seen.data, "x");
  }
}

TEST(Chunks, ALineHasItsLimit) {
  const ChunkDecoder::Limits limits{.line = 20};
  EXPECT_EQ(read_chunks("1;" + std::string(16, 'a') + "\r\nx\r\n0\r\n\r\n", limits).refused, "");
  EXPECT_EQ(read_chunks("1;" + std::string(17, 'a') + "\r\nx\r\n0\r\n\r\n", limits).refused, "400 chunk-line");
}

TEST(Chunks, SmallChunksAreNoOverheadAndLongExtensionsAre) {
  std::string many;
  for (int i = 0; i < 10000; i++) many += "1\r\nx\r\n";
  EXPECT_EQ(read_chunks(many + "0\r\n\r\n").data.size(), 10000u);
  const ChunkDecoder::Limits limits{.overhead = 100};
  const std::string extended = "1;" + std::string(63, 'a') + "\r\nx\r\n";  // a line of 67 bytes: 50 too many
  EXPECT_EQ(read_chunks(extended + extended + "0\r\n\r\n", limits).refused, "");
  EXPECT_EQ(read_chunks(extended + extended + "0;a\r\n\r\n", limits).refused, "") << "what is free is free of each chunk";
  EXPECT_EQ(read_chunks(extended + extended + extended, limits).refused, "400 chunk-overhead");
}

TEST(Chunks, TrailersAreKept) {
  const ChunksSeen seen = read_chunks("0\r\nX-Sum: abc\r\nServer-Timing:  total;dur=1 \r\nx-sum: d\r\n\r\nrest");
  EXPECT_EQ(seen.refused, "");
  EXPECT_EQ(seen.trailers, "X-Sum: abc|Server-Timing: total;dur=1|x-sum: d");
  EXPECT_EQ(seen.rest, "rest");
}

TEST(Chunks, TrailersThatSayWhoSomebodyIsAreLeftOut) {
  std::string text = "0\r\nA: 1\r\n";
  for (const char* name :
       {"X-Forwarded-For", "x_forwarded_for", "Forwarded", "Via", "X-Fairlead-Node", "X-Client-Cert-Subject", "Authorization", "Cookie",
        "Set-Cookie", "Content-Type", "Content-Encoding", "Content-Range", "Cache-Control", "X-Real-IP"})
    text.append(name).append(": evil\r\n");
  EXPECT_EQ(read_chunks(text + "B: 2\r\n\r\n").trailers, "A: 1|B: 2");
}

TEST(Chunks, TrailersHaveLimits) {
  const ChunkDecoder::Limits limits{.trailers = {.size = 40, .fields = 2, .target = 0}};
  EXPECT_EQ(read_chunks("0\r\nA: 1\r\nB: 2\r\n\r\n", limits).trailers, "A: 1|B: 2");
  EXPECT_EQ(read_chunks("0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits).refused, "431 too-many-fields");
  const std::string fits = "0\r\nA: " + std::string(33, 'x') + "\r\n\r\nrest and more of it than would fit in the limit";
  EXPECT_EQ(read_chunks(fits, limits).refused, "");
  EXPECT_EQ(read_chunks("0\r\nA: " + std::string(34, 'x') + "\r\n\r\n", limits).refused, "431 head-too-large");
}

TEST(Chunks, ADecoderIsUsedForOneBodyAfterTheOther) {
  ChunkDecoder decoder;
  for (int i = 0; i < 3; i++) {
    const std::string text = "0\r\nN: " + std::to_string(i) + "\r\n\r\n";
    const auto step = decoder.step(text);
    ASSERT_TRUE(step && step->state == ChunkDecoder::State::end);
    EXPECT_EQ(step->skip, text.size());
    EXPECT_EQ(lines(decoder.trailers()), "N: " + std::to_string(i));
    EXPECT_EQ(decoder.step("GET /")->skip, 0u) << "behind its end nothing is taken";
    decoder.reset();
    EXPECT_TRUE(decoder.trailers().empty());
  }
  ASSERT_TRUE(decoder.step("5;a=\"b"));
  decoder.reset();
  EXPECT_EQ(decoder.step("0\r\n\r\n")->state, ChunkDecoder::State::end) << "also out of the middle";
}

TEST(Chunks, WhatIsEncodedIsDecodedWhateverTheCuts) {
  Random random(7);
  for (int round = 0; round < 200; round++) {
    std::string data, text;
    for (std::uint64_t n = random.below(6); n > 0; n--) {
      std::string piece(1 + random.below(40), '\0');
      for (char& c : piece) c = "\r\n0ab;"[random.below(6)];
      text += chunk(piece);
      data += piece;
    }
    Fields trailers;
    if (random.chance(0.5)) trailers.add("X-Sum", "1");
    put_last_chunk(text, trailers);
    for (std::size_t step = 1; step < 9; step++) {
      const ChunksSeen seen = detail::read_chunks(text + "rest", step, {});
      ASSERT_EQ(seen.refused, "") << text;
      EXPECT_EQ(seen.data, data);
      EXPECT_EQ(seen.trailers, lines(trailers));
      EXPECT_EQ(seen.rest, "rest");
    }
  }
}

TEST(Chunks, HeadersOfAllSizesFit) {
  std::array<char, kMaxChunkHeader> header;
  EXPECT_EQ(std::string_view(header.data(), put_chunk_header(header, 0)), "0\r\n");
  EXPECT_EQ(std::string_view(header.data(), put_chunk_header(header, 26)), "1a\r\n");
  EXPECT_EQ(std::string_view(header.data(), put_chunk_header(header, UINT64_MAX)), "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace fairlead::http
