#include "plugins/http/response_body.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace fairlead::http_plugin {
namespace {

// Chunks are decoded out of this: as much at once as pays for the call.
constexpr std::size_t kChunkBuffer = 32_KiB;

}  // namespace

ResponseBody::ResponseBody(const http::ResponseHead& head, net::Stream& stream, InputBuffer& in, http::ChunkDecoder& chunks)
    : stream_(stream), in_(in), chunks_(chunks), chunked_(head.chunked), until_close_(head.until_close) {
  if (chunked_) {
    chunks_.reset();
  } else if (until_close_) {
    left_ = std::numeric_limits<std::uint64_t>::max();
  } else if (head.response.body.kind == http::BodyLength::Kind::exact) {
    left_ = head.response.body.size;
  }
  finished_ = !chunked_ && left_ == 0;
}

std::size_t ResponseBody::receive(MutableBytes room) {
  std::optional<Result<std::size_t>> got = stream_.try_read(room);
  if (!got) return 0;
  if (!*got) {
    failure_ = Error::wrap("the service broke off its answer", got->error());
    return 0;
  }
  if (**got > 0) return **got;
  if (until_close_)
    finished_ = true;
  else
    failure_ = Error(Code::reset, "the service ended its answer before it was whole");
  return 0;
}

std::size_t ResponseBody::pull(MutableBytes room) {
  if (finished_ || failure_) return 0;
  return chunked_ ? pull_chunked(room) : pull_plain(room);
}

std::size_t ResponseBody::pull_plain(MutableBytes room) {
  room = room.first(static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), left_)));
  std::size_t n = std::min(room.size(), in_.rest().size());
  if (n > 0) {
    std::memcpy(room.data(), in_.rest().data(), n);
    in_.consume(n);
    room = room.subspan(n);
  }
  if (!room.empty()) n += receive(room);
  if (!until_close_) {
    left_ -= n;
    finished_ = left_ == 0;
  }
  return n;
}

std::size_t ResponseBody::pull_chunked(MutableBytes room) {
  std::size_t given = 0;
  while (given < room.size()) {
    if (left_ > 0) {
      const std::size_t n = std::min(room.size() - given, static_cast<std::size_t>(left_));
      std::memcpy(room.data() + given, in_.rest().data(), n);
      in_.consume(n);
      given += n;
      left_ -= n;
      continue;
    }
    auto step = chunks_.step(in_.rest());
    if (!step) {
      failure_ = Error(Code::invalid, "the service's chunks are malformed: " + std::string(step.error().text));
      break;
    }
    in_.consume(step->skip);
    if (step->state == http::ChunkDecoder::State::end) {
      finished_ = true;
      break;
    }
    if (step->state == http::ChunkDecoder::State::data) {
      left_ = step->data;
      continue;
    }
    // What is left is part of a line: the decoder wants the rest of it, too.
    in_.grow(kChunkBuffer);
    const std::size_t n = receive(in_.room());
    if (n == 0) break;
    in_.filled(n);
  }
  return given;
}

}  // namespace fairlead::http_plugin
