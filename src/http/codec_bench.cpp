// What a message costs in the codec: a request from a browser (478 bytes), the shortest one (49), an answer, chunks, and what an ingress
// does to a head before it goes on.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdlib>
#include <string>

#include "http/chunked.h"
#include "http/encode.h"
#include "http/forwarded.h"
#include "http/head_parser.h"
#include "http/target.h"

namespace fairlead::http {
namespace {

constexpr std::string_view kBrowser =
    "GET /wp-content/uploads/2010/03/hello-kitty-darth-vader-pink.jpg HTTP/1.1\r\n"
    "Host: www.kittyhell.example\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip,deflate\r\n"
    "Keep-Alive: 115\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: wp_ozh_wsa_visits=2; __utma=xxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.x; theme=dark; q=1\r\n\r\n";
static_assert(kBrowser.size() == 478);
constexpr std::string_view kShort = "GET /1k HTTP/1.1\r\nHost: 192.0.2.10:8080\r\nA: b\r\n\r\n";
static_assert(kShort.size() == 49);
constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Wed, 25 Nov 2026 15:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n"
    "Last-Modified: Wed, 25 Nov 2026 14:00:00 GMT\r\nConnection: keep-alive\r\nETag: \"6745d0c0-400\"\r\nAccept-Ranges: bytes\r\n\r\n";

void parse_request(benchmark::State& state, std::string_view head) {
  RequestParser parser;
  for (auto _ : state) {
    parser.reset();
    auto size = parser.parse(head);
    if (!size || *size != head.size()) std::abort();
    benchmark::DoNotOptimize(parser.head());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * head.size()));
}
BENCHMARK_CAPTURE(parse_request, browser, kBrowser);
BENCHMARK_CAPTURE(parse_request, shortest, kShort);

// The head comes in two reads.
void parse_request_in_halves(benchmark::State& state) {
  RequestParser parser;
  for (auto _ : state) {
    parser.reset();
    auto first = parser.parse(kBrowser.substr(0, 240));
    auto size = parser.parse(kBrowser);
    if (!first || !size || *size != kBrowser.size()) std::abort();
    benchmark::DoNotOptimize(parser.head());
  }
}
BENCHMARK(parse_request_in_halves);

void parse_response(benchmark::State& state) {
  ResponseParser parser;
  for (auto _ : state) {
    parser.reset();
    auto size = parser.parse(kAnswer, "GET");
    if (!size || *size != kAnswer.size()) std::abort();
    benchmark::DoNotOptimize(parser.head());
  }
}
BENCHMARK(parse_response);

void strip_forward_and_encode(benchmark::State& state) {
  RequestParser parser;
  if (!parser.parse(kBrowser)) std::abort();
  Request request;
  ForwardedFields forwarded;
  std::string out;
  for (auto _ : state) {
    request = parser.head().request;
    strip_hop_by_hop(request.fields);
    forwarded.apply(request.fields, {.client = "192.0.2.7", .scheme = "https", .host = request.authority, .port = 443});
    out.clear();
    put_request_head(out, request, true);
    benchmark::DoNotOptimize(out);
  }
}
BENCHMARK(strip_forward_and_encode);

void normalize(benchmark::State& state, std::string_view path) {
  std::string scratch;
  for (auto _ : state) {
    auto made = normalize_path(path, scratch);
    benchmark::DoNotOptimize(made);
  }
}
BENCHMARK_CAPTURE(normalize, plain, "/wp-content/uploads/2010/03/hello-kitty-darth-vader-pink.jpg");
BENCHMARK_CAPTURE(normalize, escaped, "/wp-content/%7Euploads/./2010/03/../caf%c3%a9/hello-kitty.jpg");

// Chunks of `range` bytes, 64 KiB at a time, as they lie in a buffer.
void decode_chunks(benchmark::State& state) {
  std::string text;
  const std::string data(static_cast<std::size_t>(state.range(0)), 'x');
  while (text.size() < 65536) {
    std::array<char, kMaxChunkHeader> header;
    text.append(header.data(), put_chunk_header(header, data.size()));
    text += data + "\r\n";
  }
  text += "0\r\n\r\n";
  ChunkDecoder decoder;
  for (auto _ : state) {
    decoder.reset();
    std::string_view rest = text;
    for (;;) {
      auto step = decoder.step(rest);
      if (!step) std::abort();
      rest.remove_prefix(step->skip + step->data);
      if (step->state == ChunkDecoder::State::end) break;
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK(decode_chunks)->Arg(16)->Arg(1024)->Arg(16384);

}  // namespace
}  // namespace fairlead::http

BENCHMARK_MAIN();
