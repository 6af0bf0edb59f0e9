#include "plugins/http/answer.h"

namespace fairlead::http_plugin {
namespace {

// Content below this is copied behind what waits to be written: cheaper than a call of the system for each.
constexpr std::size_t kCollect = 32_KiB;
// Content from this on is written from where it lies, if nothing waits before it.
constexpr std::size_t kStraight = 4_KiB;

}  // namespace

void Answer::interim(const http::Response& response) {
  if (minor_ == 0) return;
  http::put_response_head(client_.out(), response, {.keep_alive = true, .chunked = false}, minor_);
  client_.flush_soon();
}

void Answer::begin(const http::Response& response, bool keep_alive, const http::Fields& extra) {
  status_ = response.status;
  body_ = response.body;
  const bool unknown = body_.kind == http::BodyLength::Kind::unknown;
  chunked_ = unknown && minor_ > 0;
  keep_alive_ = keep_alive && (!unknown || chunked_);
  http::put_response_head(client_.out(), response, {.keep_alive = keep_alive_, .chunked = chunked_}, minor_, extra);
  if (body_.kind != http::BodyLength::Kind::none) client_.flush_soon();
}

void Answer::begin_upgrade(const http::Response& response) {
  status_ = response.status;
  http::put_response_head(client_.out(), response, {.keep_alive = true, .chunked = false}, minor_);
}

Task<Result<void>> Answer::content(Bytes bytes) {
  if (body_.kind == http::BodyLength::Kind::none || (body_.kind == http::BodyLength::Kind::exact && bytes.size() > body_.size - size_))
    co_return fail(Code::invalid, "more content than the head of the answer had said");
  size_ += bytes.size();
  std::string& out = client_.out();
  if (!chunked_ && out.empty() && bytes.size() >= kStraight) {
    auto written = co_await client_.write(bytes);
    co_return written;
  }
  if (chunked_) {
    char header[http::kMaxChunkHeader];
    out.append(header, http::put_chunk_header(header, bytes.size()));
  }
  out.append(as_text(bytes));
  if (chunked_) out.append("\r\n");
  if (out.size() < kCollect) {
    client_.flush_soon();
    co_return Result<void>{};
  }
  auto flushed = co_await client_.flush();
  co_return flushed;
}

Task<Result<void>> Answer::end(const http::Fields& trailers) {
  if (body_.kind == http::BodyLength::Kind::exact && size_ != body_.size)
    co_return fail(Code::invalid, "less content than the head of the answer had said");
  if (chunked_) http::put_last_chunk(client_.out(), trailers);
  auto flushed = co_await client_.flush();
  whole_ = flushed.has_value();
  co_return flushed;
}

}  // namespace fairlead::http_plugin
