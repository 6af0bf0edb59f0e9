#include "plugins/http/service_call.h"

#include <algorithm>

#include "http/encode.h"

namespace fairlead::http_plugin {
namespace {

// Reads of a socket in a row before others have their turn.
constexpr int kReadsInARow = 16;
// A chunk for the service is put together with its framing, so that it is one write: larger ones would be copied for nothing.
constexpr std::size_t kMostInChunk = 16_KiB;

Bytes bytes_of(std::string_view text) { return as_bytes(text); }

Error bad_answer(std::string_view what) { return Error(Code::invalid, std::string(what)); }

}  // namespace

ServiceCall::ServiceCall(link::Flow& flow, RecordReader& reader, const http::Request& request, BackendPool::Connection& connection,
                         TimePoint answer_by)
    : flow_(flow),
      reader_(reader),
      writer_(flow),
      request_(request),
      connection_(connection),
      stream_(*connection.stream),
      answer_due_(flow.loop(), [this] { fail(link::FlowCode::deadline, "the service did not answer in time"); }),
      tasks_(flow.loop()) {
  if (answer_by != TimePoint::max()) answer_due_.arm(answer_by);
}

Task<void> ServiceCall::run() {
  http::put_request_head(out_, request_, true);
  // From here on the service may see something.
  written_ = true;
  auto writing = stream_.write(bytes_of(out_));
  auto written = co_await writing;
  if (!written) {
    // It may have answered before it closed.
    tasks_.spawn(download());
  } else {
    tasks_.spawn(upload());
    tasks_.spawn(download());
  }
  tasks_.spawn(watch_flow());
  co_await tasks_.done();
  answer_due_.disarm();
}

void ServiceCall::fail(link::FlowCode code, std::string message, bool by_flow) {
  if (over_) return;
  failure_ = link::Refusal{code, written_ ? link::Delivered::maybe : link::Delivered::no, std::move(message)};
  by_flow_ = by_flow;
  stream_.reset();
  if (accepted_ && !by_flow) flow_.abort(code);
  finish();
}

void ServiceCall::finish() {
  over_ = true;
  tasks_.cancel();
}

Task<void> ServiceCall::watch_flow() {
  Error why = co_await flow_.broken();
  fail(flow_.peer_code(), why.describe(), true);
}

Task<Result<void>> ServiceCall::send_data(Bytes data) {
  if (request_.body.kind == http::BodyLength::Kind::exact) {
    auto writing = stream_.write(data);
    co_return co_await writing;
  }
  char header[http::kMaxChunkHeader];
  out_.assign(header, http::put_chunk_header(header, data.size()));
  out_ += as_text(data);
  out_ += "\r\n";
  auto writing = stream_.write(bytes_of(out_));
  co_return co_await writing;
}

Task<void> ServiceCall::upload() {
  for (;;) {
    auto event = co_await reader_.next();
    if (!event) {
      if (event.error().code() == Code::invalid)
        fail(link::FlowCode::protocol, event.error().describe());
      else
        fail(flow_.peer_code(), event.error().describe(), true);
      co_return;
    }
    if (event->type == RecordType::head) {
      fail(link::FlowCode::protocol, "an answer's head in a request");
      co_return;
    }
    if (event->type == RecordType::trailers) continue;
    if (event->type == RecordType::data) {
      const Bytes data = event->data.first(std::min(event->data.size(), kMostInChunk));
      const bool exact = request_.body.kind == http::BodyLength::Kind::exact;
      if (request_.body.kind == http::BodyLength::Kind::none || (exact && data.size() > request_.body.size - sent_)) {
        fail(link::FlowCode::protocol, "a request with more content than it said");
        co_return;
      }
      request_read_ = true;
      auto sending = send_data(data);
      auto sent = co_await sending;
      // The service reads no more. An answer may be on its way, which tells why: download() knows.
      if (!sent) co_return;
      sent_ += data.size();
      bytes_in_ += data.size();
      reader_.consume(data.size());
      continue;
    }
    // END
    if (request_.body.kind == http::BodyLength::Kind::exact && sent_ != request_.body.size) {
      fail(link::FlowCode::protocol, "a request with less content than it said");
      co_return;
    }
    if (request_.body.kind == http::BodyLength::Kind::unknown) {
      out_.clear();
      http::put_last_chunk(out_, reader_.trailers());
      auto writing = stream_.write(bytes_of(out_));
      auto written = co_await writing;
      if (!written) co_return;
    }
    sent_all_ = true;
    if (upgraded_) finish();
    co_return;
  }
}

Task<Result<bool>> ServiceCall::read_more() {
  std::string& input = connection_.input;
  const std::size_t before = input.size();
  // Waits without a buffer: an answer that is far away holds none.
  for (;;) {
    input.resize(before + kBuffer);
    auto got = stream_.try_read(std::as_writable_bytes(std::span(input.data() + before, kBuffer)));
    if (got) {
      input.resize(before + (*got ? **got : 0));
      if (!*got) co_return std::unexpected(got->error());
      if (**got > 0) heard_ = true;
      co_return **got > 0;
    }
    input.resize(before);
    if (before == 0) input = {};
    co_await stream_.readable();
  }
}

Task<Result<bool>> ServiceCall::read_head() {
  parser_.reset();
  for (;;) {
    if (!connection_.input.empty()) {
      auto size = parser_.parse(connection_.input, request_.method);
      if (!size) co_return std::unexpected(bad_answer(size.error().text));
      if (*size) {
        head_size_ = **size;
        co_return true;
      }
    }
    auto reading = read_more();
    auto more = co_await reading;
    if (!more) co_return std::unexpected(more.error());
    if (!*more) {
      if (connection_.input.empty()) co_return false;
      co_return std::unexpected(Error(Code::reset, "the service closed the connection inside of the head of its answer"));
    }
  }
}

// The head in the buffer goes to the far side, with the acceptance of the flow if it is the first.
Task<Result<void>> ServiceCall::give_head() {
  http::Response& response = parser_.head().response;
  http::strip_hop_by_hop(response.fields);
  if (!accepted_) {
    auto accepting = flow_.accept();
    auto accepted = co_await accepting;
    if (!accepted) co_return accepted;
    accepted_ = true;
  }
  auto giving = writer_.head(response);
  auto given = co_await giving;
  connection_.input.erase(0, head_size_);
  co_return given;
}

Task<void> ServiceCall::download() {
  for (;;) {
    auto reading = read_head();
    auto read = co_await reading;
    if (!read || !*read) {
      const Error why = read ? Error(Code::reset, "the service closed the connection without an answer") : read.error();
      fail(why.code() == Code::invalid ? link::FlowCode::protocol : link::flow_code_of(why.code()), why.describe());
      co_return;
    }
    const unsigned status = parser_.head().response.status;
    if (status == 101 && request_.upgrade.empty()) {
      fail(link::FlowCode::protocol, "the service changes to a protocol that nobody asked for");
      co_return;
    }
    if (status >= 200 || status == 101) {
      answer_due_.disarm();
      status_ = status;
    }
    auto giving = give_head();
    auto given = co_await giving;
    if (!given) {
      fail(flow_.peer_code(), given.error().describe(), true);
      co_return;
    }
    if (status == 101) {
      upgraded_ = true;
      if (sent_all_) finish();
      co_return;
    }
    if (status >= 200) break;
  }

  const http::ResponseHead head = std::move(parser_.head());  // its views are gone with the buffer; numbers and flags are left
  Result<void> given;
  if (head.chunked) {
    auto giving = give_chunked();
    given = co_await giving;
  } else if (head.until_close) {
    auto giving = give_stream({});
    given = co_await giving;
  } else if (head.response.body.kind == http::BodyLength::Kind::exact && head.response.body.size > 0) {
    writer_.expect(head.response.body.size);
    auto giving = give_stream(head.response.body.size);
    given = co_await giving;
  }
  if (given) {
    auto finishing = writer_.finish(chunks_.trailers());
    given = co_await finishing;
  }
  if (!given) {
    const Error& why = given.error();
    const bool by_flow = flow_failed_;
    fail(by_flow                         ? flow_.peer_code()
         : why.code() == Code::invalid   ? link::FlowCode::protocol
                                         : link::flow_code_of(why.code()),
         why.describe(), by_flow);
    co_return;
  }
  reusable_ = head.keep_alive && sent_all_ && connection_.input.empty();
  finish();
}

// Content as it comes: `size` bytes, or all until the connection ends.
Task<Result<void>> ServiceCall::give_stream(std::optional<std::uint64_t> size) {
  std::uint64_t left = size.value_or(UINT64_MAX);
  if (!connection_.input.empty()) {
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(left, connection_.input.size()));
    auto giving = writer_.data(bytes_of(std::string_view(connection_.input).substr(0, n)));
    auto given = co_await giving;
    connection_.input.erase(0, n);
    if (!given) {
      flow_failed_ = true;
      co_return given;
    }
    left -= n;
    bytes_out_ += n;
  }
  for (int reads = 1; left > 0; reads++) {
    auto room = co_await writer_.prepare();
    if (!room) {
      flow_failed_ = true;
      co_return std::unexpected(room.error());
    }
    std::optional<Result<std::size_t>> got = stream_.try_read(*room);
    if (!got) {
      writer_.commit(0);  // gives the buffer back while there is nothing to put in it
      reads = 0;
      co_await stream_.readable();
      continue;
    }
    writer_.commit(*got ? **got : 0);
    if (!*got) co_return std::unexpected(got->error());
    if (**got == 0) {
      if (!size) co_return Result<void>();
      co_return std::unexpected(Error(Code::reset, "the service closed the connection inside of its answer"));
    }
    left -= **got;
    bytes_out_ += **got;
    if (reads % kReadsInARow == 0) co_await flow_.loop().yield();
  }
  co_return Result<void>();
}

Task<Result<void>> ServiceCall::give_chunked() {
  for (int reads = 1;; reads++) {
    std::size_t at = 0;
    for (;;) {
      auto step = chunks_.step(std::string_view(connection_.input).substr(at));
      if (!step) co_return std::unexpected(bad_answer(step.error().text));
      at += step->skip;
      if (step->state == http::ChunkDecoder::State::end) {
        connection_.input.erase(0, at);
        co_return Result<void>();
      }
      if (step->state == http::ChunkDecoder::State::more) break;
      auto giving = writer_.data(bytes_of(std::string_view(connection_.input).substr(at, step->data)));
      auto given = co_await giving;
      if (!given) {
        flow_failed_ = true;
        co_return given;
      }
      at += step->data;
      bytes_out_ += step->data;
    }
    connection_.input.erase(0, at);
    auto reading = read_more();
    auto more = co_await reading;
    if (!more) co_return std::unexpected(more.error());
    if (!*more) co_return std::unexpected(Error(Code::reset, "the service closed the connection inside of its answer"));
    if (reads % kReadsInARow == 0) co_await flow_.loop().yield();
  }
}

}  // namespace fairlead::http_plugin
