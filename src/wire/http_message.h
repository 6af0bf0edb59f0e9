// http_message.h: the http plug-in's heads, between proto/fairlead/v1/http.proto and http::Request and Response.
//
// Decoded messages are views of bytes that the Decoded* object keeps: valid while it lives, stays where it is, and until its next decode. Decoding
// refuses what an HTTP/1.1 peer could be fooled by, for the other side of the link is not trusted to be right: field names that are no
// tokens, CR, LF or NUL in values, targets with spaces, fields that only the framing may have.
#pragma once
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "http/message.h"

namespace fairlead::wire {

struct HttpService {
  bool tls = false;
  std::string server_name;
  std::string ca_pem;                      // empty: the system's
  std::uint32_t proxy_protocol = 0;        // version; 0: none
  Duration connect{}, idle{}, response{};  // 0: see http.proto
  std::uint32_t max_connections = 0;
};

// Code::too_large over kMaxFlowHead.
Result<std::string> encode_http_request(const http::Request& request, const HttpService& service);
// Appends the message, without length. False when it is over `limit`.
bool encode_http_response(std::string& out, const http::Response& response, std::size_t limit);
bool encode_http_trailers(std::string& out, const http::Fields& trailers, std::size_t limit);

class DecodedHttpRequest {
 public:
  DecodedHttpRequest() = default;
  DecodedHttpRequest(const DecodedHttpRequest&) = delete;
  DecodedHttpRequest& operator=(const DecodedHttpRequest&) = delete;
  Result<void> decode(Bytes body);
  http::Request request;
  HttpService service;

 private:
  std::string bytes_;
};

class DecodedHttpResponse {
 public:
  DecodedHttpResponse() = default;
  DecodedHttpResponse(const DecodedHttpResponse&) = delete;
  DecodedHttpResponse& operator=(const DecodedHttpResponse&) = delete;
  Result<void> decode(Bytes body);
  http::Response response;

 private:
  std::string bytes_;
};

class DecodedHttpTrailers {
 public:
  DecodedHttpTrailers() = default;
  DecodedHttpTrailers(const DecodedHttpTrailers&) = delete;
  DecodedHttpTrailers& operator=(const DecodedHttpTrailers&) = delete;
  Result<void> decode(Bytes body);
  http::Fields fields;

 private:
  std::string bytes_;
};

}  // namespace fairlead::wire
