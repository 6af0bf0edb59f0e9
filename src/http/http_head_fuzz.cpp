// Heads of requests and answers: the same whatever the cuts; what is taken keeps its promises, can be written, and is read back as it was.
#include <cstdlib>
#include <memory>
#include <string>

#include "http/encode.h"
#include "http/fuzz_support.h"
#include "http/head_parser.h"
#include "http/target.h"

namespace fairlead::http {
namespace {

constexpr HeadLimits kLimits{.size = 2048, .fields = 16, .target = 256};

void check_fields(const Fields& fields, std::string_view head) {
  must(fields.size() <= kLimits.fields);
  for (const Field& f : fields) {
    must(is_token(f.name) && is_value(f.value));
    must(f.value.empty() || (!is_blank(f.value.front()) && !is_blank(f.value.back())));
    must(f.name.data() >= head.data() && f.value.data() + f.value.size() <= head.data() + head.size());
  }
}

template <class Parser, class Parse>
std::optional<std::size_t> read(Parser& parser, const std::string& text, std::size_t cut, Parse parse) {
  const auto size = parse(parser, text);
  Parser other(kLimits);
  auto pieces = parse(other, text.substr(0, cut));
  if (pieces && !*pieces) pieces = parse(other, text);
  must(size.has_value() == pieces.has_value());
  if (!size) {
    must(size.error().code == pieces.error().code && size.error().status == pieces.error().status);
    must(!size.error().text.empty());
    return std::nullopt;
  }
  must(*size == *pieces);
  if (*size) must(**size <= text.size() && **size <= kLimits.size && text.substr(0, **size).ends_with("\r\n\r\n"));
  return *size;
}

void request(const std::string& text, std::size_t cut) {
  RequestParser parser(kLimits);
  const auto size = read(parser, text, cut, [](RequestParser& p, std::string_view buffer) { return p.parse(buffer); });
  if (!size) return;
  const RequestHead& head = parser.head();
  const Request& r = head.request;
  check_fields(r.fields, text);
  must(is_token(r.method) && r.method != "CONNECT" && r.method != "TRACE");
  must(r.target == "*" || r.target.starts_with('/'));
  must(head.minor <= 1 && (head.minor == 0 || parse_authority(r.authority)));
  must(head.chunked == (r.body.kind == BodyLength::Kind::unknown) && (!head.chunked || head.minor == 1));

  Request on = r;
  strip_hop_by_hop(on.fields);
  for (const Field& f : on.fields) must(!is_hop_by_hop(f.name));
  std::string written;
  put_request_head(written, on, true);
  // What is written is held to the same, but for its limits.
  RequestParser next(HeadLimits{.size = 65536, .fields = 64, .target = 4096});
  const auto again = next.parse(written);
  if (r.authority.empty()) return;  // of HTTP/1.0: the ingress puts its own address there
  must(again && *again == written.size());
  const Request& back = next.head().request;
  must(back.method == r.method && back.target == r.target && back.authority == r.authority && back.body == r.body &&
       back.upgrade == r.upgrade);
}

void response(const std::string& text, std::size_t cut, std::string_view method) {
  ResponseParser parser(kLimits);
  const auto size = read(parser, text, cut, [=](ResponseParser& p, std::string_view buffer) { return p.parse(buffer, method); });
  if (!size) return;
  const ResponseHead& head = parser.head();
  const Response& r = head.response;
  check_fields(r.fields, text);
  must(r.status >= 100 && r.status <= 599 && is_value(r.reason));
  must(!head.until_close || !head.keep_alive);
  must((head.chunked || head.until_close) == (r.body.kind == BodyLength::Kind::unknown) && !(head.chunked && head.until_close));
  must(method != "HEAD" || r.body.kind == BodyLength::Kind::none);
  must((r.status == 101) == !r.upgrade.empty());

  Response on = r;
  strip_hop_by_hop(on.fields);
  std::string written;
  put_response_head(written, on, {head.keep_alive, head.chunked}, 1);
  ResponseParser next(HeadLimits{.size = 65536, .fields = 64, .target = 0});
  const auto again = next.parse(written, method);
  must(again && *again == written.size());
  must(next.head().response.status == r.status && next.head().response.body == r.body && next.head().chunked == head.chunked);
}

}  // namespace
}  // namespace fairlead::http

// The first byte says what it is, the second one where it is cut.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace fairlead::http;
  if (size < 2) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t cut = text.size() * data[1] / 256;
  switch (data[0] % 4) {
    case 0: response(text, cut, "GET"); break;
    case 1: response(text, cut, "HEAD"); break;
    default: request(text, cut);
  }
  return 0;
}
