// Trailers: those of a body are those of a head with the same lines, but for what a trailer may not be.
#include "http/chunked.h"
#include "http/fuzz_support.h"

namespace fairlead::http {
namespace {

constexpr HeadLimits kLimits{.size = 512, .fields = 8, .target = 256};
constexpr std::string_view kStatus = "HTTP/1.1 200 OK\r\n";

}  // namespace
}  // namespace fairlead::http

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace fairlead::http;
  const std::string text(reinterpret_cast<const char*>(data), size);

  // Scanned as the fields of a head, which has that much more room as its first line needs.
  detail::HeadLines lines;
  Fields expected;
  const std::string head = std::string(kStatus) + text;
  HeadLimits limits = kLimits;
  limits.size += kStatus.size();
  must(lines.scan_first_line(head, limits, limits.size, false).value());
  const auto end = lines.scan_fields(head, limits, expected);

  ChunkDecoder decoder({.trailers = kLimits});
  const std::string body = "0\r\n" + text;
  const auto got = decoder.step(body);
  if (!end) {
    must(!got && got.error().code == end.error().code && got.error().status == end.error().status);
    return 0;
  }
  if (!*end) {
    must(got && got->state == ChunkDecoder::State::more && got->skip == body.size());
    return 0;
  }
  bool refused = false;
  for (const Field& f : expected) refused = refused || is_hop_by_hop(f.name);
  must(refused == !got);
  if (!got) {
    must(got.error().code == "trailer-field");
    return 0;
  }
  must(got->state == ChunkDecoder::State::end && got->skip == **end - kStatus.size() + 3);
  expected.remove_if([](const Field& f) { return is_dropped_trailer(f.name); });
  must(lines_of(decoder.trailers()) == lines_of(expected));

  std::string written;
  put_last_chunk(written, decoder.trailers());
  ChunkDecoder again;
  const auto back = again.step(written);
  must(back && back->state == ChunkDecoder::State::end && back->skip == written.size());
  must(lines_of(again.trailers()) == lines_of(expected));
  return 0;
}
