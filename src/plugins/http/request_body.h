// request_body.h: the content of one request as it comes from the client: framing taken off, counted, limited, and kept for another try
// while it is small.
//
// Invariant: what pull() gave was given once, in order, and is in the replay if there is one: a try that is ended in the middle of
// anything can be followed by another that begins with replay().
#pragma once
#include <cstdint>
#include <optional>

#include "http/head_parser.h"
#include "plugins/http/client.h"

namespace fairlead::http_plugin {

class RequestBody {
 public:
  static constexpr std::size_t kMaxReplay = 64_KiB;

  RequestBody(Client& client, const http::RequestHead& head, std::optional<std::uint64_t> max, Duration timeout, bool awaits_continue);

  // Content into `room`; 0 when there is none now (see finished() and failure(), else wait for client.changed). Never waits.
  std::size_t pull(MutableBytes room);
  bool finished() const { return finished_; }
  // Why there will be no more: too large, malformed. The connection is to be closed.
  const std::optional<http::Refusal>& failure() const { return failure_; }
  const http::Fields& trailers() const { return chunked_ ? desk().chunks.trailers() : no_trailers_; }
  std::uint64_t size() const { return size_; }  // so far

  // All content so far, or nothing if that was too much to keep.
  const std::string* replay() const { return replayable_ ? &desk().replay : nullptr; }
  void drop_replay() { replayable_ = false; }

  // The client was told to go on: its body is due from now on.
  void continued() { awaits_continue_ = false; }
  bool awaits_continue() const { return awaits_continue_ && size_ == 0; }
  // Takes what has come and throws it away.
  void skip_what_is_there();
  // While somebody waits for content; passed(Limit::body) then tells that it took too long.
  void await_content();

 private:
  Desk& desk() const { return *client_.desk; }
  std::size_t pull_exact(MutableBytes room);
  std::size_t pull_chunked(MutableBytes room);
  bool within_limit(std::uint64_t more);

  Client& client_;
  const std::optional<std::uint64_t> max_;
  const Duration timeout_;
  const bool chunked_;
  bool finished_ = false;
  bool replayable_ = true;
  bool awaits_continue_;
  std::uint64_t left_ = 0;  // of a body of known length; of a chunked one: content at the front of the buffer
  std::uint64_t size_ = 0;
  std::optional<http::Refusal> failure_;
  http::Fields no_trailers_;
};

}  // namespace fairlead::http_plugin
