#include "admin/http.h"

#include <fmt/format.h>

#include "http/encode.h"
#include "http/head_parser.h"
#include "http/target.h"

namespace fairlead::admin {
namespace {

std::unexpected<BadRequest> bad(int status, std::string message) { return std::unexpected(BadRequest{status, std::move(message)}); }

}  // namespace

std::expected<std::optional<ParsedRequest>, BadRequest> parse_request(std::string_view bytes) {
  http::RequestParser parser({.size = kMaxHead, .fields = kMaxFields, .target = kMaxHead});
  const auto size = parser.parse(bytes);
  if (!size) return bad(static_cast<int>(size.error().status), std::string(size.error().text));
  if (!*size) return std::nullopt;
  const http::RequestHead& head = parser.head();
  if (head.request.method != "GET" && head.request.method != "HEAD") return bad(405, "only GET and HEAD are served here");
  if (head.absolute) return bad(400, "the target is not a path");
  if (head.request.body.kind != http::BodyLength::Kind::none && head.request.body != http::BodyLength::exact(0))
    return bad(413, "requests have no body here");
  const http::Target target = http::split_target(head.request.target);
  Request request{.path = std::string(target.path), .query = std::string(target.query), .head = head.request.method == "HEAD"};
  request.keep_alive = head.minor == 1 && head.keep_alive;
  return ParsedRequest{std::move(request), **size};
}

std::string format_response(const Response& response, bool head, bool keep_alive) {
  http::Response r;
  r.status = static_cast<unsigned>(response.status);
  r.fields.add("Content-Type", response.content_type);
  r.fields.add("Cache-Control", "no-store");
  if (response.status == 405) r.fields.add("Allow", "GET, HEAD");
  r.body = http::BodyLength::exact(response.body.size());
  std::string text;
  http::put_response_head(text, r, {.keep_alive = keep_alive, .chunked = false}, 1);
  if (!head) text += response.body;
  return text;
}

Result<Response> parse_response(std::string_view bytes) {
  http::ResponseParser parser;
  const auto size = parser.parse(bytes, "GET");
  if (!size || !*size || parser.head().minor != 1 || parser.head().response.body.kind != http::BodyLength::Kind::exact)
    return fail(Code::invalid, "the answer is not one of Fairlead's admin endpoint");
  const http::Response& r = parser.head().response;
  const std::string_view body = bytes.substr(**size);
  if (body.size() < r.body.size) return fail(Code::closed, "the answer broke off after {} of {} bytes", body.size(), r.body.size);
  Response response{.status = static_cast<int>(r.status), .content_type = "", .body = std::string(body.substr(0, r.body.size))};
  if (const http::Field* type = r.fields.find("content-type")) response.content_type = type->value;
  return response;
}

}  // namespace fairlead::admin
