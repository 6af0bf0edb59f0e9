// Heads of HTTP flows, as the other side of the link could send them. What is accepted must be good enough to be written to an HTTP/1.1
// peer, and mean the same when it is sent on.
#include "wire/http_message.h"

#include <google/protobuf/stubs/logging.h>

#include "fairlead/v1/http.pb.h"
#include "http/encode.h"
#include "http/head_parser.h"
#include "wire/frame.h"

namespace {

using namespace fairlead;

void check(bool holds) {
  if (!holds) __builtin_trap();
}

// What is accepted, the generated classes accept too, with the same meaning.
void compare(Bytes body, const wire::DecodedHttpRequest& ours) {
  [[maybe_unused]] static const auto silent = google::protobuf::SetLogHandler(nullptr);
  v1::HttpRequest theirs;
  const bool parsed = theirs.ParseFromArray(body.data(), static_cast<int>(body.size()));
  check(parsed);
  const http::Request& r = ours.request;
  check(r.method == theirs.method() && r.target == theirs.target() && r.authority == theirs.authority() && r.scheme == theirs.scheme());
  check(r.upgrade == theirs.upgrade() && r.expect_continue == theirs.expect_continue());
  check(r.fields.size() == static_cast<std::size_t>(theirs.fields_size()));
  int n = 0;
  for (const http::Field& f : r.fields) {
    check(f.name == theirs.fields(n).name() && f.value == theirs.fields(n).value());
    n++;
  }
  check(static_cast<int>(r.body.kind) == theirs.body());
  check(r.body.kind != http::BodyLength::Kind::exact || r.body.size == theirs.body_size());
  check(ours.service.server_name == theirs.service().server_name() && ours.service.ca_pem == theirs.service().ca_pem());
  check(ours.service.tls == theirs.service().tls() && ours.service.max_connections == theirs.service().max_connections());
  check(ours.service.idle == std::chrono::milliseconds(theirs.service().idle_ms()));
}

bool equal(const http::Fields& a, const http::Fields& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

void read_request(Bytes body) {
  static wire::DecodedHttpRequest first, second;
  if (!first.decode(body)) return;
  compare(body, first);
  const http::Request& r = first.request;
  auto again = wire::encode_http_request(r, first.service);
  if (!again) return;  // some unknown fields of ours are larger than what they stand for
  check(second.decode(as_bytes(*again)).has_value());
  check(second.request.method == r.method && second.request.target == r.target && second.request.authority == r.authority);
  check(second.request.body == r.body && equal(second.request.fields, r.fields));

  std::string text;
  http::put_request_head(text, r, true);
  http::RequestParser parser({.size = SIZE_MAX, .fields = SIZE_MAX, .target = SIZE_MAX});
  auto size = parser.parse(text);
  if (!size) return;  // an authority or a target that a listener would not take; but never another message:
  check(*size == text.size());
  check(parser.head().request.method == r.method);
}

void read_response(Bytes body) {
  static wire::DecodedHttpResponse first, second;
  if (!first.decode(body)) return;
  const http::Response& r = first.response;
  std::string again;
  if (!wire::encode_http_response(again, r, wire::kMaxFrame)) return;
  check(second.decode(as_bytes(again)).has_value());
  check(second.response.status == r.status && second.response.reason == r.reason && equal(second.response.fields, r.fields));

  const bool unknown = r.body.kind == http::BodyLength::Kind::unknown;
  std::string text;
  http::put_response_head(text, r, {.keep_alive = true, .chunked = unknown}, 1);
  http::ResponseParser parser({.size = SIZE_MAX, .fields = SIZE_MAX, .target = SIZE_MAX});
  auto size = parser.parse(text, "GET");
  if (size) check(*size == text.size());
}

void read_trailers(Bytes body) {
  static wire::DecodedHttpTrailers first, second;
  if (!first.decode(body)) return;
  std::string again;
  if (!wire::encode_http_trailers(again, first.fields, wire::kMaxFrame)) return;
  check(second.decode(as_bytes(again)).has_value());
  check(equal(second.fields, first.fields));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = from_u8(data, size);
  read_request(input);
  read_response(input);
  read_trailers(input);
  return 0;
}
