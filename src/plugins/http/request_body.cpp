#include "plugins/http/request_body.h"

#include <algorithm>
#include <cstring>

namespace fairlead::http_plugin {

RequestBody::RequestBody(Client& client, const http::RequestHead& head, std::optional<std::uint64_t> max, Duration timeout,
                         bool awaits_continue)
    : client_(client),
      max_(max),
      timeout_(timeout),
      chunked_(head.chunked),
      awaits_continue_(awaits_continue),
      left_(head.request.body.kind == http::BodyLength::Kind::exact ? head.request.body.size : 0) {
  if (chunked_) desk().chunks.reset();
  finished_ = !chunked_ && left_ == 0;
  within_limit(left_);
}

bool RequestBody::within_limit(std::uint64_t more) {
  if (!max_ || size_ + more <= *max_) return true;
  failure_ = http::Refusal{413, "body-too-large", "the content is larger than this rule allows"};
  return false;
}

std::size_t RequestBody::pull(MutableBytes room) {
  if (finished_ || failure_) return 0;
  const std::size_t n = chunked_ ? pull_chunked(room) : pull_exact(room);
  if (n > 0 || finished_) client_.clear(Client::Limit::body);
  if (n > 0 && replayable_) {
    if (desk().replay.size() + n <= kMaxReplay) {
      desk().replay.append(as_text(room.first(n)));
    } else {
      replayable_ = false;
      desk().replay.clear();
    }
  }
  size_ += n;
  return n;
}

std::size_t RequestBody::pull_exact(MutableBytes room) {
  room = room.first(static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), left_)));
  std::size_t n = std::min(room.size(), desk().in.rest().size());
  if (n > 0) {
    std::memcpy(room.data(), desk().in.rest().data(), n);
    desk().in.consume(n);
  } else {
    n = client_.read(room);
  }
  left_ -= n;
  finished_ = left_ == 0;
  return n;
}

std::size_t RequestBody::pull_chunked(MutableBytes room) {
  InputBuffer& in = desk().in;
  std::size_t given = 0;
  while (given < room.size()) {
    if (left_ > 0) {
      const std::size_t n = std::min({room.size() - given, static_cast<std::size_t>(left_), in.rest().size()});
      std::memcpy(room.data() + given, in.rest().data(), n);
      in.consume(n);
      given += n;
      left_ -= n;
      continue;
    }
    auto step = desk().chunks.step(in.rest());
    if (!step) {
      failure_ = step.error();
      break;
    }
    in.consume(step->skip);
    if (step->state == http::ChunkDecoder::State::end) {
      finished_ = true;
      break;
    }
    if (step->state == http::ChunkDecoder::State::data) {
      if (!within_limit(given + step->data)) break;
      left_ = step->data;
      continue;
    }
    // What is left is part of a line: the decoder wants the rest of it, too.
    const MutableBytes free = in.room();
    if (free.empty()) {
      failure_ = http::Refusal{400, "chunk-line-too-long", "a line of the chunked content is too long"};
      break;
    }
    const std::size_t n = client_.read(free);
    if (n == 0) break;
    in.filled(n);
  }
  return given;
}

void RequestBody::skip_what_is_there() {
  replayable_ = false;
  std::byte scratch[8192];
  while (pull(scratch) > 0) {
  }
}

void RequestBody::await_content() {
  if (!awaits_continue()) client_.set(Client::Limit::body, client_.loop().now() + timeout_);
}

}  // namespace fairlead::http_plugin
