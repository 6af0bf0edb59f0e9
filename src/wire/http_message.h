// http_message.h: the http plug-in's heads, between proto/fairlead/v1/http.proto and http::Request and Response.
//
// Decoded messages are views of an arena that belongs to the Decoded* object: valid while it lives and until its next decode. Decoding
// refuses what an HTTP/1.1 peer could be fooled by, for the other side of the link is not trusted to be right: field names that are no
// tokens, CR, LF or NUL in values, targets with spaces, fields that only the framing may have.
#pragma once
#include <memory>
#include <string>
#include <vector>

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
  DecodedHttpRequest();
  ~DecodedHttpRequest();
  Result<void> decode(Bytes body);
  http::Request request;
  HttpService service;

 private:
  struct Arena;
  std::unique_ptr<Arena> arena_;
};

class DecodedHttpResponse {
 public:
  DecodedHttpResponse();
  ~DecodedHttpResponse();
  Result<void> decode(Bytes body);
  http::Response response;

 private:
  struct Arena;
  std::unique_ptr<Arena> arena_;
};

class DecodedHttpTrailers {
 public:
  DecodedHttpTrailers();
  ~DecodedHttpTrailers();
  Result<void> decode(Bytes body);
  http::Fields fields;

 private:
  struct Arena;
  std::unique_ptr<Arena> arena_;
};

}  // namespace fairlead::wire
