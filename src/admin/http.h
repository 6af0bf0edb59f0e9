// http.h: the little of HTTP/1.1 (RFC 9112) that the admin endpoint speaks: GET and HEAD, no bodies, strict.
//
// Sans-io, on the codec of src/http, which refuses what can be read in two ways.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace fairlead::admin {

inline constexpr std::size_t kMaxHead = 8 * 1024;  // browsers send 1 KiB; what a stranger on the machine may cost
inline constexpr std::size_t kMaxFields = 64;

struct Request {
  std::string path;   // begins with '/'
  std::string query;  // after '?', without it
  bool head = false;  // HEAD: the answer has no body
  bool keep_alive = true;
};

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Why a request is not served: the status and a sentence. The connection ends after it.
struct BadRequest {
  int status;
  std::string message;
};

struct ParsedRequest {
  Request request;
  std::size_t size;  // bytes of the head, to be consumed
};
// The request at the front of `bytes`; nullopt: more bytes are needed.
std::expected<std::optional<ParsedRequest>, BadRequest> parse_request(std::string_view bytes);

std::string format_response(const Response& response, bool head, bool keep_alive);

// A whole answer, as read to the end of the connection. Checks its length.
Result<Response> parse_response(std::string_view bytes);

}  // namespace fairlead::admin
