// response_body.h: the content of a service's answer as it comes: framing taken off, counted.
//
// Invariant: finished() only when the service said that this was all: by its length, by the last chunk, or, for an answer without
// either, by the end of its half.
#pragma once
#include <cstdint>
#include <optional>

#include "http/chunked.h"
#include "http/head_parser.h"
#include "net/stream.h"
#include "plugins/http/desk.h"

namespace fairlead::http_plugin {

class ResponseBody {
 public:
  // `in`: what has come of it already, at the front.
  ResponseBody(const http::ResponseHead& head, net::Stream& stream, InputBuffer& in, http::ChunkDecoder& chunks);

  // Content into `room` (not empty); 0 when there is none now: see finished() and failure(), else wait for the stream. Never waits.
  std::size_t pull(MutableBytes room);
  bool finished() const { return finished_; }
  // Why there will be no more. Code::invalid: malformed.
  const std::optional<Error>& failure() const { return failure_; }
  const http::Fields& trailers() const { return chunked_ ? chunks_.trailers() : no_trailers_; }

 private:
  std::size_t pull_plain(MutableBytes room);
  std::size_t pull_chunked(MutableBytes room);
  // Bytes of the stream; 0 when there are none now, or none any more: then got_end() was called.
  std::size_t receive(MutableBytes room);

  net::Stream& stream_;
  InputBuffer& in_;
  http::ChunkDecoder& chunks_;
  const bool chunked_, until_close_;
  bool finished_ = false;
  std::uint64_t left_ = 0;  // of a length; of a chunk: content at the front of the buffer
  std::optional<Error> failure_;
  http::Fields no_trailers_;
};

}  // namespace fairlead::http_plugin
